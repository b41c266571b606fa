/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/history.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static struct sample_row identity_of_rate(const struct rate *rate)
{
	return (struct sample_row){.name = rate->name,
				   .parent = rate->parent,
				   .guest = rate->guest,
				   .thread = rate->thread};
}

static int compare(const struct history_row *row, const struct rate *rate)
{
	struct sample_row a = {.name = row->name,
			       .parent = row->parent,
			       .guest = row->guest,
			       .thread = row->thread};
	struct sample_row b = identity_of_rate(rate);

	return sample_row_compare(&a, &b);
}

static void start_row(struct history_row *row, const struct rate *rate)
{
	size_t i;

	*row = (struct history_row){.name = rate->name,
				    .parent = rate->parent,
				    .guest = rate->guest,
				    .thread = rate->thread};
	for (i = 0; i < HISTORY_MAX; i++)
		row->values[i] = NAN;
}

int history_update(struct history *history, const struct rates *rates)
{
	struct history_row *rows;
	size_t i, old = 0;

	if (rates->first) { /* no rate yet */
		history_clear(history);
		return 0;
	}
	rows = calloc(rates->count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < rates->count; i++) {
		const struct rate *rate = &rates->rows[i];

		while (old < history->count && compare(&history->rows[old], rate) < 0)
			old++;
		if (old < history->count && compare(&history->rows[old], rate) == 0)
			rows[i] = history->rows[old];
		else
			start_row(&rows[i], rate);
		rows[i].values[history->next] = field_counts_up(rate->kind)
							? (float)rate->per_second
							: (float)rate->total;
	}
	free(history->rows);
	history->rows = rows;
	history->count = rates->count;
	history->next = (history->next + 1) % HISTORY_MAX;
	history->used += history->used < HISTORY_MAX;
	return 0;
}

void history_clear(struct history *history)
{
	free(history->rows);
	*history = (struct history){0};
}

const struct history_row *history_find(const struct history *history, const struct rate *rate)
{
	size_t low = 0, high = history->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int r = compare(&history->rows[middle], rate);

		if (r == 0)
			return &history->rows[middle];
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

double history_value(const struct history *history, const struct history_row *row, size_t age)
{
	if (age >= history->used)
		return NAN;
	return (double)row->values[(history->next + HISTORY_MAX - 1 - age) % HISTORY_MAX];
}
