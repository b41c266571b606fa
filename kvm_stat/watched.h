/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one guest that is selected: which process it is, so that another one of that number is not
 * taken for it, and the name by which it is found again under another number.
 */
#pragma once

#include "kvm_stat/guests.h"

enum watched_state {
	WATCHED_RUNS,
	WATCHED_ENDED,
	WATCHED_REPLACED, /* it ended, and another process has its number, or had it since */
};

struct watched {
	pid_t pid;        /* 0: no guest is selected */
	bool has_process; /* there was a process of that number: else nobody knows when it ends */
	uint64_t start;   /* as guest_start_time(); 0: not known */
	char *name, *raw_name; /* as in struct guest; NULL as long as it was not among the guests */
	enum watched_state state; /* as of the last watched_look() */
};

/* Watches process `pid`, 0 for none. Without `root`, as of a recording, only its name is kept. */
void watched_set(struct watched *watched, const struct host_root *root, pid_t pid);

/* Takes the guest's name from the list, if it is there; else the one that was known stays. */
void watched_keep_name(struct watched *watched, const struct guests *guests);

/* Looks what became of the process. */
enum watched_state watched_look(struct watched *watched, const struct host_root *root);

/*
 * Whether the guest, which has ended, is back: exactly one has its name, in a process that is there.
 * Its VM may be there longer than its process, and is not meant. *ret_pid is the process.
 */
bool watched_find(const struct watched *watched, const struct host_root *root,
		  const struct guests *guests, pid_t *ret_pid);

/* Forgets it. */
void watched_done(struct watched *watched);
