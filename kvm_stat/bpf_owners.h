/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes and threads that have rows in the kernel: which are guests, and when they end. */
#pragma once

#include "kvm_stat/running_vms.h"
#include "kvm_stat/source.h"

struct bpf_owner {
	pid_t tgid, tid; /* tid 0: the process */
	bool alive;      /* a process that ran a guest and runs none any more counts as dead */
	bool is_guest;
	uint64_t checked; /* by which read */
	unsigned int age; /* in reads */
	struct sample_thread thread;
};

struct bpf_owners {
	const struct host_root *root;      /* these two are borrowed */
	const struct selection *selection; /* NULL before bpf_owners_start() */
	struct running_vms vms;            /* unless the selection is by field */
	uint64_t reads;
	void *tree;
};

/* Begins with nobody known. Both are borrowed until bpf_owners_done(). */
void bpf_owners_start(struct bpf_owners *owners, const struct host_root *root,
		      const struct selection *selection);

/* Begins a read, in which everybody is looked at once. Returns 0 or -errno of looking for VMs. */
int bpf_owners_begin(struct bpf_owners *owners) must_check;

/*
 * What is known of a process (tid 0) or thread, as of this read. The result is valid until
 * bpf_owners_bury(). Returns it, or NULL without memory.
 */
struct bpf_owner *bpf_owners_find(struct bpf_owners *owners, pid_t tgid, pid_t tid) must_check;

/* Whether this read has found the thread, or its process, gone. */
bool bpf_owners_saw_end(const struct bpf_owners *owners, pid_t tgid, pid_t tid) must_check;

/* Forgets who is gone, or has no rows any more. */
void bpf_owners_bury(struct bpf_owners *owners);

/* Frees everything; what is all 0 is fine. */
void bpf_owners_done(struct bpf_owners *owners);
