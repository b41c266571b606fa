/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/perf_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

/* Makes room for `wanted` descriptors. Returns 0 or -EMFILE. */
static int raise_descriptor_limit(size_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= wanted)
		return 0;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted; /* needs CAP_SYS_RESOURCE */
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -EMFILE : 0;
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

/* The place of the target's group in the set, or -1. */
static ssize_t find_group(const struct perf_set *set, const struct perf_target *target)
{
	size_t low = 0, high = set->group_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct perf_target at = perf_group_target(set->groups[middle]);
		int r = perf_target_compare(&at, target);

		if (r == 0)
			return (ssize_t)middle;
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

/* Opens a group for each target that has none. Returns 0 or -errno. */
static int open_new(struct perf_set *set, const struct perf_targets *targets,
		    struct perf_group **fresh)
{
	size_t i;

	for (i = 0; i < targets->count; i++) {
		const struct perf_target *target = &targets->list[i];
		int r;

		if (find_group(set, target) >= 0)
			continue;
		if (!find_tally(set, target->guest))
			return -ENOMEM;
		r = perf_group_open(set->counters, set->counter_count, *target, &fresh[i]);
		/* A thread that ended, a CPU that went offline since they were listed. */
		if (r < 0 && r != -ESRCH && !(r == -ENODEV && target->cpu >= 0))
			return r;
	}
	return 0;
}

/*
 * Puts the groups together that are to stay, old and new, in the order of the targets. What is
 * left of set->groups is gone.
 */
static size_t merge(struct perf_set *set, const struct perf_targets *targets,
		    struct perf_group **fresh, struct perf_group **merged)
{
	size_t i, old = 0, count = 0;

	for (i = 0; i < targets->count; i++) {
		if (fresh[i]) {
			merged[count++] = fresh[i];
			continue;
		}
		for (; old < set->group_count; old++) {
			struct perf_target at = perf_group_target(set->groups[old]);
			int r = perf_target_compare(&at, &targets->list[i]);

			if (r == 0) {
				merged[count++] = set->groups[old];
				set->groups[old++] = NULL;
			}
			if (r >= 0)
				break;
		}
	}
	return count;
}

int perf_set_follow(struct perf_set *set, const struct perf_targets *targets, size_t *ret_wanted)
{
	struct perf_group **fresh = calloc(targets->count + 1, sizeof(struct perf_group *));
	struct perf_group **merged = calloc(targets->count + 1, sizeof(struct perf_group *));
	size_t i, count;
	int r = fresh && merged ? 0 : -ENOMEM;

	*ret_wanted = targets->count * set->counter_count + SPARE_FDS;
	if (r == 0)
		r = raise_descriptor_limit(*ret_wanted);
	if (r == 0)
		r = open_new(set, targets, fresh);
	if (r < 0) {
		if (fresh)
			release_groups(fresh, targets->count);
		free(fresh);
		free(merged);
		return r;
	}
	count = merge(set, targets, fresh, merged);
	for (i = 0; i < set->group_count; i++) {
		struct perf_tally *tally;

		if (!set->groups[i])
			continue;
		tally = find_tally(set, perf_group_target(set->groups[i]).guest);
		r = tally ? perf_group_read(set->groups[i], tally->retired) : -ENOMEM;
	}
	release_groups(set->groups, set->group_count);
	free(set->groups);
	free(fresh);
	set->groups = merged;
	set->group_count = count;
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
