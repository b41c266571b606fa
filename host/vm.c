/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "host/guest.h"
#include "host/mounts.h"
#include "host/number.h"

#define VM_LINK "anon_inode:kvm-vm"

void vm_list_done(struct vm_list *list)
{
	free(list->vms);
	*list = (struct vm_list){0};
}

int vm_parse_name(const char *name, pid_t *ret_tid, int *ret_fd)
{
	const char *dash = strchr(name, '-');
	char digits[16];
	uint64_t tid, fd;

	if (!dash || (size_t)(dash - name) >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, name, (size_t)(dash - name));
	digits[dash - name] = '\0';
	if (number_parse_u64(digits, 1, INT32_MAX, &tid) < 0 ||
	    number_parse_u64(dash + 1, 0, INT32_MAX, &fd) < 0)
		return -EINVAL;
	/* The name is made from the numbers again: "007-4" would be another directory. */
	if (digits[0] == '0' || (dash[1] == '0' && dash[2]))
		return -EINVAL;
	*ret_tid = (pid_t)tid;
	*ret_fd = (int)fd;
	return 0;
}

static int list_append(struct vm_list *list, size_t *room, struct vm vm)
{
	if (list->count == *room) {
		size_t grown_room = *room ? *room * 2 : 16;
		struct vm *grown = reallocarray(list->vms, grown_room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		list->vms = grown;
		*room = grown_room;
	}
	list->vms[list->count++] = vm;
	return 0;
}

static int compare_vms(const void *a, const void *b)
{
	const struct vm *left = a, *right = b;

	if (left->tid != right->tid)
		return left->tid < right->tid ? -1 : 1;
	return (left->fd > right->fd) - (left->fd < right->fd);
}

static const struct vm *find_known(const struct vm_list *known, const struct vm *vm)
{
	const struct vm *found;

	if (!known || !known->count)
		return NULL;
	found = bsearch(vm, known->vms, known->count, sizeof(*vm), compare_vms);
	return found && found->inode == vm->inode ? found : NULL;
}

/*
 * Whether the descriptor `name` in the directory of a process' descriptors is a VM. Returns 1, 0,
 * or -EACCES: who lacks CAP_SYS_PTRACE may see that there is one, but not what.
 */
static int is_vm_link(int dirfd, const char *name)
{
	char target[64];
	ssize_t length = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (length < 0)
		return errno == EACCES ? -EACCES : 0;
	target[length] = '\0';
	return strcmp(target, VM_LINK) == 0;
}

/* Appends the VMs that process `pid` holds. Returns 0, -ENOMEM, or -errno of looking into it. */
static int append_vms_of_process(const struct host_root *root, pid_t pid, struct vm_list *list,
				 size_t *room)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "proc/%d/fd", (int)pid);
	r = host_opendir(root, path, &dir);
	if (r < 0)
		return r;
	while (host_readdir(dir, &entry) > 0) {
		uint64_t fd;

		if (number_parse_u64(entry->d_name, 0, INT32_MAX, &fd) < 0)
			continue;
		r = is_vm_link(dirfd(dir), entry->d_name);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		r = list_append(list, room, (struct vm){.tid = pid, .fd = (int)fd, .pid = pid});
		if (r < 0)
			return r;
	}
	return 0;
}

int vm_list_read_proc(const struct host_root *root, struct vm_list *ret_list)
{
	cleanup_closedir DIR *dir = NULL;
	cleanup(vm_list_done) struct vm_list list = {0};
	size_t room = 0;
	struct dirent *entry;
	int r = host_opendir(root, "proc", &dir);

	if (r < 0)
		return r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		uint64_t pid;

		if (number_parse_u64(entry->d_name, 1, INT32_MAX, &pid) < 0)
			continue;
		r = append_vms_of_process(root, (pid_t)pid, &list, &room);
		if (r == -ENOMEM)
			break;
		/* A process that ended, or another user's: not a VM that can be seen from here. */
	}
	if (r < 0)
		return r;
	if (list.count)
		qsort(list.vms, list.count, sizeof(*list.vms), compare_vms);
	*ret_list = list;
	list = (struct vm_list){0};
	return 0;
}

/*
 * Whether process `pid` runs VMs, as far as can be seen: the number of a thread that is long gone
 * may have become that of somebody else.
 */
static bool may_run_vms(const struct host_root *root, pid_t pid)
{
	cleanup(vm_list_done) struct vm_list held = {0};
	size_t room = 0;
	int r = append_vms_of_process(root, pid, &held, &room);

	return r < 0 || held.count;
}

