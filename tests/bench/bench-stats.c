/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-stats VMS VCPUS COUNT: makes VMs with so many vCPUs each in another process, which keeps
 * their descriptors of statistics, and prints the CPU time of one sample of all of them in
 * nanoseconds: as kvm_stat takes it, and as a bare loop of reads of copies of the same descriptors.
 * Both are measured in turn, so that a slow moment hits both; the median counts.
 *
 * bench-stats count|bare VCPUS COUNT: does nothing but to read the descriptors of a VM of its own
 * COUNT times, with and without adding up what they say, for callgrind, which does not know
 * pidfd_getfd(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "host/message.h"
#include "host/number.h"
#include "kvm_stat/source.h"
#include "kvm_stat/stats_guest.h"

#define ROUNDS 15

static uint64_t cpu_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * In the child: makes the VMs, tells by a byte whether that went well, and lives until its parent
 * ends.
 */
static _Noreturn void be_guest(uint64_t vms, uint64_t vcpus, int ready)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	char error = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint64_t i = 0; !error && i < vms; i++) {
		int vm = ioctl(kvm, KVM_CREATE_VM, 0);

		for (uint64_t j = 0; !error && j < vcpus; j++) {
			int vcpu = ioctl(vm, KVM_CREATE_VCPU, (unsigned long)j);

			if (vcpu < 0 || ioctl(vcpu, KVM_GET_STATS_FD, 0) < 0)
				error = (char)errno;
		}
	}
	(void)!write(ready, &error, 1);
	for (;;)
		pause();
}

static pid_t start_guest(uint64_t vms, uint64_t vcpus)
{
	int ends[2];
	char error = EIO;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		be_guest(vms, vcpus, ends[1]);
	close(ends[1]);
	if (pid > 0 && read(ends[0], &error, 1) != 1)
		error = EIO;
	close(ends[0]);
	return error ? -error : pid;
}

/* Copies of all descriptors, taken by the source's own means. */
struct copies {
	struct stats_reader reader;
	struct stats_guest guest;
};

static int keep(struct stats_guest *guest, struct stats_copy *copy, void *data)
{
	(void)guest, (void)copy, (void)data;
	return 0;
}

static int do_not_watch(int pidfd, void *data)
{
	(void)pidfd, (void)data;
	return 0;
}

static uint64_t time_bare(struct copies *copies, uint64_t count)
{
	uint64_t begin = cpu_time_ns();

	for (uint64_t i = 0; i < count; i++) {
		for (size_t j = 0; j < copies->guest.count; j++) {
			const struct stats_copy *copy = &copies->guest.copies[j];

			if (pread(copy->fd, copies->reader.values,
				  copy->layout->value_count * sizeof(uint64_t),
				  copy->layout->data_offset) <= 0)
				return 0;
		}
	}
	return count ? (cpu_time_ns() - begin) / count : 0;
}

