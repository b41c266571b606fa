/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-stats VMS VCPUS COUNT: makes processes with a VM of so many vCPUs each, which keep their
 * descriptors of statistics, and prints the CPU time of one sample of the whole host in nanoseconds:
 * as kvm_stat takes it, and as a bare loop of reads of copies of the same descriptors. Both are
 * measured in turn, so that a slow moment hits both; the median counts.
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

#define ROUNDS  15
#define VMS_MAX 1000

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
 * In the child: makes the VM, tells by a byte whether that went well, and lives until its parent
 * ends.
 */
static _Noreturn void be_guest(uint64_t vcpus, int ready)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0);
	char error = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint64_t i = 0; !error && i < vcpus; i++) {
		int vcpu = ioctl(vm, KVM_CREATE_VCPU, (unsigned long)i);

		if (vcpu < 0 || ioctl(vcpu, KVM_GET_STATS_FD, 0) < 0)
			error = (char)errno;
	}
	(void)!write(ready, &error, 1);
	for (;;)
		pause();
}

/* Starts a guest, whose process is then *ret_pid. Returns 0 or -errno. */
static int start_guest(uint64_t vcpus, pid_t *ret_pid)
{
	int ends[2];
	char error = EIO;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ret_pid = fork();
	if (*ret_pid == 0)
		be_guest(vcpus, ends[1]);
	close(ends[1]);
	if (*ret_pid > 0 && read(ends[0], &error, 1) != 1)
		error = EIO;
	close(ends[0]);
	return -error;
}

/* Copies of all descriptors, taken by the source's own means. */
struct copies {
	struct stats_reader reader;
	struct stats_guest *guests;
	size_t guest_count;
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

static bool read_bare(const struct stats_guest *guest, uint64_t *values)
{
	for (size_t i = 0; i < guest->count; i++) {
		const struct stats_copy *copy = &guest->copies[i];

		if (pread(copy->fd, values, copy->layout->value_count * sizeof(*values),
			  copy->layout->data_offset) <= 0)
			return false;
	}
	return true;
}

static uint64_t time_bare(struct copies *copies, uint64_t count)
{
	uint64_t begin = cpu_time_ns();

	for (uint64_t i = 0; i < count; i++) {
		for (size_t j = 0; j < copies->guest_count; j++) {
			if (!read_bare(&copies->guests[j], copies->reader.values))
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

static int take_copies(struct copies *copies, const pid_t *pids, uint64_t vms, uint64_t vcpus)
{
	int r = 0;

	copies->reader.values = malloc(STATS_BLOCK_MAX);
	copies->guests = calloc(vms + 1, sizeof(*copies->guests));
	if (!copies->reader.values || !copies->guests)
		return -ENOMEM;
	while (r == 0 && copies->guest_count < vms) {
		struct stats_guest *guest = &copies->guests[copies->guest_count];

		*guest = STATS_GUEST(pids[copies->guest_count++]);
		r = stats_guest_look(guest, &copies->reader);
		if (r == 0 && guest->count != vcpus)
			r = guest->error ? guest->error : -ENODATA;
	}
	return r;
}

static int measure(const struct host_root *root, const pid_t *pids, uint64_t vms, uint64_t vcpus,
		   uint64_t count)
{
	struct copies copies = {
		.reader = {.root = root, .find_tally = keep, .watch = do_not_watch},
	};
	const struct selection selection = {0};
	uint64_t bare[ROUNDS], ours[ROUNDS];
	struct source_error error;
	struct source *source = NULL;
	struct sample sample = {0};
	int r = take_copies(&copies, pids, vms, vcpus);

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
	for (size_t i = 0; i < copies.guest_count; i++)
		stats_guest_done(&copies.guests[i]);
	free(copies.guests);
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

static int run_guests(uint64_t vms, uint64_t vcpus, uint64_t count)
{
	struct host_root root = HOST_ROOT_NONE;
	pid_t pids[VMS_MAX] = {0};
	int r = host_root_open(NULL, &root);

	for (uint64_t i = 0; r == 0 && i < vms; i++)
		r = start_guest(vcpus, &pids[i]);
	if (r == 0)
		r = measure(&root, pids, vms, vcpus, count);
	host_root_close(&root);
	for (uint64_t i = 0; i < vms && pids[i] > 0; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
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
	if (argc != 4 || (!is_own && number_parse_u64(argv[1], 1, VMS_MAX, &vms) < 0) ||
	    number_parse_u64(argv[2], 1, 1024, &vcpus) < 0 ||
	    number_parse_u64(argv[3], 1, 1000000, &count) < 0) {
		message_error("usage: bench-stats VMS|count|bare VCPUS COUNT");
		return 2;
	}
	raise_limit();
	r = is_own ? run_own(adds, vcpus, count) : run_guests(vms, vcpus, count);
	if (r < 0)
		message_error("%s", strerror(-r));
	return r < 0;
}
