/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/bpf_owners.h"

#include <errno.h>
#include <search.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/guest.h"
#include "kvm_stat/search_tree.h"
#include "kvm_stat/vcpus.h"

#define LOOK_EVERY 8 /* reads of the counters */

static int compare_owners(const void *a, const void *b)
{
	const struct bpf_owner *left = a, *right = b;

	if (left->tgid != right->tgid)
		return left->tgid < right->tgid ? -1 : 1;
	return (left->tid > right->tid) - (left->tid < right->tid);
}

void bpf_owners_start(struct bpf_owners *owners, const struct host_root *root,
		      const struct selection *selection)
{
	*owners = (struct bpf_owners){.root = root, .selection = selection};
	if (selection->by != BY_FIELD)
		running_vms_open(&owners->vms, root);
}

int bpf_owners_begin(struct bpf_owners *owners)
{
	owners->reads++;
	return owners->selection->by == BY_FIELD ? 0 : running_vms_update(&owners->vms, false);
}

static void check_process(const struct bpf_owners *owners, struct bpf_owner *owner)
{
	bool was_guest = owner->is_guest;

	owner->alive = kill(owner->tgid, 0) == 0 || errno != ESRCH;
	if (owners->selection->by == BY_FIELD)
		return;
	owner->is_guest = owner->alive && running_vms_has(&owners->vms, owner->tgid);
	owner->alive &= owner->is_guest || !was_guest;
	/* Until it is forgotten. */
	owner->is_guest |= was_guest && owners->selection->last_words;
}

/*
 * Whether it is time to look if a thread runs a virtual CPU: it may make events before it does, for long
 * where it waits for a migration. Those for input and output never will, so more seldom after a while.
 */
static bool is_time_to_look(unsigned int age)
{
	return age < LOOK_EVERY ? (age & (age - 1)) == 0 : age % LOOK_EVERY == 0;
}

static void check_thread(const struct bpf_owners *owners, struct bpf_owner *owner)
{
	bool by_vcpu = owners->selection->by == BY_VCPU;

	owner->alive = syscall(SYS_tgkill, owner->tgid, owner->tid, 0) == 0 || errno != ESRCH;
	owner->age++;
	if (by_vcpu && owner->alive && !owner->thread.is_vcpu && is_time_to_look(owner->age))
		(void)!vcpus_find(owners->root, &owners->vms.list, owner->tgid, owner->tid,
				  &owner->thread);
	owner->thread.has_cpu = by_vcpu && owner->alive &&
				guest_thread_cpu(owners->root, owner->tgid, owner->tid,
						 &owner->thread.cpu) == 0;
}

struct bpf_owner *bpf_owners_find(struct bpf_owners *owners, pid_t tgid, pid_t tid)
{
	struct bpf_owner key = {.tgid = tgid, .tid = tid, .thread.tid = tid};
	struct bpf_owner **node = tfind(&key, &owners->tree, compare_owners);
	struct bpf_owner *owner = node ? *node : NULL;

	if (!owner) {
		owner = malloc(sizeof(*owner));
		if (!owner)
			return NULL;
		*owner = key;
		if (!tsearch(owner, &owners->tree, compare_owners)) {
			free(owner);
			return NULL;
		}
	}
	if (owner->checked == owners->reads)
		return owner;
	owner->checked = owners->reads;
	if (tid == 0)
		check_process(owners, owner);
	else
		check_thread(owners, owner);
	return owner;
}

static bool saw_end(const struct bpf_owners *owners, pid_t tgid, pid_t tid)
{
	struct bpf_owner key = {.tgid = tgid, .tid = tid};
	struct bpf_owner **node = tfind(&key, &owners->tree, compare_owners);

	return node && (*node)->checked == owners->reads && !(*node)->alive;
}

bool bpf_owners_saw_end(const struct bpf_owners *owners, pid_t tgid, pid_t tid)
{
	return saw_end(owners, tgid, 0) || saw_end(owners, tgid, tid);
}

/* Rows of who was not seen are gone. */
static bool is_dead(const void *node, void *data)
{
	const struct bpf_owner *owner = node;
	const struct bpf_owners *owners = data;

	return !owner->alive || owner->checked != owners->reads;
}

void bpf_owners_bury(struct bpf_owners *owners)
{
	search_tree_remove(&owners->tree, compare_owners, is_dead, owners, free);
}

void bpf_owners_done(struct bpf_owners *owners)
{
	tdestroy(owners->tree, free);
	owners->tree = NULL;
	if (owners->selection && owners->selection->by != BY_FIELD)
		running_vms_done(&owners->vms);
	owners->selection = NULL;
}
