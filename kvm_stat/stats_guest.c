/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/stats_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "host/number.h"
#include "kvm_stat/signals.h"

#define VCPU_LINK    "anon_inode:kvm-vcpu:"
#define LOOK_EVERY   10000000000U /* ns: whatever the signs of change miss is found by then */
#define KCMP_OF_FILE 0            /* KCMP_FILE of <linux/kcmp.h> */
#define CHECKS       4            /* copies that are looked at without a sign that any was closed */

static void stop_watching(struct stats_guest *guest)
{
	if (guest->pidfd >= 0)
		close(guest->pidfd);
	if (guest->fd_dir >= 0)
		close(guest->fd_dir);
	guest->pidfd = guest->fd_dir = -1;
}

void stats_guest_done(struct stats_guest *guest)
{
	size_t i;

	for (i = 0; i < guest->count; i++)
		stats_copy_done(&guest->copies[i]);
	for (i = 0; i < guest->tally_count; i++)
		free(guest->tallies[i]);
	free(guest->tallies);
	free(guest->copies);
	free(guest->awaited.fds);
	stop_watching(guest);
	*guest = (struct stats_guest){.pidfd = -1, .fd_dir = -1, .is_ended = true};
}

/* Reads a copy for the last time, unless `reader` is NULL, and no more. */
static void end_copy(struct stats_copy *copy, struct stats_reader *reader)
{
	if (reader && copy->fd >= 0 && copy->tally && !copy->is_resting)
		(void)!stats_copy_count(copy, reader->values, reader->include_past);
	stats_copy_close(copy);
}

void stats_guest_give_back(struct stats_guest *guest, struct stats_reader *reader)
{
	size_t i;

	for (i = 0; i < guest->count; i++)
		end_copy(&guest->copies[i], reader);
	guest->looks_due = 1;
}

void stats_guest_check(struct stats_guest *guest, struct stats_reader *reader)
{
	struct pollfd fd = {.fd = guest->pidfd, .events = POLLIN};

	/* A negative one has no events. */
	if (poll(&fd, 1, 0) <= 0)
		return;
	stats_guest_give_back(guest, reader);
	stop_watching(guest);
	guest->is_ended = true;
}

bool stats_guest_holds(const struct stats_guest *guest)
{
	size_t i;

	for (i = 0; i < guest->count; i++) {
		if (guest->copies[i].fd >= 0)
			return true;
	}
	return false;
}

