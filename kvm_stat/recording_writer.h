/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes a recording: kvm_stat-recording(5). */
#pragma once

#include "kvm_stat/guests.h"
#include "kvm_stat/recording.h"
#include "kvm_stat/sample.h"

struct recording_writer;

/*
 * Creates the file at `path`, which is borrowed, and writes the head. A file that exists is never
 * written to: -EEXIST. Returns 0 or -errno.
 */
int recording_writer_open(const char *path, const struct recording_head *head,
			  struct recording_writer **ret_writer) must_check;

/*
 * Appends a sample, sorted by sample_sort(), whose names stay until the writer is closed. Rows that
 * were there before and are not now live on in rows without a thread, or without a guest. `sample`
 * is swapped with the one before, so that its memory is used again. When this returns 0, all of the
 * sample is in the file; after -errno nothing of it is, and no more can be written.
 */
int recording_writer_add(struct recording_writer *writer, struct sample *sample,
			 const struct recording_moment *moment,
			 const struct guests *guests) must_check;

/* Ends the file, unless writing has failed, and frees the writer. Returns 0 or -errno. */
int recording_writer_close(struct recording_writer *writer) must_check;
