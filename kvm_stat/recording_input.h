/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of a recording that is being read: unpacked, and cut into lines that are JSON objects.
 * Memory is bounded whatever the file holds.
 */
#pragma once

#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <zlib.h>

#include "host/cleanup.h"

struct recording_input {
	char *line; /* the line read last, with its end */
	size_t line_length;
	uint64_t line_number;  /* of the line read last, from 1 on; not known after a seek */
	uint64_t member_lines; /* with it, those of this gzip member; 1: it begins there */
	off_t member_offset;   /* where this member begins in the file */
	bool may_end;          /* to be set when the recording has said that it ends here */
	/* Of this file only: */
	int fd;
	sigset_t ending;
	z_stream inflate;
	bool in_member; /* the gzip member that was begun has not ended */
	off_t offset;   /* of what is read from the file next */
	unsigned char packed[32768], plain[65536];
	size_t plain_at, plain_count, line_room;
	struct json_tokener *tokener;
};

/*
 * Opens the file at `path`. Of the signals `ending` (NULL: none), which are blocked, one that is
 * pending ends all reading. Returns 0; -ENOTSUP for what is no regular file; or another -errno. In
 * each case the input is to be closed.
 */
int recording_input_open(struct recording_input *input, const char *path,
			 const sigset_t *ending) must_check;

/* Releases everything. */
void recording_input_close(struct recording_input *input);

/*
 * Reads a line as an object, to be released. Returns 1; 0 at the end of the file, where it may end;
 * -EBADMSG with *ret_why (not to be freed) where it is damaged; -EINTR for a signal; or another
 * -errno.
 */
int recording_input_read(struct recording_input *input, struct json_object **ret_object,
			 const char **ret_why) must_check;

/* Whether one of the signals is pending that end all reading. */
bool recording_input_is_interrupted(const struct recording_input *input);

/* Lets the line at the beginning of the member at `offset` be read next. */
void recording_input_seek(struct recording_input *input, off_t offset);
