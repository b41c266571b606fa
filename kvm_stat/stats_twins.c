/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/stats_twins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_ids(const struct stats_copy *a, const struct stats_copy *b)
{
	if (a->id.tid != b->id.tid)
		return a->id.tid < b->id.tid ? -1 : 1;
	if (a->id.vcpu != b->id.vcpu)
		return a->id.vcpu < b->id.vcpu ? -1 : 1;
	return ((uintptr_t)a->layout > (uintptr_t)b->layout) -
	       ((uintptr_t)a->layout < (uintptr_t)b->layout);
}

/* Of one id: first what is new, whose thread is the present one, then what counts, then what rests. */
static int rank(const struct stats_copy *copy)
{
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

/* `copy` counts from where another one of the same vCPU was read last. */
static void go_on(struct stats_copy *copy, struct stats_copy *from)
{
	struct stats_tally *tally = copy->tally;

	memcpy(copy->last, from->last, copy->layout->value_count * sizeof(*copy->last));
	copy->is_new = from->is_new;
	copy->has_past = from->has_past;
	/* Its row goes on as well; with another thread it is another row. */
	if (copy->owns_tally && copy->tid == from->tid) {
		copy->tally = from->tally;
		from->tally = tally;
	}
}

/* `copy` is of the same vCPU as `counting`, which goes on where it stops. */
static void rest(struct stats_copy *copy, struct stats_copy *counting)
{
	if (!copy->is_resting && !copy->is_new && counting->is_new)
		go_on(counting, copy);
	copy->is_resting = true;
}

/* Settles copies of the same id. Those that count are brought to the front. */
static int settle_id(struct stats_copy **copies, size_t count)
{
	size_t i, j, counting = 0;

	for (i = 0; i < count; i++) {
		struct stats_copy *copy = copies[i];
		int r = 0;

		for (j = 0; j < counting && r == 0; j++)
			r = stats_copy_is_same(copies[j], copy);
		if (r == -ENOMEM)
			return r;
		if (r > 0)
			rest(copy, copies[j - 1]);
		else if (r == 0)
			copy->is_resting = false;
		/* Whose values cannot be read stays what it was. */
		if (!copy->is_resting)
			copies[counting++] = copy;
	}
	return 0;
}

int stats_twins_settle(struct stats_guest *guest)
{
	cleanup_free struct stats_copy **copies = calloc(guest->count + 1,
							 sizeof(struct stats_copy *));
	size_t i, end, count = 0;
	int r = 0;

	if (!copies)
		return -ENOMEM;
	for (i = 0; i < guest->count; i++) {
		if (guest->copies[i].fd >= 0 && guest->copies[i].id.is_vcpu)
			copies[count++] = &guest->copies[i];
	}
	if (count)
		qsort(copies, count, sizeof(*copies), compare);
	for (i = 0; i < count && r == 0; i = end) {
		for (end = i + 1; end < count && compare_ids(copies[i], copies[end]) == 0;)
			end++;
		if (end - i > 1)
			r = settle_id(copies + i, end - i);
	}
	return r;
}

void stats_twins_leave(struct stats_guest *guest, struct stats_copy *copy)
{
	size_t i;

	if (copy->is_resting || !copy->id.is_vcpu)
		return;
	for (i = 0; i < guest->count; i++) {
		struct stats_copy *other = &guest->copies[i];

		/* Those without values are freed already. */
		if (other == copy || !other->last || !other->is_resting || compare_ids(other, copy))
			continue;
		go_on(other, copy);
		other->is_resting = false;
		return;
	}
}
