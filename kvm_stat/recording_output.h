/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of a recording that is being written: lines are collected, packed by gzip, and appended
 * at once, so that the file never ends in half of what one recording_output_write() adds.
 */
#pragma once

#include <zlib.h>

#include "kvm_stat/log_file.h"

struct recording_output {
	FILE *lines; /* those that are being collected, between _start() and _end() */
	char *text;  /* those that were */
	size_t text_length;
	/* Of this file only: */
	struct log_file file;
	z_stream deflate;
	unsigned char *packed; /* what is to be appended */
	size_t packed_count, packed_room;
};

/* Creates the file at `path`, which is borrowed. Returns 0; -EEXIST; or another -errno. */
int recording_output_open(struct recording_output *output, const char *path) must_check;

/* Begins to collect lines, in output->lines. Returns 0 or -ENOMEM. */
int recording_output_start(struct recording_output *output) must_check;

/*
 * Ends to collect lines, which then are output->text. Returns 0 or -ENOMEM: also where making them
 * `failed`, so that this is to be checked here only.
 */
int recording_output_end(struct recording_output *output, bool failed) must_check;

/*
 * Packs text, less than 4 GiB. With `flush` all that was packed so far can be unpacked when it is in
 * the file. Returns 0 or -errno.
 */
int recording_output_pack(struct recording_output *output, const char *text, size_t length,
			  bool flush) must_check;

/* Ends a member of the gzip file; what is packed next begins another. Returns 0 or -errno. */
int recording_output_end_member(struct recording_output *output) must_check;

/* Appends all that was packed, or nothing of it. Returns 0 or -errno. */
int recording_output_write(struct recording_output *output) must_check;

/* Waits until all that was appended is on the disk. Returns 0 or -errno. */
int recording_output_sync(struct recording_output *output) must_check;

/* Closes the file and frees all memory. Returns 0 or -errno of what could not be written. */
int recording_output_close(struct recording_output *output) must_check;
