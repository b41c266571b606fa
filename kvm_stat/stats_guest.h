/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One guest's process, and the copies of the statistics descriptors that it keeps. */
#pragma once

#include "host/root.h"
#include "kvm_stat/stats_copy.h"

struct stats_guest {
	pid_t pid;
	int pidfd;    /* -1: not watched: not yet, not possible, or not any more */
	int fd_dir;   /* its directory of descriptors, open as long as the pidfd */
	bool is_lost; /* `pid` is a thread's that made the VM: nobody knows the process */
	uint64_t found_ns;
	bool is_ended; /* its copies are closed */
	bool is_old;   /* was there when counting began, or could not be read at first */
	bool is_known; /* its descriptors were found once */
	bool has_vcpus;
	unsigned int vain_looks; /* the last ones, which found vCPUs but no descriptor of theirs */
	int error;               /* -errno: cannot be read; -ENODATA: it keeps no descriptors; 0 */
	struct stats_copy *copies; /* ascending by guest_fd */
	size_t count;
	struct stats_tally **tallies; /* of this guest as a whole; only the source looks at them */
	size_t tally_count;
	/* Descriptors that are copied if the next look still sees them; ascending. */
	struct stats_fds {
		int *fds;
		size_t count;
	} awaited;
	/* When to look through the descriptors again: */
	unsigned int looks_due;
	uint64_t looked_ns;
	uint64_t fds, threads; /* how many it had then; fds is 0 before Linux 6.2 */
	uint64_t checked_fds;  /* ... when stats_guest_drop_given_up() looked last */
	size_t next_check;     /* the copy that it looks at next */
};

/* What the functions below need of the source. */
struct stats_reader {
	const struct host_root *root;
	struct stats_layouts layouts;
	uint64_t *values; /* room for one copy's */
	bool include_past;
	void *data;
	/* Finds the tally of a new copy. Returns 0 or -ENOMEM. */
	int (*find_tally)(struct stats_guest *guest, struct stats_copy *copy, void *data);
	/* Watches for the end of the process, so that copies are closed then. Returns 0 or -errno. */
	int (*watch)(int pidfd, void *data);
};

/* A guest that is to be looked at first. */
#define STATS_GUEST(of)                                                                            \
	((struct stats_guest){.pid = (of), .pidfd = -1, .fd_dir = -1, .looks_due = 1})

/* Closes everything and frees the guest's memory. */
void stats_guest_done(struct stats_guest *guest);

/* Whether it is time to look for new descriptors: a cheap question, for each sample. */
bool stats_guest_is_due(struct stats_guest *guest, const struct host_root *root, uint64_t now_ns);

/*
 * Looks through the guest's descriptors: takes copies of those that are new and closes those of what
 * it has closed, which stay until stats_guest_sweep(). `guest->error` says how that went. Returns 0
 * or -ENOMEM.
 */
int stats_guest_look(struct stats_guest *guest, struct stats_reader *reader) must_check;

/*
 * Finds the threads of vCPUs that are new. `kvm_fd` is debugfs' directory or -1, `vm` the name of
 * the guest's only VM there, or NULL.
 */
void stats_guest_find_threads(struct stats_guest *guest, const struct host_root *root, int kvm_fd,
			      const char *vm);

/* Frees the copies that the last look has closed. */
void stats_guest_sweep(struct stats_guest *guest);

/* Reads all copies. Returns 0 or -errno of the first that could not be read. */
int stats_guest_count(struct stats_guest *guest, struct stats_reader *reader) must_check;

/* Should the process have ended, reads all copies for the last time and closes them. */
void stats_guest_check(struct stats_guest *guest, struct stats_reader *reader);

/* Reads all copies, unless `reader` is NULL, and closes them; the next look takes them again. */
void stats_guest_give_back(struct stats_guest *guest, struct stats_reader *reader);

/*
 * Ends the copies of descriptors that the guest itself has closed: a VMM may let go of a VM and
 * live on. As long as the number of its descriptors stays as it is, only some are looked at: it may
 * have another VM in the same moment.
 */
void stats_guest_drop_given_up(struct stats_guest *guest, struct stats_reader *reader);

/* Whether any copy is open, which pins the VM. */
bool stats_guest_holds(const struct stats_guest *guest);
