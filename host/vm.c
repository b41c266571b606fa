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

static bool has_vm_descriptor(const struct host_root *root, pid_t pid, int fd)
{
	char path[64], target[64];
	cleanup_close int dir = -1;
	ssize_t length;

	snprintf(path, sizeof(path), "proc/%d/fd", (int)pid);
	dir = host_open(root, path, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return false;
	snprintf(path, sizeof(path), "%d", fd);
	length = readlinkat(dir, path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	return strcmp(target, VM_LINK) == 0;
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

/* The only process that holds the VM's descriptor under its number, when it is the only one. */
static pid_t process_with_descriptor(const struct host_root *root, int fd)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	pid_t found = 0;

	if (host_opendir(root, "proc", &dir) < 0)
		return 0;
	while (host_readdir(dir, &entry) > 0) {
		uint64_t pid;

		if (number_parse_u64(entry->d_name, 1, INT32_MAX, &pid) < 0 ||
		    !has_vm_descriptor(root, (pid_t)pid, fd))
			continue;
		if (found)
			return 0;
		found = (pid_t)pid;
	}
	return found;
}

/*
 * Most VMMs create the VM in their main thread or in one that lives on. Where the thread is gone
 * the vCPUs tell, and where there is no vCPU file the descriptor does. That means to look through
 * all of /proc, so it is tried once only, when the VM is seen first.
 */
static pid_t find_process(const struct host_root *root, int kvm_fd, const struct vm *vm,
			  bool is_new)
{
	pid_t pid = guest_process_of_thread(root, vm->tid);

	if (pid <= 0)
		pid = process_of_vcpu(root, kvm_fd, vm);
	if (pid <= 0 && is_new)
		pid = process_with_descriptor(root, vm->fd);
	return pid > 0 ? pid : 0;
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
			list.vms[i].pid = find_process(root, kvm_fd, &list.vms[i], !same);
	}
	*ret_list = list;
	list = (struct vm_list){0};
	return 0;
}

static int append_vms_of_process(const struct host_root *root, pid_t pid, struct vm_list *list,
				 size_t *room)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/fd", (int)pid);
	if (host_opendir(root, path, &dir) < 0)
		return 0; /* gone, or another user's */
	while (host_readdir(dir, &entry) > 0) {
		char target[64];
		uint64_t fd;
		ssize_t length;
		int r;

		if (number_parse_u64(entry->d_name, 0, INT32_MAX, &fd) < 0)
			continue;
		length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		if (strcmp(target, VM_LINK))
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
		if (r < 0)
			break;
	}
	if (r < 0)
		return r;
	if (list.count)
		qsort(list.vms, list.count, sizeof(*list.vms), compare_vms);
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

bool vm_list_has_pid(const struct vm_list *list, pid_t pid)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (list->vms[i].pid == pid)
			return true;
	}
	return false;
}
