/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which thread of a guest runs which virtual CPU. */
#pragma once

#include "host/vm.h"
#include "kvm_stat/sample.h"

/*
 * Finds the virtual CPU that thread `tid` of process `pid` runs, by KVM's debugfs files
 * vcpuN/pid (since Linux 5.19 on x86; also under lockdown). Returns 0 with *thread set, -ENOENT
 * when the thread runs none or nothing is known, or another -errno; *thread then has the tid only.
 */
int vcpus_find(const struct host_root *root, const struct vm_list *vms, pid_t pid, pid_t tid,
	       struct sample_thread *thread) must_check;
