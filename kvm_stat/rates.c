/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/rates.h"

#include <errno.h>
#include <stdlib.h>

static int64_t difference(const struct sample_row *now, const struct sample_row *before)
{
	uint64_t old = before ? before->value : 0;

	if (now->kind == FIELD_GAUGE)
		return before ? (int64_t)(now->value - old) : 0;
	/* Sources only ever count up; should one fail to, that is no negative event. */
	return now->value >= old ? (int64_t)(now->value - old) : 0;
}

int rates_update(struct rates *rates, struct sample *now)
{
	struct sample swap;
	struct rate *rows = reallocarray(rates->rows, now->count ? now->count : 1, sizeof(*rows));
	size_t i, old = 0;

	if (!rows)
		return -ENOMEM;
	rates->rows = rows;
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
		*rate = (struct rate){.name = row->name,
				      .parent = row->parent,
				      .kind = row->kind,
				      .guest = row->guest,
				      .total = row->value,
				      .delta = difference(row, before)};
		if (rates->seconds > 0)
			rate->per_second = (double)rate->delta / rates->seconds;
	}
	swap = rates->before;
	rates->before = *now;
	*now = swap;
	return 0;
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
	*rates = (struct rates){0};
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