/* The process of a vCPU thread: vcpuN/pid exists on x86 since 6.1 and has mode 0444. */
static pid_t process_of_vcpu(const struct host_root *root, int kvm_fd, const struct vm *vm)
{
	char path[64];
	uint64_t tid;

	snprintf(path, sizeof(path), "%d-%d/vcpu0/pid", (int)vm->tid, vm->fd);
	if (host_read_u64_at(kvm_fd, path, &tid) < 0 || tid == 0 || tid > INT32_MAX)
		return 0;
	return guest_process_of_thread(root, (pid_t)tid);
}

/*
 * Most VMMs create the VM in their main thread or in one that lives on. Where the thread is gone,
 * the vCPUs tell.
 */
static pid_t find_process(const struct host_root *root, int kvm_fd, const struct vm *vm)
{
	pid_t pid = guest_process_of_thread(root, vm->tid);

	if (pid <= 0 || !may_run_vms(root, pid))
		pid = process_of_vcpu(root, kvm_fd, vm);
	return pid > 0 && may_run_vms(root, pid) ? pid : 0;
}

/* Whether the descriptor is that of a VM whose process is known already. */
static bool is_taken(const struct vm_list *list, const struct vm *held)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (list->vms[i].pid == held->pid && list->vms[i].fd == held->fd)
			return true;
	}
	return false;
}

/*
 * The process of a VM that nothing else tells: the one that holds a VM under the descriptor's
 * number which is not known to be another, when there is only one such.
 */
static pid_t find_holder(const struct vm_list *list, const struct vm_list *held, int fd)
{
	pid_t found = 0;
	size_t i;

	for (i = 0; i < held->count; i++) {
		if (held->vms[i].fd != fd || is_taken(list, &held->vms[i]))
			continue;
		if (found)
			return 0;
		found = held->vms[i].pid;
	}
	return found;
}

/*
 * Finds the processes of VMs that are left, by their descriptors. That means to look through all
 * of /proc, so a VM that was seen before without success is not looked for again.
 */
static int find_by_descriptor(const struct host_root *root, const struct vm_list *known,
			      struct vm_list *list)
{
	cleanup(vm_list_done) struct vm_list held = {0};
	bool looked = false;
	size_t i;

	for (i = 0; i < list->count; i++) {
		struct vm *vm = &list->vms[i];
		int r = 0;

		if (vm->pid > 0 || find_known(known, vm))
			continue;
		if (!looked)
			r = vm_list_read_proc(root, &held);
		if (r == -ENOMEM)
			return r;
		looked = true;
		vm->pid = find_holder(list, &held, vm->fd);
		/* Nobody else may be it: then who has the thread's number is the best guess. */
		if (vm->pid <= 0)
			vm->pid = guest_process_of_thread(root, vm->tid);
		if (vm->pid < 0)
			vm->pid = 0;
	}
	return 0;
}

int vm_list_read_debugfs(const struct host_root *root, int kvm_fd, const struct vm_list *known,
			 struct vm_list *ret_list)
{
	cleanup_closedir DIR *dir = NULL;
	cleanup(vm_list_done) struct vm_list list = {0};
	size_t room = 0, i;
	struct dirent *entry;
	int r = host_opendir_at(kvm_fd, ".", &dir);

	if (r < 0)
		return r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		struct vm vm = {.inode = entry->d_ino};

		if (vm_parse_name(entry->d_name, &vm.tid, &vm.fd) < 0)
			continue;
		r = list_append(&list, &room, vm);
		if (r < 0)
			break;
	}
	if (r < 0)
		return r;
	if (list.count)
		qsort(list.vms, list.count, sizeof(*list.vms), compare_vms);
	for (i = 0; i < list.count; i++) {
		const struct vm *same = find_known(known, &list.vms[i]);

		if (same && same->pid > 0)
			list.vms[i].pid = same->pid;
		else
			list.vms[i].pid = find_process(root, kvm_fd, &list.vms[i]);
	}
	r = find_by_descriptor(root, known, &list);
	if (r < 0)
		return r;
	*ret_list = list;
	list = (struct vm_list){0};
	return 0;
}

int vm_list_read(const struct host_root *root, struct vm_list *ret_list)
{
	cleanup_close int kvm_fd = mounts_open_debugfs(root, "kvm", NULL);

	if (kvm_fd >= 0)
		return vm_list_read_debugfs(root, kvm_fd, NULL, ret_list);
	return vm_list_read_proc(root, ret_list);
}
