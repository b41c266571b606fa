/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One sample in the format that the options ask for. */
#pragma once

#include <stdio.h>

#include "kvm_stat/output.h"
#include "kvm_stat/report.h"

struct record {
	struct report report;
	const struct options *options;
	struct log_columns columns; /* of a wide table, once record_set_columns() was called */
};

/* Prepares records of `session`; both are borrowed. The samples are taken by report_take(). */
void record_start(struct record *record, struct session *session, const struct options *options);

/* Frees the columns. */
void record_done(struct record *record);

/* Whether records are one line each with a column for each field. */
bool record_is_wide(const struct record *record);

/* Whether there is a line that names the columns. */
bool record_has_titles(const struct record *record);

/* Takes over the present rows as the columns of a wide table. Returns 0 or -errno. */
int record_set_columns(struct record *record) must_check;

/* Writes the line that names the columns. Returns 0 or -errno. */
int record_write_titles(const struct record *record, FILE *stream) must_check;

/* Writes the present sample as a record of a log. Returns 0 or -errno. */
int record_write(const struct record *record, FILE *stream) must_check;

/* Writes the present sample as -1 does. Returns 0 or -errno. */
int record_write_batch(struct record *record, FILE *stream, bool first) must_check;
