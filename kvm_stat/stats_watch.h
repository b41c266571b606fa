/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that closes copies of guests' descriptors in time, whatever the program does meanwhile:
 * it may sleep until the next sample, or wait for a pipe or terminal that takes no more.
 */
#pragma once

#include <stdbool.h>

#include "host/cleanup.h"

struct stats_watch;

/* What the thread calls. */
struct stats_watch_ops {
	/* A process ended, or (not `ended`) time went by. Returns whether any copy is open then. */
	bool (*check)(bool ended, void *data);
	/* Closes all copies and calls signals_stop(), while nobody can open any. */
	void (*stop)(void *data);
};

/*
 * Starts the thread. `stops`: it answers SIGTSTP (Ctrl-Z) too, which is blocked in this thread and
 * those to come; a program that does so itself gives copies back first. Returns 0 or -errno.
 */
int stats_watch_start(const struct stats_watch_ops *ops, void *data, bool stops,
		      struct stats_watch **ret_watch) must_check;

/* Ends the thread; NULL is fine. */
void stats_watch_end(struct stats_watch *watch);

/* Checks now: there may be copies where there were none. */
void stats_watch_wake(struct stats_watch *watch);

/* Checks at once when the process behind `pidfd` ends, until that is closed. Returns 0 or -errno. */
int stats_watch_add(struct stats_watch *watch, int pidfd) must_check;
