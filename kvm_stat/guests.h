/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guests of this host by process and name. */
#pragma once

#include "host/root.h"

struct guest {
	pid_t pid;
	char *name; /* clean for terminals; the name's own bytes are in `raw_name` */
	char *raw_name;
};

struct guests {
	struct guest *list; /* ascending by pid, each process once */
	size_t count;
};

/*
 * Lists the guests that run now: every process with a KVM VM. Processes that end meanwhile are
 * left out. Replaces what *guests held. Returns 0 or -errno.
 */
int guests_update(const struct host_root *root, struct guests *guests) must_check;

/* Frees the list. */
void guests_done(struct guests *guests);

/* The guest of process `pid`, or NULL. */
const struct guest *guests_find_pid(const struct guests *guests, pid_t pid);

/*
 * Finds the guests of exactly this name (its own bytes). Returns how many there are; *ret_pid is
 * the process of the first.
 */
size_t guests_find_name(const struct guests *guests, const char *name, pid_t *ret_pid);

/*
 * Whether process `pid` runs, as a process and not as the id of another thread. Returns 0, -ESRCH,
 * or -EINVAL for a thread id, with *ret_process (may be NULL) the process it belongs to.
 */
int guests_check_pid(const struct host_root *root, pid_t pid, pid_t *ret_process) must_check;
