/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_retired.h"

#include <stdlib.h>
#include <string.h>

static int compare_pids(const void *a, const void *b)
{
	const pid_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* The guests that have rows in a sample. Returns 0 with *ret_pids to be freed, or -ENOMEM. */
static int list_pids(const struct sample *sample, pid_t **ret_pids, size_t *ret_count)
{
	pid_t *pids = calloc(sample->count + 1, sizeof(*pids)), last = 0;
	size_t i, count = 0;

	if (!pids)
		return -ENOMEM;
	for (i = 0; i < sample->count; i++) {
		/* Rows of one field are in the order of the guests: most repeats go here. */
		if (sample->rows[i].guest && sample->rows[i].guest != last)
			pids[count++] = last = sample->rows[i].guest;
	}
	qsort(pids, count, sizeof(*pids), compare_pids);
	*ret_pids = pids;
	*ret_count = count;
	return 0;
}

/* Keeps what was counted and is gone: of a thread for its guest while that is there, else for all. */
static int retire_row(struct sample *retired, const struct sample_row *row,
		      const struct distribution *distribution, bool guest_is_there)
{
	struct sample_row kept = *row;

	kept.thread = (struct sample_thread){0};
	kept.guest = guest_is_there && sample_thread_is_one(&row->thread) ? row->guest : 0;
	kept.distribution = 0;
	return distribution ? sample_add_distribution(retired, kept, distribution)
			    : sample_add(retired, kept);
}

/* Packs the distributions of the rows that are left after sample_sort() merged some. */
static int compact(struct sample *sample)
{
	struct sample packed = {0};
	size_t i;
	int r = 0;

	for (i = 0; i < sample->count && r == 0; i++) {
		const struct distribution *distribution = sample_distribution(sample,
									      &sample->rows[i]);

		r = distribution ? sample_add_distribution(&packed, sample->rows[i], distribution)
				 : sample_add(&packed, sample->rows[i]);
	}
	if (r < 0) {
		sample_done(&packed);
		return r;
	}
	sample_done(sample);
	*sample = packed;
	return 0;
}

/*
 * Whether a thread that was not known to run a virtual CPU is known to now, so that it has another
 * row. `at` is where its own would be in `now`: those of the guest's vCPUs come after it.
 */
static bool became_vcpu(const struct sample *now, size_t at, const struct sample_row *row)
{
	for (; at < now->count && !row->thread.is_vcpu; at++) {
		const struct sample_row *other = &now->rows[at];

		if (other->guest != row->guest || strcmp(other->name, row->name) != 0)
			return false;
		if (other->thread.tid == row->thread.tid)
			return true;
	}
	return false;
}

/* How much less of each bucket there is now. */
static struct distribution find_lost_values(const struct distribution *before,
					    const struct distribution *now)
{
	struct distribution lost = {.scale = before->scale,
				    .bucket_size = before->bucket_size,
				    .bucket_count = before->bucket_count};
	unsigned int i;

	for (i = 0; i < before->bucket_count; i++) {
		uint64_t left = i < now->bucket_count ? now->buckets[i] : 0;

		lost.buckets[i] = before->buckets[i] > left ? before->buckets[i] - left : 0;
		lost.count += lost.buckets[i];
	}
	return lost;
}

/*
 * What a row of `before` had counted that the same row of `now` has not, in *ret_lost and, if it has
 * a distribution, *ret_values: it may be the sum of several VMs, one of which has ended, or of one
 * that has begun anew. Returns whether that is anything.
 */
static bool find_lost(const struct sample *before, const struct sample_row *row,
		      const struct sample *now, const struct sample_row *same,
		      struct sample_row *ret_lost, struct distribution *ret_values)
{
	const struct distribution *old = sample_distribution(before, row);
	const struct distribution *new = sample_distribution(now, same);

	*ret_lost = *row;
	ret_values->count = 0;
	if (old && new)
		*ret_values = find_lost_values(old, new);
	ret_lost->value = row->value > same->value ? row->value - same->value : 0;
	if (row->kind == FIELD_HISTOGRAM)
		ret_lost->value = ret_values->count;
	return ret_lost->value || ret_values->count;
}

/*
 * Retires the rows of `before` that are not in `now`, and what others have lost. What was retired for a guest goes on to all
 * guests when that guest ends.
 */
static int retire(struct sample *retired, const struct written_rows *rows,
		  const struct written_names *names, const struct sample *now)
{
	const struct sample *before = &rows->before;
	cleanup_free pid_t *pids = NULL;
	size_t i, j = 0, count, old = retired->count;
	bool changed = false;
	int r = list_pids(now, &pids, &count);

	for (i = 0; i < old && r == 0; i++) {
		pid_t *guest = &retired->rows[i].guest;

		if (*guest && !bsearch(guest, pids, count, sizeof(*pids), compare_pids)) {
			*guest = 0;
			changed = true;
		}
	}
	for (i = 0; i < before->count && r == 0; i++) {
		const struct sample_row *row = &before->rows[i];
		const struct distribution *times = sample_distribution(before, row);
		bool threads = names->list[rows->list[i].name].threads;
		struct distribution values;
		struct sample_row lost = *row;

		/* Only what the source has told: not what was retired before. */
		if (!field_counts_up(row->kind) || !row->guest ||
		    (threads && !sample_thread_is_one(&row->thread)))
			continue;
		while (j < now->count && sample_row_compare(&now->rows[j], row) < 0)
			j++;
		if (j < now->count && sample_row_compare(&now->rows[j], row) == 0) {
			if (!find_lost(before, row, now, &now->rows[j], &lost, &values))
				continue;
			times = values.count ? &values : NULL;
		} else if (became_vcpu(now, j, row)) {
			continue;
		}
		r = retire_row(retired, &lost, times,
			       bsearch(&row->guest, pids, count, sizeof(*pids), compare_pids));
		changed = true;
	}
	if (r == 0 && changed) {
		sample_sort(retired);
		r = compact(retired);
	}
	return r;
}

int recording_retired_add(struct sample *retired, const struct written_rows *rows,
			  const struct written_names *names, struct sample *now)
{
	size_t i;
	int r = retire(retired, rows, names, now);

	for (i = 0; i < retired->count && r == 0; i++) {
		const struct sample_row *row = &retired->rows[i];
		const struct distribution *distribution = sample_distribution(retired, row);

		r = distribution ? sample_add_distribution(now, *row, distribution)
				 : sample_add(now, *row);
	}
	if (r == 0 && retired->count)
		sample_sort(now);
	return r;
}
