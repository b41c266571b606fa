/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sample_clear(struct sample *sample)
{
	sample->count = sample->distribution_count = 0;
	sample->partial = false;
}

void sample_done(struct sample *sample)
{
	free(sample->rows);
	free(sample->distributions);
	*sample = (struct sample){0};
}

int sample_add(struct sample *sample, struct sample_row row)
{
	if (sample->count == sample->room) {
		size_t room = sample->room ? sample->room * 2 : 256;
		struct sample_row *grown = reallocarray(sample->rows, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		sample->rows = grown;
		sample->room = room;
	}
	sample->rows[sample->count++] = row;
	return 0;
}

int sample_add_distribution(struct sample *sample, struct sample_row row,
			    const struct distribution *distribution)
{
	if (sample->distribution_count == sample->distribution_room) {
		size_t room = sample->distribution_room ? sample->distribution_room * 2 : 64;
		struct distribution *grown = reallocarray(sample->distributions, room,
							  sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		sample->distributions = grown;
		sample->distribution_room = room;
	}
	sample->distributions[sample->distribution_count++] = *distribution;
	row.distribution = sample->distribution_count;
	return sample_add(sample, row);
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

int sample_row_compare(const struct sample_row *a, const struct sample_row *b)
{
	int r = strcmp(a->name, b->name);

	if (r == 0)
		r = strcmp(a->parent ? a->parent : "", b->parent ? b->parent : "");
	if (r == 0)
		r = compare_numbers(a->guest, b->guest);
	if (r == 0)
		r = compare_numbers(a->thread.is_vcpu, b->thread.is_vcpu);
	if (r == 0)
		r = compare_numbers(a->thread.vcpu, b->thread.vcpu);
	if (r == 0)
		r = compare_numbers(a->thread.tid, b->thread.tid);
	return r;
}

static int compare(const void *a, const void *b)
{
	return sample_row_compare(a, b);
}

/* Adds a row to one that is the same but for its numbers. */
static void merge(struct sample *sample, struct sample_row *to, const struct sample_row *from)
{
	if (to->kind == FIELD_PEAK)
		to->value = to->value > from->value ? to->value : from->value;
	else
		to->value += from->value;
	if (to->distribution && from->distribution)
		distribution_add(&sample->distributions[to->distribution - 1],
				 &sample->distributions[from->distribution - 1]);
	else if (from->distribution)
		to->distribution = from->distribution;
}

void sample_sort(struct sample *sample)
{
	size_t i, kept = 0;

	if (!sample->count)
		return;
	qsort(sample->rows, sample->count, sizeof(*sample->rows), compare);
	for (i = 1; i < sample->count; i++) {
		if (sample_row_compare(&sample->rows[kept], &sample->rows[i]) == 0)
			merge(sample, &sample->rows[kept], &sample->rows[i]);
		else
			sample->rows[++kept] = sample->rows[i];
	}
	sample->count = kept + 1;
}
