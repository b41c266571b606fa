/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the log goes: whole lines, at once, into a file that may be rotated away. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/cleanup.h"

struct log_file {
	const char *path; /* borrowed; NULL: standard output */
	int fd;
	bool regular;
};

#define LOG_FILE_NONE ((struct log_file){.fd = -1})

/*
 * Opens `path` for appending (NULL: standard output). Returns 0 or -errno; -ENOTSUP for what is
 * neither a regular file nor a character device: writing to a FIFO could wait for ever.
 */
int log_file_open(struct log_file *file, const char *path) must_check;

/* Opens the path anew, as after a rotation; on failure the old file stays. Returns 0 or -errno. */
int log_file_reopen(struct log_file *file) must_check;

/* Closes the file; standard output stays open. Returns 0 or -errno of what could not be written. */
int log_file_close(struct log_file *file) must_check;

/*
 * Writes whole lines. Should the disk fill up amid them, what was written of them is taken back
 * from a regular file, so that it never ends in half a record. Returns 0 or -errno.
 */
int log_file_write(struct log_file *file, const char *text, size_t length) must_check;

/* Whether the file begins with these bytes; an empty file does not. */
bool log_file_begins_with(const struct log_file *file, const char *text, size_t length);
