/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/guests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/guest.h"
#include "host/text.h"
#include "host/vm.h"

void guests_done(struct guests *guests)
{
	size_t i;

	for (i = 0; i < guests->count; i++) {
		free(guests->list[i].name);
		free(guests->list[i].raw_name);
	}
	free(guests->list);
	*guests = (struct guests){0};
}

static int add_guest(struct guests *guests, pid_t pid, char *raw_name)
{
	char *name = raw_name ? text_clean(raw_name) : NULL;

	if (!name) {
		free(raw_name);
		return -ENOMEM;
	}
	guests->list[guests->count++] =
		(struct guest){.pid = pid, .name = name, .raw_name = raw_name};
	return 0;
}

static int compare_guests(const void *a, const void *b)
{
	const struct guest *left = a, *right = b;

	return (left->pid > right->pid) - (left->pid < right->pid);
}

/*
 * The name of a VM's guest, to be freed, or NULL without memory. One that is ending keeps the name that
 * it has in `known`.
 */
static char *name_of_vm(const struct host_root *root, const struct guests *known,
			const struct vm *vm, pid_t pid)
{
	cleanup_free char *name = NULL;
	int r = vm->pid > 0 ? guest_name(root, pid, &name) : -ESRCH;
	const struct guest *same = r == 0 ? NULL : guests_find_pid(known, pid);

	if (r == -ENOMEM)
		return NULL;
	if (same)
		return strdup(same->raw_name);
	/* A VM whose process cannot be found or looked into still is one. */
	return r < 0 ? text_format("vm-%d-%d", (int)vm->tid, vm->fd) : take_ptr(name);
}

static int add_guest_of_vm(const struct host_root *root, const struct guests *known,
			   struct guests *guests, const struct vm *vm)
{
	pid_t pid = vm->pid > 0 ? vm->pid : vm->tid;
	size_t i;

	/* VMs are in the order of their threads: those of one process mostly stand together. */
	for (i = guests->count; i-- > 0;) {
		if (guests->list[i].pid == pid)
			return 0;
	}
	return add_guest(guests, pid, name_of_vm(root, known, vm, pid));
}

int guests_update(const struct host_root *root, struct guests *guests)
{
	cleanup(vm_list_done) struct vm_list vms = {0};
	cleanup(guests_done) struct guests now = {0};
	size_t i;
	int r = vm_list_read(root, &vms);

	if (r < 0)
		return r;
	now.list = calloc(vms.count ? vms.count : 1, sizeof(*now.list));
	if (!now.list)
		return -ENOMEM;
	for (i = 0; i < vms.count && r == 0; i++)
		r = add_guest_of_vm(root, guests, &now, &vms.vms[i]);
	if (r < 0)
		return r;
	if (now.count)
		qsort(now.list, now.count, sizeof(*now.list), compare_guests);
	guests_done(guests);
	*guests = now;
	now = (struct guests){0};
	return 0;
}

const struct guest *guests_find_pid(const struct guests *guests, pid_t pid)
{
	struct guest key = {.pid = pid};

	return guests->count
		       ? bsearch(&key, guests->list, guests->count, sizeof(key), compare_guests)
		       : NULL;
}

size_t guests_find_name(const struct guests *guests, const char *name, pid_t *ret_pid)
{
	size_t i, found = 0;

	for (i = 0; i < guests->count; i++) {
		if (strcmp(guests->list[i].raw_name, name))
			continue;
		if (found++ == 0)
			*ret_pid = guests->list[i].pid;
	}
	return found;
}

int guests_check_pid(const struct host_root *root, pid_t pid, pid_t *ret_process)
{
	pid_t process = guest_process_of_thread(root, pid);

	if (process < 0)
		return process;
	if (ret_process)
		*ret_process = process;
	return process == pid ? 0 : -EINVAL;
}
