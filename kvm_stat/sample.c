/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sample_clear(struct sample *sample)
{
	sample->count = 0;
	sample->partial = false;
}

void sample_done(struct sample *sample)
{
	free(sample->rows);
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

int sample_row_compare(const struct sample_row *a, const struct sample_row *b)
{
	int r = strcmp(a->name, b->name);

	if (r == 0)
		r = strcmp(a->parent ? a->parent : "", b->parent ? b->parent : "");
	if (r == 0)
		r = (a->guest > b->guest) - (a->guest < b->guest);
	return r;
}

static int compare(const void *a, const void *b)
{
	return sample_row_compare(a, b);
}

void sample_sort(struct sample *sample)
{
	size_t i, kept = 0;

	if (!sample->count)
		return;
	qsort(sample->rows, sample->count, sizeof(*sample->rows), compare);
	for (i = 1; i < sample->count; i++) {
		if (sample_row_compare(&sample->rows[kept], &sample->rows[i]) == 0)
			sample->rows[kept].value += sample->rows[i].value;
		else
			sample->rows[++kept] = sample->rows[i];
	}
	sample->count = kept + 1;
}
