/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one guest that is selected: which process it is, so that another one of that number is not
 * taken for it, and the name by which it is found again under another number.
 */
#pragma once

#include "kvm_stat/guests.h"

struct watched {
	pid_t pid;             /* 0: no guest is selected */
	uint64_t start;        /* as guest_start_time(); 0: not known */
	char *name, *raw_name; /* as in struct guest; NULL as long as it was not among the guests */
};

enum watched_state {
	WATCHED_RUNS,
	WATCHED_ENDED,
	WATCHED_REPLACED, /* it ended, and another process has its number */
};

/* Watches process `pid`, 0 for none. Without `root`, as of a recording, only its name is kept. */
void watched_set(struct watched *watched, const struct host_root *root, pid_t pid);

/* Takes the guest's name from the list, if it is there; else the one that was known stays. */
void watched_keep_name(struct watched *watched, const struct guests *guests);

/* What became of the process. */
enum watched_state watched_state(const struct watched *watched, const struct host_root *root);

/* Whether exactly one guest has the name that is known. *ret_pid is then its process. */
bool watched_find(const struct watched *watched, const struct guests *guests, pid_t *ret_pid);

/* Forgets it. */
void watched_done(struct watched *watched);
