/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/stdout.h"

#include <errno.h>
#include <string.h>

#include "host/message.h"

int stdout_close(int status)
{
	int failed = ferror(stdout);

	errno = 0;
	/* EBADF: started with stdout closed (">&-") and nothing was printed. */
	if (fclose(stdout) && errno != EBADF)
		failed = 1;
	if (failed) {
		message_error("cannot write to standard output: %s", strerror(errno ? errno : EIO));
		status = status ? status : 1;
	}
	if (fclose(stderr) && !status)
		status = 1;
	return status;
}
