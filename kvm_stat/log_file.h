/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the log goes: whole lines, at once, into a file that may be rotated away. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "host/cleanup.h"

struct log_file {
	const char *path; /* borrowed; NULL: standard output */
	int fd;
	bool regular;
	int signal_fd; /* ends a write that waits for its reader; -1: none */
};

#define LOG_FILE_NONE ((struct log_file){.fd = -1, .signal_fd = -1})

/*
 * Opens `path` for appending (NULL: standard output). A last line that was left without its end is
 * ended. Returns 0 or -errno; -ENOTSUP for what is neither a regular file nor a character device:
 * writing to a FIFO could wait for ever.
 */
int log_file_open(struct log_file *file, const char *path, int signal_fd) must_check;

/*
 * Opens the path anew, as after a rotation. Returns 0, with what closing the old file said in
 * *ret_close_error (0 or -errno), or -errno; then the old file stays.
 */
int log_file_reopen(struct log_file *file, int *ret_close_error) must_check;

/* Closes the file; standard output stays open. Returns 0 or -errno of what could not be written. */
int log_file_close(struct log_file *file) must_check;

/*
 * Writes whole lines. Should the disk fill up amid them, what was written of them is taken back
 * from a regular file, so that it never ends in half a record. Returns 0 or -errno; -ECANCELED when
 * a signal came while a pipe or terminal took nothing.
 */
int log_file_write(struct log_file *file, const char *text, size_t length) must_check;

/*
 * Ends `stream`, which open_memstream() made of *text and *length, writes what is in it and frees
 * that. Returns as log_file_write().
 */
int log_file_write_stream(struct log_file *file, FILE *stream, char **text,
			  const size_t *length) must_check;

/*
 * Whether the last line of the file that begins with `prefix` is exactly `line` (with its line
 * end). An empty file, and one that cannot be read, has none.
 */
bool log_file_last_line_is(const struct log_file *file, const char *prefix,
			   const char *line) must_check;
