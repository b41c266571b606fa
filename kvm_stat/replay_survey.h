/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be known of a recording before it is replayed: by reading it once from its start. */
#pragma once

#include "kvm_stat/guests.h"
#include "kvm_stat/recording_reader.h"

struct replay_segment {
	uint64_t sample; /* its first one */
	off_t offset;    /* in the file */
};

struct replay_survey {
	uint64_t count; /* samples */
	struct replay_segment *segments;
	size_t segment_count;
	struct guests guests; /* all that ever were there */
	uint64_t *ends;       /* of each: the sample after the last one with rows of it, or 0 */
	size_t most_guests;   /* at the same time */
	bool any_partial;     /* an interval of it */
	char *damage;         /* where the recording is damaged, in words, or NULL */
	pid_t end_pid;        /* whose end was set last */
};

/*
 * Reads all of it. Damage is no failure: what comes before it is known. Returns 0, -ENOMEM, or -EINTR
 * as the reader; replay_survey_done() is called in any case.
 */
int replay_survey_read(struct replay_survey *survey, struct recording_reader *reader) must_check;

/* Frees everything. */
void replay_survey_done(struct replay_survey *survey);

/* Where reading has to begin for a sample; there is one segment at least. */
const struct replay_segment *replay_survey_segment(const struct replay_survey *survey,
						   uint64_t sample);

/* The number of the sample after the last one with rows of a guest; 0: it has none. */
uint64_t replay_survey_end(const struct replay_survey *survey, pid_t pid);
