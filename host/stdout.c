/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/stdout.h"

#include <errno.h>
#include <stdio_ext.h>
#include <string.h>

#include "host/message.h"

static void report(int error)
{
	message_error("cannot write to standard output: %s", strerror(error ? error : EIO));
}

int stdout_flush(void)
{
	int error;

	errno = 0;
	if (!ferror(stdout) && fflush(stdout) == 0)
		return 0;
	error = errno ? errno : EIO;
	report(error);
	__fpurge(stdout);
	clearerr(stdout);
	return -error;
}

int stdout_close(int status)
{
	/* EBADF: started with stdout closed (">&-") and nothing was printed. */
	if (stdout_flush() < 0)
		status = status ? status : 1;
	errno = 0;
	if (fclose(stdout) && errno != EBADF) {
		report(errno);
		status = status ? status : 1;
	}
	errno = 0;
	if (fclose(stderr) && errno != EBADF && !status)
		status = 1;
	return status;
}
