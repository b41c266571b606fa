/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct capture capture_start(int fd)
{
	struct capture capture = {.fd = fd};

	fflush(NULL);
	capture.saved = dup(fd);
	capture.file = memfd_create("capture", MFD_CLOEXEC);
	if (capture.saved < 0 || capture.file < 0 || dup2(capture.file, fd) < 0)
		abort();
	return capture;
}

char *capture_end(struct capture *capture)
{
	struct stat st;
	char *text;

	fflush(NULL);
	if (dup2(capture->saved, capture->fd) < 0 || fstat(capture->file, &st) < 0)
		abort();
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text || pread(capture->file, text, (size_t)st.st_size, 0) != st.st_size)
		abort();
	close(capture->saved);
	close(capture->file);
	return text;
}