static uint64_t time_source(struct source *source, struct sample *sample, uint64_t count)
{
	uint64_t begin = cpu_time_ns();

	for (uint64_t i = 0; i < count; i++) {
		sample_clear(sample);
		if (source_read(source, sample) < 0)
			return 0;
		sample_sort(sample);
	}
	return count ? (cpu_time_ns() - begin) / count : 0;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static int measure(const struct host_root *root, pid_t pid, uint64_t wanted, uint64_t count)
{
	struct copies copies = {
		.reader = {.root = root, .find_tally = keep, .watch = do_not_watch},
		.guest = STATS_GUEST(pid),
	};
	const struct selection selection = {.pid = pid};
	uint64_t bare[ROUNDS], ours[ROUNDS];
	struct source_error error;
	struct source *source = NULL;
	struct sample sample = {0};
	int r;

	copies.reader.values = malloc(STATS_BLOCK_MAX);
	r = copies.reader.values ? stats_guest_look(&copies.guest, &copies.reader) : -ENOMEM;
	if (r == 0 && copies.guest.count != wanted)
		r = copies.guest.error ? copies.guest.error : -ENODATA;
	if (r == 0)
		r = source_stats_open(root, false, false, &source, &error);
	if (r == 0)
		r = source_select(source, &selection, &error);
	if (r == 0) {
		time_source(source, &sample, 1);
		for (size_t i = 0; i < ROUNDS; i++) {
			bare[i] = time_bare(&copies, count);
			ours[i] = time_source(source, &sample, count);
		}
		qsort(bare, ROUNDS, sizeof(*bare), compare);
		qsort(ours, ROUNDS, sizeof(*ours), compare);
		printf("%lu %lu\n", (unsigned long)ours[ROUNDS / 2],
		       (unsigned long)bare[ROUNDS / 2]);
	}
	source_close(source);
	sample_done(&sample);
	stats_guest_done(&copies.guest);
	stats_layouts_done(&copies.reader.layouts);
	free(copies.reader.values);
	return r;
}

/* Reads, and with `adds` adds up, as the source does for each of its copies. */
static int run_own(bool adds, uint64_t vcpus, uint64_t count)
{
	struct stats_layouts layouts = {0};
	struct stats_copy *copies = calloc(vcpus, sizeof(*copies));
	uint64_t *values = malloc(STATS_BLOCK_MAX);
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0);
	uint64_t i, made;
	int r = copies && values ? 1 : -ENOMEM;

	for (made = 0; r > 0 && made < vcpus; made++) {
		int vcpu = ioctl(vm, KVM_CREATE_VCPU, (unsigned long)made);
		int fd = ioctl(vcpu, KVM_GET_STATS_FD, 0);

		r = fd < 0 ? -errno : stats_copy_open(fd, &layouts, &copies[made]);
		if (r > 0)
			copies[made].tally = stats_tally_new(copies[made].layout);
		copies[made].owns_tally = true;
	}
	for (i = 0; r > 0 && layouts.list && i < count * vcpus; i++) {
		struct stats_copy *copy = &copies[i % vcpus];
		size_t size = layouts.list[0]->value_count * sizeof(*values);

		if (adds)
			r = stats_copy_count(copy, values, false) < 0 ? -EIO : 1;
		else if (pread(copy->fd, values, size, copy->layout->data_offset) < 0)
			r = -errno;
	}
	for (i = 0; i < made; i++)
		stats_copy_done(&copies[i]);
	stats_layouts_done(&layouts);
	free(copies);
	free(values);
	close(vm);
	close(kvm);
	return r < 0 ? r : 0;
}

static int run_guest(uint64_t vms, uint64_t vcpus, uint64_t count)
{
	struct host_root root = HOST_ROOT_NONE;
	pid_t pid = start_guest(vms, vcpus);
	int r = pid < 0 ? (int)pid : host_root_open(NULL, &root);

	if (r == 0)
		r = measure(&root, pid, vms * vcpus, count);
	host_root_close(&root);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return r;
}

int main(int argc, char *argv[])
{
	bool adds = argc > 1 && strcmp(argv[1], "count") == 0;
	bool is_own = adds || (argc > 1 && strcmp(argv[1], "bare") == 0);
	uint64_t vms = 0, vcpus, count;
	int r;

	message_set_program(argv[0], "bench-stats");
	if (argc != 4 || (!is_own && number_parse_u64(argv[1], 1, 1000, &vms) < 0) ||
	    number_parse_u64(argv[2], 1, 1024, &vcpus) < 0 ||
	    number_parse_u64(argv[3], 1, 1000000, &count) < 0) {
		message_error("usage: bench-stats VMS|count|bare VCPUS COUNT");
		return 2;
	}
	raise_limit();
	r = is_own ? run_own(adds, vcpus, count) : run_guest(vms, vcpus, count);
	if (r < 0)
		message_error("%s", strerror(-r));
	return r < 0;
}
