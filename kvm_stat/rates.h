/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changed between two samples. Outputs and views know rates only, never sources. */
#pragma once

#include "kvm_stat/sample.h"

struct rate {
	const char *name, *parent; /* as in struct sample_row */
	bool is_flag;              /* likewise */
	enum field_kind kind;
	enum field_unit unit;
	pid_t guest;
	struct sample_thread thread;
	uint64_t total;    /* since start or reset; a gauge's state */
	int64_t delta;     /* since the sample before; negative for gauges only */
	double per_second; /* delta by the time between both samples */
	/* NULL when the row has none; both stay until the next rates_update(). */
	const struct distribution *distribution; /* since start or reset */
	const struct distribution *interval;     /* since the sample before */
};

struct rates {
	struct rate *rows; /* in the order of sample_sort() */
	size_t count;
	double seconds; /* between both samples; 0 with the first one */
	bool first;     /* there was no sample before: all deltas are since start or reset */
	bool partial;   /* as in struct sample */
	/* Owned by rates.c: */
	struct sample before;
	struct distribution *intervals; /* of the rows that have a distribution */
	size_t interval_room;
};

/*
 * Takes `now` (sorted) and works out the rates against the sample that was given before. A row
 * that was not there before starts from 0. `now` is swapped with the earlier sample, so that its
 * memory is used again. Returns 0 or -ENOMEM.
 */
int rates_update(struct rates *rates, struct sample *now) must_check;

/*
 * Makes `now` the rows of the sample that was given before, in which then nothing has happened
 * since. Returns 0 or -ENOMEM.
 */
int rates_repeat(const struct rates *rates, struct sample *now) must_check;

/* Forgets the sample before, as after a reset or another selection. */
void rates_restart(struct rates *rates);

/* Frees all memory. */
void rates_done(struct rates *rates);

/* What a row's total is counted in; times without a unit are in nanoseconds. */
enum field_unit rate_unit(const struct rate *rate);

/* What its distribution is of: of what a histogram counts, else of how long events take. */
enum field_unit rate_distribution_unit(const struct rate *rate);

/*
 * The sum of the totals of all event rows: of tracepoints and counters, or, where a filter left
 * only children, of those. Gauges and times are not events. *ret_per_second, when not NULL, is
 * the sum of their rates.
 */
uint64_t rates_sum(const struct rates *rates, double *ret_per_second);
