/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtual machines of this host, and the processes that run them. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "host/root.h"

/*
 * One KVM virtual machine. KVM names its debugfs directory after the *thread* that created it and
 * its descriptor there: "TID-FD". `pid` is the process, 0 while it could not be found out.
 */
struct vm {
	pid_t tid;
	int fd;
	pid_t pid;
	uint64_t inode; /* of the directory: tells a new VM under an old name */
};

struct vm_list {
	struct vm *vms; /* ascending by tid, then fd */
	size_t count;
};

/* Frees what the list holds and leaves it empty. */
void vm_list_done(struct vm_list *list);

/* Parses "TID-FD" exactly. Returns 0 or -EINVAL. */
int vm_parse_name(const char *name, pid_t *ret_tid, int *ret_fd) must_check;

/*
 * Reads the VMs from the open debugfs directory `kvm_fd` (/sys/kernel/debug/kvm). `known`, when
 * not NULL, is an earlier list whose processes need not be looked up again. Returns 0 or -errno.
 */
int vm_list_read_debugfs(const struct host_root *root, int kvm_fd, const struct vm_list *known,
			 struct vm_list *ret_list) must_check;

/*
 * Reads the VMs from /proc/PID/fd (links to anon_inode:kvm-vm), for hosts without debugfs. Slower,
 * and sees only processes that this user may look into. Returns 0 or -errno.
 */
int vm_list_read_proc(const struct host_root *root, struct vm_list *ret_list) must_check;

/* As vm_list_read_debugfs() where debugfs can be listed, else as vm_list_read_proc(). */
int vm_list_read(const struct host_root *root, struct vm_list *ret_list) must_check;
