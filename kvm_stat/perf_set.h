/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same counters on many CPUs or threads, which come and go, added up for each guest. */
#pragma once

#include "kvm_stat/perf_group.h"

/* Targets to count on, ascending by perf_target_compare(). */
struct perf_targets {
	struct perf_target *list;
	size_t count;
};

/* What was counted for one guest, or for all (guest 0). */
struct perf_tally {
	pid_t guest;
	bool live;         /* some target of the guest is still there */
	uint64_t *now;     /* by counter: since the start or the last reset */
	uint64_t *retired; /* by counter: of targets that are gone */
	uint64_t *base;    /* by counter: at the last reset */
};

struct perf_set {
	struct perf_counter *counters; /* what to count; set before the first follow */
	size_t counter_count;
	struct perf_group **groups; /* one for each target, in order */
	size_t group_count;
	struct perf_tally *tallies;
	size_t tally_count;
	bool is_followed; /* counting has begun */
	/*
	 * A CPU came (back) a while before it was counted on, or a guest with a tally of its own ended
	 * after it was last read; for the caller to clear.
	 */
	bool missed;
};

/* Appends a counter. Returns its index, or -ENOMEM. */
ssize_t perf_set_add(struct perf_set *set, struct perf_counter counter) must_check;

/* The order of targets. */
int perf_target_compare(const void *a, const void *b);

/*
 * Counts on these targets from now on: closes what is gone, keeping what it has counted, and opens
 * what is new. A guest that is gone altogether loses its tally. Targets that vanish meanwhile are
 * passed over. The limit of open files is raised as far as needed. Returns 0 or -errno; -EMFILE
 * when *ret_wanted descriptors cannot be had. What was counted before an error goes on.
 */
int perf_set_follow(struct perf_set *set, const struct perf_targets *targets,
		    size_t *ret_wanted) must_check;

/* Brings every tally's `now` up to date. Returns 0 or -errno. */
int perf_set_read(struct perf_set *set) must_check;

/* As perf_group_drain(), for all groups. */
void perf_set_drain(struct perf_set *set, void (*take)(const void *record, size_t size, void *data),
		    void *data);

/* Counts from 0 again, as of the last read. */
void perf_set_reset(struct perf_set *set);

/* Stops counting and frees everything; closing goes on in the background. */
void perf_set_done(struct perf_set *set);
