/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tracepoints counted by a program in the kernel (bpf/count.bpf.c), which the kernel's BPF verifier
 * has accepted: for each thread apart, with what their fields say, and how long guests are stopped.
 * Costs one descriptor for each tracepoint, whatever the number of CPUs and threads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/cleanup.h"
#include "kvm_stat/bpf/count.h"

struct bpf_counter_event {
	uint64_t tracepoint; /* its id, from the file "id" */
	struct count_event how;
};

/* What was not counted as it should have been. */
struct bpf_counter_loss {
	uint64_t dropped; /* events that have no row; their totals are right */
	uint64_t untimed; /* stops by other events, whose length is missing */
	/* Events that the kernel left out, as far as it tells (since 6.7): of any process. */
	uint64_t missed;
};

struct bpf_counter;

/*
 * Counts `count` events from now on, on every CPU, of the process `process` or of all (0), in
 * `rows` rows at most (before Linux 6.1, which wants their memory at once, in 36 864). Returns 0
 * and *ret_counter, or -errno: -EPERM without CAP_BPF and CAP_PERFMON, -ENOSYS where this build has
 * no such programs, -E2BIG for more than COUNT_EVENTS_MAX events; -EINVAL is what kernels
 * say of programs that they do not know how to run.
 */
int bpf_counter_open(const struct bpf_counter_event *events, size_t count, pid_t process,
		     unsigned int rows, struct bpf_counter **ret_counter) must_check;

/*
 * Reads how often each event was seen that has no rows, and of those that have, how many have none.
 * Returns 0 or -errno.
 */
int bpf_counter_totals(struct bpf_counter *counter, uint64_t *totals) must_check;

/*
 * Hands every row to `take`, in no order; it returns 0, or negative to end. A row that comes up
 * amid the reading may be left out. Returns 0 or -errno.
 */
int bpf_counter_rows(struct bpf_counter *counter,
		     int (*take)(const struct count_key *key, uint64_t count, void *data),
		     void *data) must_check;

/* As bpf_counter_rows(), for the events that start the clock. */
int bpf_counter_latencies(struct bpf_counter *counter,
			  int (*take)(const struct count_key *key,
				      const struct count_latency *latency, void *data),
			  void *data) must_check;

/*
 * Takes a row, with its latency, of a thread that is gone out of the counter, which has room for
 * others then. Returns 0 with the last numbers of both (0 of what there is none), or -errno.
 */
int bpf_counter_take(struct bpf_counter *counter, const struct count_key *key, uint64_t *ret_count,
		     struct count_latency *ret_latency) must_check;

/* How much was lost since the counter was opened. */
struct bpf_counter_loss bpf_counter_loss(const struct bpf_counter *counter);

/* Stops counting; closing goes on in the background. NULL is fine. */
void bpf_counter_close(struct bpf_counter *counter);
