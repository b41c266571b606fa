/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/running_vms.h"

#include <errno.h>
#include <sys/stat.h>

#include "host/kvm_uevent.h"
#include "host/mounts.h"
#include "kvm_stat/signals.h"

#define READ_EVERY 10000000000U /* ns: /proc, without a sign of a new VM */

void running_vms_open(struct running_vms *vms, const struct host_root *root)
{
	*vms = (struct running_vms){.root = root};
	vms->kvm_fd = mounts_open_debugfs(root, "kvm", NULL);
	if (vms->kvm_fd < 0 && kvm_uevent_open(&vms->monitor) < 0)
		vms->monitor = NULL;
}

void running_vms_done(struct running_vms *vms)
{
	vm_list_done(&vms->list);
	kvm_uevent_close(vms->monitor);
	if (vms->kvm_fd >= 0)
		close(vms->kvm_fd);
	*vms = (struct running_vms){.kvm_fd = -1};
}

/* A directory that was removed looks empty: glibc takes the error for its end. */
static bool is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/*
 * Reads KVM's directory, which may come later than counting begins, and is another one after the
 * module for this CPU was unloaded and loaded again. Returns 0, -ENOENT without one, or -errno.
 */
static int read_debugfs(struct running_vms *vms, struct vm_list *ret_list)
{
	int tries, r = -ENOENT;

	for (tries = 0; tries < 2; tries++) {
		if (vms->kvm_fd < 0)
			vms->kvm_fd = mounts_open_debugfs(vms->root, "kvm", NULL);
		if (vms->kvm_fd < 0)
			return -ENOENT;
		r = vm_list_read_debugfs(vms->root, vms->kvm_fd, &vms->list, ret_list);
		if (!is_removed(vms->kvm_fd))
			return r;
		if (r == 0)
			vm_list_done(ret_list);
		close(vms->kvm_fd);
		vms->kvm_fd = -1;
		r = -ENOENT;
	}
	return r;
}

/* Whether somebody told of a VM that came, or there may be one that nobody told of. */
static bool is_due(const struct running_vms *vms)
{
	struct kvm_uevent event;
	bool told = false;
	int r = 0;

	while (vms->monitor && (r = kvm_uevent_receive(vms->monitor, &event)) > 0)
		told = true;
	return told || r < 0 || !vms->read_ns || clock_now_ns() - vms->read_ns >= READ_EVERY;
}

int running_vms_update(struct running_vms *vms, bool all)
{
	struct vm_list now = {0};
	int r = read_debugfs(vms, &now);

	if (r == -ENOENT) {
		/* In this order: an event that comes meanwhile must not be lost. */
		if (!is_due(vms) && !all)
			return 0;
		vms->read_ns = clock_now_ns();
		r = vm_list_read_proc(vms->root, &now);
	}
	if (r < 0)
		return r;
	vm_list_done(&vms->list);
	vms->list = now;
	return 0;
}

bool running_vms_are_all(const struct running_vms *vms)
{
	char ignored;

	/* Of all links in /proc this is of the same right as those to descriptors. */
	return vms->kvm_fd >= 0 ||
	       readlinkat(vms->root->fd, "proc/1/cwd", &ignored, sizeof(ignored)) >= 0 ||
	       errno != EACCES;
}

pid_t running_vms_process(const struct vm *vm)
{
	return vm->pid > 0 ? vm->pid : vm->tid;
}

bool running_vms_has(const struct running_vms *vms, pid_t pid)
{
	size_t i;

	for (i = 0; i < vms->list.count; i++) {
		if (running_vms_process(&vms->list.vms[i]) == pid)
			return true;
	}
	return false;
}

const char *running_vms_only(const struct running_vms *vms, pid_t pid, char *name, size_t size)
{
	const struct vm *found = NULL;
	size_t i;

	for (i = 0; i < vms->list.count; i++) {
		if (running_vms_process(&vms->list.vms[i]) != pid)
			continue;
		if (found)
			return NULL;
		found = &vms->list.vms[i];
	}
	if (!found)
		return NULL;
	snprintf(name, size, "%d-%d", (int)found->tid, found->fd);
	return name;
}
