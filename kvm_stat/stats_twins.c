/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/stats_twins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_ids(const struct stats_copy *a, const struct stats_copy *b)
{
	if (a->id.is_vcpu != b->id.is_vcpu)
		return a->id.is_vcpu - b->id.is_vcpu;
	if (a->id.tid != b->id.tid)
		return a->id.tid < b->id.tid ? -1 : 1;
	if (a->id.vcpu != b->id.vcpu)
		return a->id.vcpu < b->id.vcpu ? -1 : 1;
	return ((uintptr_t)a->layout > (uintptr_t)b->layout) -
	       ((uintptr_t)a->layout < (uintptr_t)b->layout);
}

/* First what is new, whose thread is the present one; then what counts, what rests, what is gone. */
static int rank(const struct stats_copy *copy)
{
	if (!copy->is_seen)
		return 3;
	return copy->is_resting ? 2 : !copy->is_new;
}

static int compare(const void *a, const void *b)
{
	const struct stats_copy *left = *(struct stats_copy *const *)a;
	const struct stats_copy *right = *(struct stats_copy *const *)b;
	int r = compare_ids(left, right);

	if (r == 0)
		r = rank(left) - rank(right);
	/* Higher numbers mostly come later. */
	return r ? r : (right->guest_fd > left->guest_fd) - (right->guest_fd < left->guest_fd);
}

/* The row of `from` goes on as that of `copy`, if it is the same row. Returns whether it is. */
static bool take_row(struct stats_copy *copy, struct stats_copy *from)
{
	struct stats_tally *tally = copy->tally;

	if (!copy->owns_tally || copy->tid != from->tid)
		return false;
	copy->tally = from->tally;
	from->tally = tally;
	return true;
}

/* `copy` counts from where another one of the same vCPU was read last. Returns as take_row(). */
static bool go_on(struct stats_copy *copy, struct stats_copy *from)
{
	memcpy(copy->last, from->last, copy->layout->value_count * sizeof(*copy->last));
	copy->is_new = from->is_new;
	copy->has_past = from->has_past;
	return take_row(copy, from);
}

/* A copy that counted is gone: another one counts in its place. Returns whether its row goes on. */
static bool replace(struct stats_copy *gone, struct stats_copy **copies, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct stats_copy *copy = copies[i];

		if (copy->is_seen && copy->is_resting &&
		    stats_copy_compare_closed(copy, gone) > STATS_DIFFERENT) {
			copy->is_resting = false;
			return go_on(copy, gone);
		}
	}
	/* Of another VM, from its birth: else the row would begin anew, below what it was. */
	for (i = 0; i < count; i++) {
		if (copies[i]->is_seen && copies[i]->is_new && take_row(copies[i], gone))
			return true;
	}
	return false;
}

/* `copy` is, for all one knows, of the same vCPU as `counting`. */
static void rest(struct stats_copy *copy, struct stats_copy *counting, bool is_doubted,
		 bool include_past)
{
	if (!copy->is_resting && !copy->is_new && counting->is_new)
		(void)go_on(counting, copy);
	/* Should it be another's, it will have counted from now on. */
	else if (copy->is_new)
		(void)!stats_copy_begin(copy, include_past);
	copy->is_resting = true;
	copy->is_doubted = is_doubted;
}

/*
 * Settles copies of the same id, those that count first, which stay in front. Returns 0 or -ENOMEM.
 */
static int settle_id(struct stats_copy **copies, size_t count, bool include_past)
{
	size_t i, j, counting = 0;

	for (i = 0; i < count; i++) {
		struct stats_copy *copy = copies[i];
		int r = STATS_DIFFERENT;

		for (j = 0; j < counting && r == STATS_DIFFERENT; j++)
			r = stats_copy_compare(copies[j], copy);
		if (r == -ENOMEM)
			return r;
		/* Whose values cannot be read stays what it was. */
		if (r > STATS_DIFFERENT)
			rest(copy, copies[j - 1], r == STATS_NOT_KNOWN, include_past);
		else if (r == STATS_DIFFERENT)
			copy->is_resting = false;
		if (!copy->is_resting)
			copies[counting++] = copy;
	}
	return 0;
}

/* Settles copies of the same id, in order. Returns as stats_twins_settle(). */
static int settle_group(struct stats_copy **copies, size_t count, bool include_past)
{
	size_t i, live = 0;
	bool lost = false;
	int r;

	for (i = 0; i < count; i++) {
		struct stats_copy *copy = copies[i];

		live += copy->is_seen;
		if (!copy->is_seen && !copy->is_resting && !replace(copy, copies, count))
			lost |= copy->owns_tally && !copy->is_new;
	}
	if (live == 0)
		return lost;
	qsort(copies, count, sizeof(*copies), compare);
	r = settle_id(copies, live, include_past);
	return r < 0 ? r : lost;
}

bool stats_twins_are_due(const struct stats_guest *guest, uint64_t *values)
{
	size_t i;

	for (i = 0; i < guest->count; i++) {
		const struct stats_copy *copy = &guest->copies[i];

		/* One that is new, after a reset, has to begin. */
		if (copy->is_resting && copy->is_doubted && copy->fd >= 0 &&
		    (copy->is_new || stats_copy_has_counted(copy, values) > 0))
			return true;
	}
	return false;
}

int stats_twins_settle(struct stats_guest *guest, bool include_past)
{
	cleanup_free struct stats_copy **copies = calloc(guest->count + 1,
							 sizeof(struct stats_copy *));
	size_t i, end, count = 0;
	bool lost = false;

	if (!copies)
		return -ENOMEM;
	for (i = 0; i < guest->count; i++) {
		struct stats_copy *copy = &guest->copies[i];

		if (copy->fd >= 0 || !copy->is_seen)
			copies[count++] = copy;
	}
	if (count)
		qsort(copies, count, sizeof(*copies), compare);
	for (i = 0; i < count; i = end) {
		int r;

		for (end = i + 1; end < count && compare_ids(copies[i], copies[end]) == 0;)
			end++;
		r = settle_group(copies + i, end - i, include_past);
		if (r < 0)
			return r;
		lost |= r > 0;
	}
	return lost;
}
