/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tracepoints of KVM that the running kernel has, from tracefs. */
#pragma once

#include "host/root.h"
#include "kvm_stat/exit_reason.h"
#include "kvm_stat/source.h"

struct tracepoint_event {
	char *group, *name;
	struct event_format *format;  /* once it was needed; NULL where it cannot be parsed */
	struct exit_reasons *reasons; /* after tracepoint_event_reasons(); NULL: it has none */
	bool parsed;
};

struct tracepoint_events {
	int fd;            /* tracefs' "events" */
	enum exit_isa isa; /* whose exit codes this host makes */
	struct tracepoint_event *list;
	size_t count;
};

/*
 * Lists the events of group kvm and of the groups whose names begin with kvm. Returns 0; -ENODEV
 * when tracefs is not mounted, -ENOENT when it has nothing of KVM, or another -errno.
 * *ret_found tells whether the directory of events could be opened at all. Call
 * tracepoint_events_done() in any case.
 */
int tracepoint_events_open(const struct host_root *root, struct tracepoint_events *ret_events,
			   bool *ret_found) must_check;

/* Frees the list. */
void tracepoint_events_done(struct tracepoint_events *events);

/* Reads the id by which perf knows the event. Returns 0 or -errno. */
int tracepoint_event_id(const struct tracepoint_events *events,
			const struct tracepoint_event *event, uint64_t *ret_id) must_check;

/*
 * Parses the event's format into event->format, once; NULL stays where libtraceevent does not
 * understand it. Returns 0 or -errno of reading it.
 */
int tracepoint_event_format(const struct tracepoint_events *events,
			    struct tracepoint_event *event) must_check;

/*
 * Works out event->reasons, once. An event that tells none, or whose format libtraceevent does not
 * understand, has NULL. Returns 0 or -errno of reading the format.
 */
int tracepoint_event_reasons(struct tracepoint_events *events,
			     struct tracepoint_event *event) must_check;

/*
 * Whether a row of the event may be wanted that is named when it first occurs: a flag, or a number
 * that is no known reason.
 */
bool tracepoint_event_may_bring(const struct tracepoint_event *event,
				const struct selection *selection);
