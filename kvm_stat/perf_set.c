/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/perf_set.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/fd_limit.h"
#include "kvm_stat/fd_reaper.h"

#define SPARE_FDS 64 /* for everything else that is open */

ssize_t perf_set_add(struct perf_set *set, struct perf_counter counter)
{
	struct perf_counter *grown = reallocarray(set->counters, set->counter_count + 1,
						  sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	set->counters = grown;
	grown[set->counter_count] = counter;
	return (ssize_t)set->counter_count++;
}

int perf_target_compare(const void *a, const void *b)
{
	const struct perf_target *left = a, *right = b;

	if (left->cpu != right->cpu)
		return left->cpu < right->cpu ? -1 : 1;
	if (left->tid != right->tid)
		return left->tid < right->tid ? -1 : 1;
	return (left->guest > right->guest) - (left->guest < right->guest);
}

static struct perf_tally *find_tally(struct perf_set *set, pid_t guest)
{
	struct perf_tally *grown;
	size_t i;

	for (i = 0; i < set->tally_count; i++) {
		if (set->tallies[i].guest == guest)
			return &set->tallies[i];
	}
	grown = reallocarray(set->tallies, set->tally_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	set->tallies = grown;
	grown[i] = (struct perf_tally){.guest = guest};
	grown[i].now = calloc(set->counter_count * 3 + 1, sizeof(uint64_t));
	if (!grown[i].now)
		return NULL;
	grown[i].retired = grown[i].now + set->counter_count;
	grown[i].base = grown[i].retired + set->counter_count;
	set->tally_count++;
	return &grown[i];
}

/* Frees groups (NULL ones are passed over); their descriptors are closed in the background. */
static void release_groups(struct perf_group **groups, size_t count)
{
	size_t i, total = 0, used = 0;
	int *fds;

	for (i = 0; i < count; i++)
		total += groups[i] ? perf_group_fd_count(groups[i]) : 0;
	if (!total)
		return;
	fds = calloc(total, sizeof(*fds));
	for (i = 0; i < count; i++) {
		if (groups[i])
			used += perf_group_release(groups[i], fds ? fds + used : NULL);
	}
	if (fds)
		fd_reaper_close(fds, used);
	free(fds);
}

/* The place of a target in the list, or NULL. */
static const struct perf_target *find_target(const struct perf_targets *targets,
					     const struct perf_target *target)
{
	return targets->count ? bsearch(target, targets->list, targets->count, sizeof(*target),
					perf_target_compare)
			      : NULL;
}

/* Frees the tallies of guests of which nothing is counted any more, with what they did last. */
static void drop_tallies(struct perf_set *set)
{
	size_t i, j, kept = 0;

	for (i = 0; i < set->tally_count; i++) {
		struct perf_tally *tally = &set->tallies[i];
		bool used = tally->guest == 0;

		for (j = 0; j < set->group_count && !used; j++)
			used = perf_group_target(set->groups[j]).guest == tally->guest;
		if (used)
			set->tallies[kept++] = *tally;
		else
			free(tally->now);
		set->missed |= !used;
	}
	set->tally_count = kept;
}

/*
 * Closes the groups of targets that are gone, and of CPUs that were offline meanwhile, keeping
 * what they have counted. Before new ones are opened, so that both never add up.
 */
static int retire_gone(struct perf_set *set, const struct perf_targets *targets)
{
	struct perf_group **gone = calloc(set->group_count + 1, sizeof(struct perf_group *));
	size_t i, kept = 0, gone_count = 0;
	int error = 0;

	if (!gone)
		return -ENOMEM;
	for (i = 0; i < set->group_count; i++) {
		struct perf_target target = perf_group_target(set->groups[i]);
		struct perf_tally *tally;
		int r;

		if (find_target(targets, &target) && !perf_group_is_detached(set->groups[i])) {
			set->groups[kept++] = set->groups[i];
			continue;
		}
		tally = find_tally(set, target.guest);
		r = tally ? perf_group_read(set->groups[i], tally->retired) : -ENOMEM;
		error = error ? error : r;
		gone[gone_count++] = set->groups[i];
	}
	set->group_count = kept;
	release_groups(gone, gone_count);
	free(gone);
	if (gone_count)
		drop_tallies(set);
	return error;
}

/*
 * A thread that ended or a CPU that went offline since they were listed. A thread that ends amid
 * the opening of its group is -ENODEV (seen with kernel 6.18).
 */
static bool has_vanished(int error)
{
	return error == -ESRCH || error == -ENODEV;
}

/* Opens a group for each target that has none, behind those that are there. */
static int open_new(struct perf_set *set, const struct perf_targets *targets)
{
	struct perf_group **groups = reallocarray(set->groups, targets->count + 1,
						  sizeof(struct perf_group *));
	size_t i, old = 0, there = set->group_count;

	if (!groups)
		return -ENOMEM;
	set->groups = groups;
	for (i = 0; i < targets->count; i++) {
		const struct perf_target *target = &targets->list[i];
		struct perf_target next = {.cpu = INT_MAX};
		int r;

		if (old < there)
			next = perf_group_target(groups[old]);
		if (perf_target_compare(&next, target) == 0) {
			old++;
			continue;
		}
		if (!find_tally(set, target->guest))
			return -ENOMEM;
		r = perf_group_open(set->counters, set->counter_count, *target,
				    &groups[set->group_count]);
		if (r == 0) {
			set->group_count++;
			set->missed |= set->is_followed && target->cpu >= 0;
		} else if (!has_vanished(r)) {
			return r;
		}
	}
	set->is_followed = true;
	return 0;
}

static int compare_groups(const void *a, const void *b)
{
	struct perf_target left = perf_group_target(*(struct perf_group *const *)a);
	struct perf_target right = perf_group_target(*(struct perf_group *const *)b);

	return perf_target_compare(&left, &right);
}

int perf_set_follow(struct perf_set *set, const struct perf_targets *targets, size_t *ret_wanted)
{
	int r = retire_gone(set, targets);

	/* A lone counter of a CPU has company (perf_group.c). */
	*ret_wanted = targets->count * (set->counter_count + (set->counter_count == 1)) + SPARE_FDS;
	if (r == 0)
		r = fd_limit_raise(*ret_wanted);
	if (r == 0)
		r = open_new(set, targets);
	if (set->group_count)
		qsort(set->groups, set->group_count, sizeof(struct perf_group *), compare_groups);
	return r;
}

int perf_set_read(struct perf_set *set)
{
	size_t i, j;

	for (i = 0; i < set->tally_count; i++) {
		struct perf_tally *tally = &set->tallies[i];

		tally->live = false;
		for (j = 0; j < set->counter_count; j++)
			tally->now[j] = tally->retired[j] - tally->base[j];
	}
	for (i = 0; i < set->group_count; i++) {
		struct perf_tally *tally = find_tally(set, perf_group_target(set->groups[i]).guest);
		int r = tally ? perf_group_read(set->groups[i], tally->now) : -ENOMEM;

		if (r < 0)
			return r;
		set->missed |= perf_group_is_detached(set->groups[i]);
		tally->live = true;
	}
	return 0;
}

void perf_set_drain(struct perf_set *set, void (*take)(const void *record, size_t size, void *data),
		    void *data)
{
	size_t i;

	for (i = 0; i < set->group_count; i++)
		perf_group_drain(set->groups[i], take, data);
}

void perf_set_reset(struct perf_set *set)
{
	size_t i, j;

	for (i = 0; i < set->tally_count; i++) {
		struct perf_tally *tally = &set->tallies[i];

		for (j = 0; j < set->counter_count; j++)
			tally->base[j] += tally->now[j];
	}
}

void perf_set_done(struct perf_set *set)
{
	size_t i;

	release_groups(set->groups, set->group_count);
	free(set->groups);
	for (i = 0; i < set->tally_count; i++)
		free(set->tallies[i].now);
	free(set->tallies);
	free(set->counters);
	*set = (struct perf_set){0};
}
