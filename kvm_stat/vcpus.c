/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/vcpus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "host/mounts.h"
#include "host/number.h"

/* Looks through the directories vcpuN of one VM. */
static int find_in_vm(int kvm_fd, const struct vm *vm, pid_t tid, unsigned int *ret_vcpu)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	char name[32];
	int r;

	snprintf(name, sizeof(name), "%d-%d", (int)vm->tid, vm->fd);
	r = host_opendir_at(kvm_fd, name, &dir);
	if (r < 0)
		return r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		cleanup_close int vcpu = -1;
		uint64_t number, thread;

		if (strncmp(entry->d_name, "vcpu", 4) != 0 ||
		    number_parse_u64(entry->d_name + 4, 0, UINT16_MAX, &number) < 0)
			continue;
		vcpu = openat(dirfd(dir), entry->d_name,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (vcpu < 0 || host_read_u64_at(vcpu, "pid", &thread) < 0 ||
		    thread != (uint64_t)tid)
			continue;
		*ret_vcpu = (unsigned int)number;
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

int vcpus_find(const struct host_root *root, const struct vm_list *vms, pid_t pid, pid_t tid,
	       struct sample_thread *thread)
{
	cleanup_close int kvm_fd = mounts_open_debugfs(root, "kvm", NULL);
	size_t i;
	int r = kvm_fd < 0 ? kvm_fd : -ENOENT;

	*thread = (struct sample_thread){.tid = tid};
	for (i = 0; kvm_fd >= 0 && r < 0 && i < vms->count; i++) {
		if (vms->vms[i].pid != pid)
			continue;
		r = find_in_vm(kvm_fd, &vms->vms[i], tid, &thread->vcpu);
		thread->is_vcpu = r == 0;
	}
	return r;
}