/* How many descriptors the process has: Linux 6.2 tells it as the size of the directory. */
static uint64_t count_fds(const struct stats_guest *guest)
{
	struct stat st;

	return guest->fd_dir < 0 || fstat(guest->fd_dir, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

static uint64_t count_threads(const struct host_root *root, pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "proc/%d/task", (int)pid);
	return fstatat(root->fd, path, &st, 0) < 0 ? 0 : (uint64_t)st.st_nlink;
}

bool stats_guest_is_due(struct stats_guest *guest, const struct host_root *root, uint64_t now_ns)
{
	uint64_t fds = count_fds(guest);
	uint64_t threads = fds ? guest->threads : count_threads(root, guest->pid);

	/* Twice: a new thread may not have made its vCPU yet. */
	if (fds != guest->fds || threads != guest->threads)
		guest->looks_due = 2;
	else if (now_ns - guest->looked_ns >= LOOK_EVERY)
		guest->looks_due = 1;
	guest->fds = fds;
	guest->threads = threads;
	return guest->looks_due;
}

/*
 * Whether the guest still has what was copied. kcmp(2) tells whether both are the same; where the
 * kernel has no kcmp() the number and its link have to do.
 */
static bool is_kept(const struct stats_guest *guest, const struct stats_copy *copy)
{
	char name[16], target[64];
	ssize_t length;
	long r = syscall(SYS_kcmp, getpid(), guest->pid, KCMP_OF_FILE, copy->fd, copy->guest_fd);

	if (r >= 0)
		return r == 0;
	if (errno == EBADF)
		return false;
	snprintf(name, sizeof(name), "%d", copy->guest_fd);
	length = readlinkat(guest->fd_dir, name, target, sizeof(target) - 1);
	if (length < 0)
		return errno != ENOENT;
	target[length] = '\0';
	return stats_link_is(target);
}

/* Ends the copy if the guest has closed what was copied. Returns whether it has. */
static bool end_given_up(struct stats_guest *guest, struct stats_copy *copy,
			 struct stats_reader *reader)
{
	if (copy->fd < 0 || is_kept(guest, copy))
		return false;
	end_copy(copy, reader);
	copy->is_given_up = true;
	return true;
}

void stats_guest_drop_given_up(struct stats_guest *guest, struct stats_reader *reader)
{
	uint64_t fds = count_fds(guest);
	size_t i, count = guest->count;

	if (fds == guest->checked_fds && count > CHECKS)
		count = CHECKS;
	guest->checked_fds = fds;
	for (i = 0; i < count; i++) {
		if (guest->next_check >= guest->count)
			guest->next_check = 0;
		if (!end_given_up(guest, &guest->copies[guest->next_check++], reader))
			continue;
		/* Those of the same VM are closed as well. */
		count = guest->count;
		guest->looks_due = 1;
	}
}

/* As stats_guest_drop_given_up(), of all copies. What the guest has then is a VM that came later. */
static void end_all_given_up(struct stats_guest *guest, struct stats_reader *reader)
{
	bool any = false, has_vcpu = false;
	size_t i;

	for (i = 0; i < guest->count; i++) {
		struct stats_copy *copy = &guest->copies[i];

		(void)end_given_up(guest, copy, reader);
		any |= copy->id.is_vcpu && copy->is_given_up;
		has_vcpu |= copy->id.is_vcpu && !copy->is_given_up;
	}
	if (any && !has_vcpu)
		guest->is_old = false;
}

static int compare_copies(const void *a, const void *b)
{
	const struct stats_copy *left = a, *right = b;

	return (left->guest_fd > right->guest_fd) - (left->guest_fd < right->guest_fd);
}

static struct stats_copy *find_copy(const struct stats_guest *guest, size_t count, int guest_fd)
{
	struct stats_copy key = {.guest_fd = guest_fd};

	return count ? bsearch(&key, guest->copies, count, sizeof(key), compare_copies) : NULL;
}

static bool is_same(struct stats_id a, struct stats_id b)
{
	return a.tid == b.tid && a.is_vcpu == b.is_vcpu && a.vcpu == b.vcpu;
}

/* A new copy of what was given back before goes on counting where that stopped. */
static bool take_over(struct stats_copy *old, struct stats_copy *copy)
{
	if (!old || old->is_given_up || old->layout != copy->layout || !is_same(old->id, copy->id))
		return false;
	old->fd = copy->fd;
	old->is_seen = true;
	copy->fd = -1;
	stats_copy_done(copy);
	return true;
}

static int add_copy(struct stats_guest *guest, struct stats_copy *copy, struct stats_reader *reader)
{
	struct stats_copy *grown = reallocarray(guest->copies, guest->count + 1, sizeof(*grown));

	if (grown)
		guest->copies = grown;
	if (!grown || reader->find_tally(guest, copy, reader->data) < 0) {
		stats_copy_done(copy);
		return -ENOMEM;
	}
	/* What a VM counts it began with, a vCPU may have come later. */
	copy->has_past = guest->is_old && (!guest->is_known || !copy->id.is_vcpu);
	copy->is_seen = true;
	grown[guest->count++] = *copy;
	return 0;
}

/* One look through the descriptors of a guest. */
struct look {
	size_t known;           /* copies that were there before, in order */
	bool has_vcpu_copies;   /* some of these are of vCPUs, and were not given up */
	struct stats_fds later; /* not taken yet */
};

/*
 * Whether a new descriptor is likely to be gone at once. QEMU opens those of the VM, before 8.1
 * those of vCPUs too, only for as long as a query takes, of which libvirt makes one every few
 * seconds on some hosts: their rows would come for a moment with all that was counted so far.
 */
static bool may_be_brief(const struct stats_guest *guest, const struct look *look,
			 const char *target)
{
	return guest->vain_looks > 1 || (look->has_vcpu_copies && stats_link_is_vm(target));
}

static int compare_fds(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static bool is_awaited(const struct stats_guest *guest, int fd)
{
	return guest->awaited.count &&
	       bsearch(&fd, guest->awaited.fds, guest->awaited.count, sizeof(fd), compare_fds);
}

static int take_later(struct stats_fds *later, int fd)
{
	int *grown = reallocarray(later->fds, later->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	later->fds = grown;
	grown[later->count++] = fd;
	return 0;
}

/* Remembers what is to be taken by the next look, which is then soon. */
static void await(struct stats_guest *guest, struct stats_fds *later)
{
	free(guest->awaited.fds);
	guest->awaited = *later;
	if (later->count) {
		qsort(later->fds, later->count, sizeof(*later->fds), compare_fds);
		if (!guest->looks_due)
			guest->looks_due = 1;
	}
	*later = (struct stats_fds){0};
}

/* Takes a descriptor with this link, unless there is a copy. Returns 0 or -errno. */
static int take(struct stats_guest *guest, struct look *look, int guest_fd, const char *target,
		struct stats_reader *reader)
{
	struct stats_copy *old = find_copy(guest, look->known, guest_fd);
	struct stats_copy copy;
	int r;

	if (old && old->fd >= 0) {
		old->is_seen = true;
		return 0;
	}
	if ((!old || old->is_given_up) && may_be_brief(guest, look, target) &&
	    !is_awaited(guest, guest_fd))
		return take_later(&look->later, guest_fd);
	r = stats_copy_take(guest->pidfd, guest_fd, &reader->layouts, &copy);
	if (r <= 0 || take_over(old, &copy))
		return r < 0 ? r : 0;
	return add_copy(guest, &copy, reader);
}

/* Goes through the links. Returns 0 or -errno. */
static int take_all(struct stats_guest *guest, struct look *look, struct stats_reader *reader)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = host_opendir_at(guest->fd_dir, ".", &dir);

	while (r == 0 && host_readdir(dir, &entry) > 0) {
		char target[64];
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		uint64_t fd;

		/* One that was closed meanwhile is nothing; one that may not be looked at is. */
		if (length < 0 && errno == EACCES)
			return -EACCES;
		if (length < 0 || number_parse_u64(entry->d_name, 0, INT32_MAX, &fd) < 0)
			continue;
		target[length] = '\0';
		guest->has_vcpus |= strncmp(target, VCPU_LINK, strlen(VCPU_LINK)) == 0;
		if (stats_link_is(target))
			r = take(guest, look, (int)fd, target, reader);
	}
	return r;
}

/* Ends the copies that were not seen. Returns how many were. */
static size_t end_unseen(struct stats_guest *guest, struct stats_reader *reader)
{
	size_t i, seen = 0;

	for (i = 0; i < guest->count; i++) {
		seen += guest->copies[i].is_seen;
		if (!guest->copies[i].is_seen)
			end_copy(&guest->copies[i], reader);
	}
	return seen;
}

void stats_guest_sweep(struct stats_guest *guest)
{
	size_t i, kept = 0;

	for (i = 0; i < guest->count; i++) {
		if (guest->copies[i].is_seen)
			guest->copies[kept++] = guest->copies[i];
		else
			stats_copy_done(&guest->copies[i]);
	}
	guest->count = kept;
	if (kept)
		qsort(guest->copies, kept, sizeof(*guest->copies), compare_copies);
}

/* Watches the process from before its first descriptor is copied. Returns 0 or -errno. */
static int start_watching(struct stats_guest *guest, struct stats_reader *reader)
{
	char path[32];
	int r = 0;

	if (guest->is_lost)
		return -ESRCH;
	if (guest->pidfd >= 0)
		return 0;
	guest->pidfd = (int)syscall(SYS_pidfd_open, guest->pid, 0);
	if (guest->pidfd < 0) {
		guest->is_ended = errno == ESRCH;
		return -errno;
	}
	/* Should the number be another process' by now, the end of this one will be seen. */
	snprintf(path, sizeof(path), "proc/%d/fd", (int)guest->pid);
	guest->fd_dir = host_open(reader->root, path, O_PATH | O_DIRECTORY);
	if (guest->fd_dir < 0)
		r = guest->fd_dir;
	else
		r = reader->watch(guest->pidfd, reader->data);
	stats_guest_check(guest, reader);
	if (r < 0)
		stop_watching(guest);
	return r;
}

static void begin_look(struct stats_guest *guest, struct look *look)
{
	size_t i;

	look->known = guest->count;
	look->has_vcpu_copies = false;
	look->later.count = 0;
	for (i = 0; i < guest->count; i++) {
		struct stats_copy *copy = &guest->copies[i];

		copy->is_seen = false;
		look->has_vcpu_copies |= copy->id.is_vcpu && !copy->is_given_up;
	}
}

int stats_guest_look(struct stats_guest *guest, struct stats_reader *reader)
{
	struct look look = {0};
	unsigned int tries;
	size_t i, seen = 0;
	int r = start_watching(guest, reader);

	/* Again where only half of it was there: a vCPU comes a moment before its statistics. */
	for (tries = 0; tries < 2 && r == 0; tries++) {
		guest->has_vcpus = false;
		end_all_given_up(guest, reader);
		begin_look(guest, &look);
		r = take_all(guest, &look, reader);
		/* What was not come to may still be there: the next look tells. */
		for (i = 0; i < guest->count && r < 0; i++)
			guest->copies[i].is_seen = !guest->copies[i].is_given_up;
		seen = end_unseen(guest, reader);
		if (seen || !guest->has_vcpus)
			break;
	}
	guest->looks_due -= guest->looks_due > 0;
	guest->looked_ns = clock_now_ns();
	await(guest, &look.later);
	/* A process that has ended has no descriptors, which is no error. */
	stats_guest_check(guest, reader);
	if (guest->is_ended)
		return 0;
	guest->error = r == 0 && guest->has_vcpus && seen == 0 ? -ENODATA : r;
	/* One is no more than a sign that the guest is starting. */
	guest->vain_looks = guest->error == -ENODATA ? guest->vain_looks + 1 : 0;
	guest->is_known |= r == 0;
	if (r < 0) {
		/* Part of a guest would be shown as if it were the whole. */
		stats_guest_give_back(guest, reader);
		guest->looks_due = 0;
		guest->is_old = true;
	}
	return r == -ENOMEM ? r : 0;
}

/* Whether another vCPU was created by the same thread, so that it says nothing. */
static bool is_shared(const struct stats_guest *guest, const struct stats_copy *copy)
{
	size_t i;

	for (i = 0; i < guest->count; i++) {
		const struct stats_copy *other = &guest->copies[i];

		if (other != copy && other->is_seen && other->id.is_vcpu &&
		    other->id.tid == copy->id.tid)
			return true;
	}
	return false;
}

static bool has_thread(const struct host_root *root, pid_t pid, uint64_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "proc/%d/task/%llu", (int)pid, (unsigned long long)tid);
	return tid && host_exists(root, path);
}

/*
 * KVM's debugfs says who runs a vCPU (x86, also in lockdown). Elsewhere it is taken to be the
 * thread that created it, which holds for QEMU; not where that created several, or is the main
 * thread of many: others create all vCPUs first.
 */
static pid_t find_thread(const struct stats_guest *guest, const struct stats_copy *copy,
			 const struct host_root *root, int kvm_fd, const char *vm)
{
	char path[96];
	uint64_t tid;

	snprintf(path, sizeof(path), "%s/vcpu%u/pid", vm ? vm : "", copy->id.vcpu);
	if (vm && kvm_fd >= 0 && host_read_u64_at(kvm_fd, path, &tid) == 0 && tid <= INT32_MAX &&
	    has_thread(root, guest->pid, tid))
		return (pid_t)tid;
	if (is_shared(guest, copy) || !has_thread(root, guest->pid, (uint64_t)copy->id.tid))
		return 0;
	/* The directory's links are those of its threads and two more. */
	if (copy->id.tid == guest->pid && count_threads(root, guest->pid) > 2 + 1)
		return 0;
	return copy->id.tid;
}

void stats_guest_find_threads(struct stats_guest *guest, const struct host_root *root, int kvm_fd,
			      const char *vm)
{
	size_t i;

	for (i = 0; i < guest->count; i++) {
		struct stats_copy *copy = &guest->copies[i];

		/* Once: a row is known again by its thread. */
		if (copy->id.is_vcpu && copy->is_new && !copy->tid)
			copy->tid = find_thread(guest, copy, root, kvm_fd, vm);
	}
}

int stats_guest_count(struct stats_guest *guest, struct stats_reader *reader)
{
	int error = 0;
	size_t i;

	for (i = 0; i < guest->count; i++) {
		struct stats_copy *copy = &guest->copies[i];
		bool counts = copy->fd >= 0 && !copy->is_resting;
		int r = counts ? stats_copy_count(copy, reader->values, reader->include_past) : 0;

		if (r < 0 && error == 0)
			error = r;
	}
	return error;
}
