/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rates of the last refreshes, for each row. */
#pragma once

#include "kvm_stat/rates.h"

#define HISTORY_MAX 240 /* refreshes: twelve minutes at the usual delay */

struct history_row {
	/* What identifies the row, as in struct rate. */
	const char *name, *parent;
	pid_t guest;
	struct sample_thread thread;
	float values[HISTORY_MAX]; /* a ring: struct history's `next` is the oldest; NAN: no row */
};

struct history {
	struct history_row *rows; /* in the order of the rates */
	size_t count;
	size_t next, used; /* place of the next value; how many there are */
};

/*
 * Appends what the rates are now: events per second, or the state of what does not count up. Rows
 * that are gone are forgotten. Returns 0 or -ENOMEM.
 */
int history_update(struct history *history, const struct rates *rates) must_check;

/* Forgets everything, as when names end with a selection. */
void history_clear(struct history *history);

/* The row of a rate, or NULL. */
const struct history_row *history_find(const struct history *history, const struct rate *rate);

/* The value of `age` refreshes ago (0: the last one), or NAN. */
double history_value(const struct history *history, const struct history_row *row, size_t age);
