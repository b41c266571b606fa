/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a recording, whatever the file holds: kvm_stat-recording(5). Memory is bounded by the limits
 * of recording.h, not by the length of the file.
 */
#pragma once

#include <signal.h>

#include "kvm_stat/guests.h"
#include "kvm_stat/recording_names.h"
#include "kvm_stat/sample.h"

struct recording_reader;

/*
 * Opens the recording at `path` and reads its head. Of the signals `ending` (NULL: none), which are
 * blocked, one that is pending ends all reading, with -EINTR: there is no going on after that.
 * Returns 0; -ENOTSUP for what is no regular file; -EBADMSG for what is no recording that can be
 * read, with *ret_why (to be freed) saying why; or another -errno.
 */
int recording_reader_open(const char *path, const sigset_t *ending,
			  struct recording_reader **ret_reader, char **ret_why) must_check;

/* Releases everything; NULL is fine. */
void recording_reader_close(struct recording_reader *reader);

/*
 * Reads the next sample. Returns 1; 0 at the end; -EBADMSG where the file is damaged, which
 * recording_reader_damage() describes; or another -errno. A sample is taken as a whole or not at
 * all.
 */
int recording_reader_next(struct recording_reader *reader) must_check;

/* What is wrong with the file where recording_reader_next() stopped. NULL: nothing, or no memory. */
const char *recording_reader_damage(const struct recording_reader *reader);

/* The number of the next sample. */
uint64_t recording_reader_position(const struct recording_reader *reader);

/*
 * Where in the file the segment begins that the sample read last is the first of. Returns false
 * when it is not the first of one, or when reading cannot begin there.
 */
bool recording_reader_segment(const struct recording_reader *reader, off_t *ret_offset);

/* Lets `sample`, which begins the segment at `offset`, be read next. Returns 0 or -errno. */
int recording_reader_seek(struct recording_reader *reader, uint64_t sample,
			  off_t offset) must_check;

const struct recording_head *recording_reader_head(const struct recording_reader *reader);

/* Of the sample read last: what it has beside its rows, and the guests. */
const struct recording_moment *recording_reader_moment(const struct recording_reader *reader);
const struct guests *recording_reader_guests(const struct recording_reader *reader);

/* All names read so far, in the order of their indexes; they stay until the reader is closed. */
const struct recorded_name *const *recording_reader_names(const struct recording_reader *reader,
							  size_t *ret_count);

/*
 * Hands each row of the sample read last to `take` until that returns less than 0: which is returned,
 * else 0. The row's distribution is the one beside it, or NULL.
 */
int recording_reader_rows(const struct recording_reader *reader,
			  int (*take)(const struct recorded_name *name,
				      const struct sample_row *row,
				      const struct distribution *distribution, void *data),
			  void *data) must_check;
