/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which tracepoints are counted via BPF for a selection, how, and in which rows. */
#pragma once

#include "kvm_stat/bpf_counter.h"
#include "kvm_stat/bpf_names.h"
#include "kvm_stat/tracepoint_event.h"

#define BPF_RECORD_MAX 4096 /* bytes of a record in which fields are looked for */

/* An event that is counted. */
struct bpf_event {
	struct tracepoint_event *event;
	struct event_field fields[COUNT_FIELDS_MAX]; /* that tell the reason */
	size_t field_count;
	ssize_t name; /* of its own row, or -1 */
	ssize_t other;
	ssize_t *reasons; /* names by reason; -1: not selected. NULL: not split */
	bool by_thread;
	bool starts, ends; /* of the clock that measures how long a guest is stopped */
};

struct bpf_events {
	struct bpf_event *list;
	size_t count;
};

/*
 * Chooses from `known` what `selection` wants, and names its rows in `names`. Returns 0 or -errno;
 * call bpf_events_done() in any case.
 */
int bpf_events_select(struct bpf_events *events, struct tracepoint_events *known,
		      const struct selection *selection, struct bpf_names *names) must_check;

/*
 * Describes the events, in their order, to the counter. Returns 0 with *ret_described, to be freed,
 * or -errno of reading their numbers.
 */
int bpf_events_describe(const struct bpf_events *events, const struct tracepoint_events *known,
			struct bpf_counter_event **ret_described) must_check;

/* Frees everything; the names stay. */
void bpf_events_done(struct bpf_events *events);
