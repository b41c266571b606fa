/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/rates.h"

#include <errno.h>
#include <stdlib.h>

static int64_t difference(const struct sample_row *now, const struct sample_row *before)
{
	uint64_t old = before ? before->value : 0;

	if (!field_counts_up(now->kind))
		return before ? (int64_t)(now->value - old) : 0;
	/* Sources only ever count up; should one fail to, that is no negative event. */
	return now->value >= old ? (int64_t)(now->value - old) : 0;
}

/* Makes room for the distributions of one interval. */
static int make_room(struct rates *rates, size_t count)
{
	struct distribution *grown;

	if (count <= rates->interval_room)
		return 0;
	grown = reallocarray(rates->intervals, count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	rates->intervals = grown;
	rates->interval_room = count;
	return 0;
}

/* Works out what a row's distribution was in the interval. */
static void set_distributions(const struct rates *rates, const struct sample *now,
			      const struct sample_row *row, const struct sample_row *before,
			      struct rate *rate)
{
	const struct distribution *old = before ? sample_distribution(&rates->before, before)
						: NULL;
	struct distribution *interval;

	rate->distribution = sample_distribution(now, row);
	if (!rate->distribution)
		return;
	interval = &rates->intervals[row->distribution - 1];
	*interval = *rate->distribution;
	if (old)
		distribution_subtract(interval, old);
	rate->interval = interval;
}

static int compare_rows(const void *a, const void *b)
{
	return sample_row_compare(a, b);
}

/*
 * What a vCPU that is known since this sample had counted as a thread that was not known to run one: it
 * makes events before it runs first, as one that waits for a migration.
 */
static const struct sample_row *before_vcpu(const struct sample *before,
					    const struct sample_row *row)
{
	struct sample_row key = *row;

	if (!row->thread.is_vcpu || !row->thread.tid || !before->count)
		return NULL;
	key.thread = (struct sample_thread){.tid = row->thread.tid};
	return bsearch(&key, before->rows, before->count, sizeof(key), compare_rows);
}

int rates_update(struct rates *rates, struct sample *now)
{
	struct sample swap;
	struct rate *rows = reallocarray(rates->rows, now->count ? now->count : 1, sizeof(*rows));
	size_t i, old = 0;

	if (!rows)
		return -ENOMEM;
	rates->rows = rows;
	if (make_room(rates, now->distribution_count) < 0)
		return -ENOMEM;
	rates->count = now->count;
	rates->first = rates->before.time_ns == 0;
	rates->partial = now->partial;
	rates->seconds = rates->first ? 0 : (double)(now->time_ns - rates->before.time_ns) / 1e9;
	for (i = 0; i < now->count; i++) {
		const struct sample_row *row = &now->rows[i];
		const struct sample_row *before = NULL;
		struct rate *rate = &rows[i];

		while (old < rates->before.count &&
		       sample_row_compare(&rates->before.rows[old], row) < 0)
			old++;
		if (old < rates->before.count &&
		    sample_row_compare(&rates->before.rows[old], row) == 0)
			before = &rates->before.rows[old];
		else
			before = before_vcpu(&rates->before, row);
		*rate = (struct rate){.name = row->name,
				      .parent = row->parent,
				      .is_flag = row->is_flag,
				      .kind = row->kind,
				      .unit = row->unit,
				      .guest = row->guest,
				      .thread = row->thread,
				      .total = row->value,
				      .delta = difference(row, before)};
		if (rates->seconds > 0)
			rate->per_second = (double)rate->delta / rates->seconds;
		set_distributions(rates, now, row, before, rate);
	}
	swap = rates->before;
	rates->before = *now;
	*now = swap;
	return 0;
}

int rates_repeat(const struct rates *rates, struct sample *now)
{
	const struct sample *before = &rates->before;
	size_t i;
	int r = 0;

	sample_clear(now);
	for (i = 0; i < before->count && r == 0; i++) {
		const struct sample_row *row = &before->rows[i];
		const struct distribution *distribution = sample_distribution(before, row);

		r = distribution ? sample_add_distribution(now, *row, distribution)
				 : sample_add(now, *row);
	}
	return r;
}

void rates_restart(struct rates *rates)
{
	sample_clear(&rates->before);
	rates->before.time_ns = 0;
	rates->count = 0;
	rates->first = true;
}

void rates_done(struct rates *rates)
{
	sample_done(&rates->before);
	free(rates->rows);
	free(rates->intervals);
	*rates = (struct rates){0};
}

enum field_unit rate_unit(const struct rate *rate)
{
	if (rate->kind == FIELD_HISTOGRAM)
		return UNIT_NONE; /* its value is how many values were counted */
	return rate->kind == FIELD_TIME && rate->unit == UNIT_NONE ? UNIT_NANOSECONDS : rate->unit;
}

enum field_unit rate_distribution_unit(const struct rate *rate)
{
	return rate->kind == FIELD_HISTOGRAM ? rate->unit : UNIT_NANOSECONDS;
}

uint64_t rates_sum(const struct rates *rates, double *ret_per_second)
{
	uint64_t sum[2] = {0};
	double per_second[2] = {0};
	size_t i;

	for (i = 0; i < rates->count; i++) {
		const struct rate *rate = &rates->rows[i];

		if (rate->kind != FIELD_EVENTS)
			continue;
		sum[!!rate->parent] += rate->total;
		per_second[!!rate->parent] += rate->per_second;
	}
	if (ret_per_second)
		*ret_per_second = per_second[!sum[0]];
	return sum[!sum[0]];
}
