/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sample with what surrounds it: when, where, of which guests. What the outputs for machines tell. */
#pragma once

#include <time.h>

#include "kvm_stat/session.h"

struct report {
	struct timespec time;  /* CLOCK_REALTIME, of the sample */
	struct timespec start; /* of the first sample, from which totals count */
	const struct rates *rates;
	const struct guests *guests; /* none unless report_start() was told to list them */
	pid_t pid;                   /* the guest that is watched; 0: all */
	bool ended;                  /* that guest: its rows are what it had counted */
	struct guest guest;          /* when it has ended: who it was; its names may be NULL */
	enum selection_by by;
	const char *host; /* NULL: unknown */
	struct session_source sources[SESSION_SOURCES_MAX];
	size_t source_count;
	/* Owned by report.c: */
	struct session *session;
	bool lists_guests;
	bool said;       /* that guests cannot be listed */
	bool said_ended; /* that the guest has ended */
	pid_t failed;    /* the process in which it is back, but cannot be watched */
	char host_name[65];
};

/* Prepares reports of `session`, which is borrowed; with `lists_guests` they name the guests. */
void report_start(struct report *report, struct session *session, bool lists_guests);

/*
 * Takes a sample and fills the report, whose parts stay until the next call. Returns 0, or -errno
 * when a source has failed as a whole. That guests cannot be listed is said once.
 */
int report_take(struct report *report) must_check;

/*
 * After a report was written: says once when the guest that is watched has ended, and when it is
 * back. Then it is watched from now on, as by report_take(), with totals from 0: the next report is
 * of the time since. Returns 1 then, 0, or -errno as report_take().
 */
int report_follow_guest(struct report *report) must_check;

/* The process of the guest that a row is of, also where all rows are of the one; 0: of many. */
pid_t report_guest_pid(const struct report *report, const struct rate *rate);

/* That guest, or NULL: none, or one that came and went between two looks. */
const struct guest *report_guest(const struct report *report, const struct rate *rate);

/*
 * The rows, those of one guest and thread together, else in their order. Returns 0 with
 * *ret_rows, to be freed, of report->rates->count; or -ENOMEM.
 */
int report_rows_by_guest(const struct report *report, const struct rate ***ret_rows) must_check;
