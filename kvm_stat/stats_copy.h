/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A copy of a descriptor of binary statistics that a VMM keeps. KVM gives such a descriptor to the
 * VM's own process only, but whoever has one can read it. It pins the VM, so a copy must be closed
 * as soon as the guest ends.
 */
#pragma once

#include "kvm_stat/stats_block.h"

/* The layouts that were met: one for VMs and one for vCPUs. They stay until the end. */
struct stats_layouts {
	struct stats_layout **list;
	size_t count;
};

/* What copies add up to, by value: one copy, one guest, or all of one layout. */
struct stats_tally {
	const struct stats_layout *layout;
	bool has_states; /* of a copy that was read since they were cleared */
	uint64_t values[];
};

struct stats_copy {
	int fd;       /* -1: closed; what it counted stays */
	int guest_fd; /* its number in the guest */
	const struct stats_layout *layout;
	struct stats_id id;
	pid_t tid;     /* the thread that runs the vCPU; 0: not known */
	bool is_new;   /* not read yet */
	bool has_past; /* its first values are from before counting began */
	bool is_seen;  /* by the last look; else it is closed, and freed by stats_guest_sweep() */
	bool is_given_up; /* the guest has closed it */
	bool is_resting;  /* not counted: another copy is of the same vCPU (stats_twins.h) */
	bool is_doubted;  /* rests, but neither had counted anything: they may be two vCPUs' */
	uint64_t *last;   /* values */
	struct stats_tally *tally;
	bool owns_tally;
};

/* Whether the target of a link in /proc/PID/fd is a descriptor of binary statistics. */
bool stats_link_is(const char *target);

/* Likewise, of those of a VM. */
bool stats_link_is_vm(const char *target);

/*
 * Copies descriptor `guest_fd` of the process behind `pidfd` and reads what it is. Returns 1; 0
 * when it is no descriptor of binary statistics (any more): that is closed again unread; -EBADMSG
 * for one that makes no sense; or -errno: -EPERM, -EMFILE, -ESRCH (the process ended).
 */
int stats_copy_take(int pidfd, int guest_fd, struct stats_layouts *layouts,
		    struct stats_copy *ret_copy) must_check;

/* As stats_copy_take(), of what an own descriptor has, which then belongs to the copy. */
int stats_copy_open(int fd, struct stats_layouts *layouts, struct stats_copy *ret_copy) must_check;

/* Closes the descriptor. */
void stats_copy_close(struct stats_copy *copy);

/* Closes the descriptor and frees what it counted. */
void stats_copy_done(struct stats_copy *copy);

/*
 * Reads the values once and adds to the copy's tally what was counted since the last time, and its
 * states. `values` has room for all. The first time, what a copy has from before counting began is
 * added with `include_past` only. Returns 0, or -errno with nothing added.
 */
int stats_copy_count(struct stats_copy *copy, uint64_t *values, bool include_past) must_check;

enum stats_same {
	STATS_DIFFERENT,
	STATS_SAME,
	STATS_NOT_KNOWN, /* neither has counted anything */
};

/*
 * Whether two open copies of the same layout are of the same vCPU, as far as one can tell: counters
 * only rise, so those of the one are never beyond what the other says later. Returns one of the
 * above, or -errno.
 */
int stats_copy_compare(const struct stats_copy *a, const struct stats_copy *b) must_check;

/*
 * The same of an open copy and one that was closed: none of the counters is below what that has
 * counted.
 */
int stats_copy_compare_closed(const struct stats_copy *copy,
			      const struct stats_copy *closed) must_check;

/*
 * Whether an open copy says that anything was ever counted. `values` has room for all. Returns 1, 0
 * or -errno.
 */
int stats_copy_has_counted(const struct stats_copy *copy, uint64_t *values) must_check;

/*
 * Reads a copy that is new, so that it counts from here on, as the first stats_copy_count() does;
 * but nothing is added. Returns 0 or -errno.
 */
int stats_copy_begin(struct stats_copy *copy, bool include_past) must_check;

/* Starts from 0 at the next stats_copy_count(). */
void stats_copy_restart(struct stats_copy *copy);

/* A tally of zeros, to be freed with free(), or NULL. */
struct stats_tally *stats_tally_new(const struct stats_layout *layout) must_check;

/* Sets the states of a tally to 0, as before each sample. */
void stats_tally_clear_states(struct stats_tally *tally);

/* Frees all layouts. */
void stats_layouts_done(struct stats_layouts *layouts);
