/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tracepoints counted by perf_event_open(2), all of one CPU or thread as one group. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/cleanup.h"

/* One thing to count. */
struct perf_counter {
	uint64_t tracepoint; /* its id, from the file "id" */
	const char *filter;  /* of its fields, or NULL; borrowed */
	bool sampled;        /* records reach perf_group_drain(), as far as there is room */
};

/* Where to count: one CPU with every thread, or one thread on every CPU. */
struct perf_target {
	int cpu;     /* -1 with a thread */
	pid_t tid;   /* -1 with a CPU */
	pid_t guest; /* for the caller: the process that `tid` belongs to, or 0 */
};

struct perf_group;

/*
 * Starts counting `count` counters on `target` at the same moment. Where sampling is refused,
 * such counters only count. Returns 0 and *ret_group, or -errno: -ESRCH when the thread ended,
 * -ENODEV when the CPU is offline, -EACCES or -EPERM without the right, -EMFILE.
 */
int perf_group_open(const struct perf_counter *counters, size_t count, struct perf_target target,
		    struct perf_group **ret_group) must_check;

/* What the group was opened for. */
struct perf_target perf_group_target(const struct perf_group *group);

/*
 * Adds the current value of every counter to values[]; a thread that has ended still has them.
 * Returns 0 or -errno.
 */
int perf_group_read(struct perf_group *group, uint64_t *values) must_check;

/*
 * Whether a read has found that the group does not count any more, because its CPU went offline.
 * Should the CPU be back, it needs a new group.
 */
bool perf_group_is_detached(const struct perf_group *group);

/*
 * Hands every record that sampled counters have left since the last call to `take`, oldest first:
 * the tracepoint's record from its common_type on.
 */
void perf_group_drain(struct perf_group *group,
		      void (*take)(const void *record, size_t size, void *data), void *data);

/* How many descriptors the group holds. */
size_t perf_group_fd_count(const struct perf_group *group);

/*
 * Frees the group and writes its descriptors to fds[], for the caller to close; they are closed
 * here and now when fds is NULL. Returns how many there were.
 */
size_t perf_group_release(struct perf_group *group, int *fds);
