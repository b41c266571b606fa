/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long guests were stopped, and what for: the rows of exit reasons that have a distribution.
 * Time in which a guest waits for work (a halt) is no time that an exit costs it, so halts stand
 * apart.
 */
#pragma once

#include "kvm_stat/rates.h"

struct exit_row {
	const struct rate *rate;
	const struct distribution *times;
	bool halted;        /* the guest had nothing to do */
	double count_share; /* of the exits that are no halts, 0 to 1; halts: 0 */
	double time_share;  /* of their time */
};

/* What a time is over: the last interval, or all since start or reset. */
enum exit_span { EXIT_INTERVAL, EXIT_TOTAL };

struct exit_table {
	struct exit_row *rows; /* by time, longest first; halts behind the others */
	size_t count, room;
	uint64_t exits; /* without halts */
	uint64_t time;  /* of these, ns */
};

/* Whether an exit of this reason means that the vCPU waits for an interrupt. */
bool exit_reason_is_halt(const char *reason);

/*
 * Makes the table of all reasons that were seen; an event that tells none is a row itself. It points
 * into `rates`. Returns 0 or -ENOMEM.
 */
int exit_table_update(struct exit_table *table, const struct rates *rates,
		      enum exit_span span) must_check;

/* Frees the rows. */
void exit_table_done(struct exit_table *table);
