/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VMs that run now, asked for in every sample: not by a look through all of /proc each time. */
#pragma once

#include "host/vm.h"

struct kvm_uevent_monitor;

struct running_vms {
	const struct host_root *root;
	struct vm_list list;
	int kvm_fd; /* KVM's directory in debugfs; -1: none yet, looks through /proc */
	struct kvm_uevent_monitor *monitor; /* NULL when there is debugfs, or it cannot be had */
	uint64_t read_ns;                   /* when /proc was looked through; 0: never */
};

/* Opens debugfs where it can be listed, also in lockdown; else listens to the kernel's uevents. */
void running_vms_open(struct running_vms *vms, const struct host_root *root);

/* Closes and frees everything. */
void running_vms_done(struct running_vms *vms);

/*
 * Brings the list up to date: from debugfs; or from /proc when an event tells of a VM, when `all`
 * asks for it, and from time to time, as events do not reach containers. Returns 0 or -errno.
 */
int running_vms_update(struct running_vms *vms, bool all) must_check;

/* Whether VMs of all users are in the list, as far as that can be told. */
bool running_vms_are_all(const struct running_vms *vms);

/* The process by which a VM is known; of one that nobody knows the process of, its thread. */
pid_t running_vms_process(const struct vm *vm);

/* Whether the process has a VM. */
bool running_vms_has(const struct running_vms *vms, pid_t pid);

/* The name in debugfs of the process' only VM, in `name`; NULL when it has none or several. */
const char *running_vms_only(const struct running_vms *vms, pid_t pid, char *name, size_t size);
