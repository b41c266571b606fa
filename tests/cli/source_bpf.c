/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting by the BPF program, of guests that make a known number of exits: what happens when there
 * is no room, and when threads, guests and VMs end.
 */
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "kvm_stat/bpf_counter.h"
#include "kvm_stat/session.h"
#include "kvm_stat/tracepoint_event.h"
#include "tests/cli/private_mounts.h"
#include "tests/guest/sample_vm.h"
#include "tests/unit/capture.h"

#define IO          500
#define CPUIDS      100
#define HALTS       30
#define RESTARTS    50
#define EXITS       (IO + HALTS + 1) /* to userspace; the last one ends the work */
#define FIELDS      "kvm_(pio|cpuid|userspace_exit)"
#define SOME_ROWS   64
#define FILES       256 /* as many descriptors are looked at */
#define EXITS_EVENT "kvm_userspace_exit"

static struct host_root root;

/* Guests */

struct thread {
	struct sample_vm *vm;
	struct sample_work work;
	unsigned int id;
	uint64_t rate;
	pid_t tid;
	int r;
};

static void *run_thread(void *data)
{
	static const bool never;
	struct thread *thread = data;
	struct sample_vcpu *vcpu = NULL;
	struct sample_work seen = {0};

	thread->tid = gettid();
	thread->r = sample_vcpu_create(thread->vm, thread->id, &vcpu);
	if (thread->r == 0)
		thread->r = sample_vcpu_run(vcpu, &thread->work, 1, thread->rate, &never, &seen);
	sample_vcpu_destroy(vcpu);
	if (thread->r == 0 && memcmp(&seen, &thread->work, sizeof(seen)) != 0)
		thread->r = -EPROTO;
	return NULL;
}

/* Does the work in a thread of its own, which ends. Returns its number. */
static pid_t work(struct sample_vm *vm, unsigned int id)
{
	struct thread thread = {.vm = vm, .id = id, .work = {IO, CPUIDS, HALTS}};
	pthread_t handle;

	if (pthread_create(&handle, NULL, run_thread, &thread) != 0)
		abort();
	pthread_join(handle, NULL);
	if (thread.r < 0) {
		fprintf(stderr, "cannot run a guest: %s\n", strerror(-thread.r));
		abort();
	}
	return thread.tid;
}

/* Runs a vCPU that comes back at once, with EINTR: a "restart", which has a row for each thread. */
static void *run_interrupted(void *data)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	int vcpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0);
	struct kvm_run *run;
	unsigned int i;

	run = vcpu < 0 ? MAP_FAILED
		       : mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		abort();
	run->immediate_exit = 1;
	for (i = 0; i < RESTARTS; i++) {
		if (ioctl(vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
			abort();
	}
	munmap(run, sizeof(*run));
	close(vcpu);
	close(vm);
	close(kvm);
	return data;
}

static void interrupt_vcpu(void)
{
	pthread_t handle;

	if (pthread_create(&handle, NULL, run_interrupted, NULL) != 0)
		abort();
	pthread_join(handle, NULL);
}

static struct sample_vm *create_vm(void)
{
	struct sample_vm *vm;

	if (sample_vm_create(false, &vm) < 0)
		abort();
	return vm;
}

/* A process that makes a VM and does what it is told by single letters. */
struct vm_process {
	pid_t pid;
	int to, from;
};

static _Noreturn void be_guest(int in, int out)
{
	struct sample_vm *vm = create_vm();
	unsigned int id = 0;
	char order;

	while (write(out, "", 1) == 1 && read(in, &order, 1) == 1) {
		if (order == 'w')
			work(vm, id++);
		if (order == 'i')
			interrupt_vcpu();
		if (order == 'c') {
			sample_vm_destroy(vm);
			vm = NULL;
		}
		if (order == 'n') {
			vm = create_vm();
			id = 0;
		}
	}
	_exit(0);
}

/* Gives an order and waits until it is carried out; 0: for the guest to be there. */
static void order(const struct vm_process *guest, char letter)
{
	char done;

	assert_true(letter == 0 || write(guest->to, &letter, 1) == 1);
	assert_int_equal(read(guest->from, &done, 1), 1);
}

static struct vm_process start_guest(void)
{
	int to[2] = {-1, -1}, from[2] = {-1, -1};
	struct vm_process guest;

	assert_true(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
	guest = (struct vm_process){.pid = fork(), .to = to[1], .from = from[0]};
	assert_true(guest.pid >= 0);
	if (guest.pid == 0) {
		close(to[1]);
		be_guest(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	order(&guest, 0);
	return guest;
}

static void end_guest(const struct vm_process *guest)
{
	close(guest->to);
	close(guest->from);
	kill(guest->pid, SIGKILL);
	assert_int_equal(waitpid(guest->pid, NULL, 0), guest->pid);
}

/* Counting */

struct counting {
	struct source *source;
	struct field_filter *filter;
	struct sample sample;
};

static void start(struct counting *counting, unsigned int rows, struct selection selection)
{
	struct source_error error;
	char *why = NULL;

	*counting = (struct counting){0};
	assert_int_equal(field_filter_compile(FIELDS, &counting->filter, &why), 0);
	selection.filter = counting->filter;
	assert_int_equal(source_bpf_open(&root, rows, &counting->source, &error), 0);
	assert_int_equal(source_select(counting->source, &selection, &error), 0);
}

static void stop(struct counting *counting)
{
	source_close(counting->source);
	field_filter_free(counting->filter);
	sample_done(&counting->sample);
}

static void read_sample(struct counting *counting)
{
	sample_clear(&counting->sample);
	assert_int_equal(source_read(counting->source, &counting->sample), 0);
	sample_sort(&counting->sample);
}

/* The value of a row, or -1 when there is none. */
static int64_t value(const struct counting *counting, const char *name, pid_t guest)
{
	size_t i;

	for (i = 0; i < counting->sample.count; i++) {
		const struct sample_row *row = &counting->sample.rows[i];

		if (strcmp(row->name, name) == 0 && row->guest == guest)
			return (int64_t)row->value;
	}
	return -1;
}

static uint64_t sum_of_reasons(const struct counting *counting)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < counting->sample.count; i++) {
		const struct sample_row *row = &counting->sample.rows[i];

		if (row->parent && strcmp(row->parent, EXITS_EVENT) == 0)
			sum += row->value;
	}
	return sum;
}

static void assert_work(const struct counting *counting, pid_t guest, int64_t times)
{
	assert_int_equal(value(counting, "kvm_pio", guest), times * IO);
	assert_int_equal(value(counting, "kvm_cpuid", guest), times * CPUIDS);
	assert_int_equal(value(counting, EXITS_EVENT "(IO)", guest), times * IO);
	assert_int_equal(value(counting, EXITS_EVENT "(HLT)", guest), times * HALTS);
	assert_int_equal(value(counting, EXITS_EVENT, guest), times * EXITS);
}

/* How many rows of a process one of our maps in the kernel has. */
static size_t kernel_rows(const char *map, pid_t process)
{
	size_t count = 0, maps = 0;
	int fd;

	for (fd = 3; fd < FILES; fd++) {
		struct bpf_map_info info = {0};
		unsigned int size = sizeof(info);
		struct count_key key, *before = NULL;

		if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
		    info.type != BPF_MAP_TYPE_HASH || strcmp(info.name, map) != 0)
			continue;
		maps++;
		while (bpf_map_get_next_key(fd, before, &key) == 0) {
			count += (pid_t)key.tgid == process;
			before = &key;
		}
	}
	assert_int_equal(maps, 1);
	return count;
}

static void test_no_room(void **state)
{
	struct counting counting;
	struct session session = {.root = root, .rates.first = true};
	unsigned int id;
	struct capture capture;
	struct source_health health;
	char *said, *newline;

	(void)state;
	start(&counting, 1, (struct selection){.pid = getpid(), .children = true});
	for (id = 0; id < 3; id++)
		interrupt_vcpu();
	session.sources[session.source_count++] = counting.source;
	capture = capture_start(STDERR_FILENO);
	/* The first one also takes the row of its thread, so there is room for one more. */
	assert_int_equal(session_sample(&session), 0);
	for (; id < 6; id++)
		interrupt_vcpu();
	assert_int_equal(session_sample(&session), 0);
	assert_int_equal(session_sample(&session), 0);
	said = capture_end(&capture);
	read_sample(&counting);
	health = source_health(counting.source);

	assert_int_equal(value(&counting, EXITS_EVENT, 0), 6 * RESTARTS);
	assert_int_equal(value(&counting, EXITS_EVENT "(restart)", 0), 2 * RESTARTS);
	assert_int_equal(value(&counting, EXITS_EVENT "(other)", 0), 4 * RESTARTS);
	assert_int_equal(sum_of_reasons(&counting), 6 * RESTARTS);
	assert_int_equal(health.lost, 4 * RESTARTS);

	newline = strchr(said, '\n');
	assert_non_null(newline);
	assert_string_equal(newline, "\n");
	assert_non_null(strstr(said, "could not be told apart"));
	free(said);
	rates_done(&session.rates);
	sample_done(&session.sample);
	stop(&counting);
}

static void test_threads_that_end(void **state)
{
	struct counting counting;
	struct sample_vm *vm = create_vm();
	unsigned int id;

	(void)state;
	start(&counting, SOME_ROWS,
	      (struct selection){.by = BY_GUEST, .pid = getpid(), .children = true});
	for (id = 0; id < 4; id++) {
		work(vm, id);
		/* kvm_pio, kvm_cpuid, and of the exits IO, HLT and MMIO */
		assert_int_equal(kernel_rows("rows", getpid()), 5);
		read_sample(&counting);
		assert_work(&counting, getpid(), id + 1);
		assert_int_equal(kernel_rows("rows", getpid()), 0);
	}
	assert_int_equal(sum_of_reasons(&counting), id * EXITS);
	source_reset(counting.source);
	read_sample(&counting);
	assert_work(&counting, getpid(), 0);
	work(vm, id);
	read_sample(&counting);
	assert_work(&counting, getpid(), 1);
	stop(&counting);
	sample_vm_destroy(vm);
}

/* A thread that runs while its row is read and ends before it is known to be gone loses nothing. */
static void test_ends_amid_reading(void **state)
{
	struct counting counting;
	unsigned int round;

	(void)state;
	start(&counting, SOME_ROWS * 1024, (struct selection){.children = true});
	for (round = 0; round < 60; round++) {
		struct vm_process guest = start_guest();
		int64_t before = 0, seen;
		unsigned int i;

		if (round == 0)
			read_sample(&counting);
		before = value(&counting, EXITS_EVENT "(restart)", 0);
		assert_int_equal(write(guest.to, "i", 1), 1);
		close(guest.to); /* which ends the guest after its work */
		for (i = 0; waitpid(guest.pid, NULL, WNOHANG) == 0; i++) {
			assert_true(i < 1000000);
			read_sample(&counting);
		}
		close(guest.from);
		read_sample(&counting);
		seen = value(&counting, EXITS_EVENT "(restart)", 0) - before;
		/* Other guests of this host may be interrupted as well. */
		assert_true(seen >= RESTARTS);
		assert_int_equal(kernel_rows("rows", guest.pid), 0);
	}
	stop(&counting);
}

static void test_guests_that_end(void **state)
{
	struct counting by_guest, by_field;
	struct vm_process guests[2];

	(void)state;
	start(&by_guest, SOME_ROWS * 1024, (struct selection){.by = BY_GUEST, .children = true});
	guests[0] = start_guest();
	guests[1] = start_guest();
	order(&guests[0], 'w');
	order(&guests[1], 'w');
	order(&guests[1], 'w');
	read_sample(&by_guest);
	assert_work(&by_guest, guests[0].pid, 1);
	assert_work(&by_guest, guests[1].pid, 2);
	end_guest(&guests[0]);
	read_sample(&by_guest);
	assert_int_equal(value(&by_guest, EXITS_EVENT, guests[0].pid), -1);
	assert_work(&by_guest, guests[1].pid, 2);
	assert_int_equal(kernel_rows("rows", guests[0].pid), 0);
	stop(&by_guest);

	start(&by_field, SOME_ROWS, (struct selection){.pid = guests[1].pid, .children = true});
	order(&guests[1], 'w');
	end_guest(&guests[1]);
	read_sample(&by_field);
	assert_work(&by_field, 0, 1);
	assert_int_equal(kernel_rows("rows", guests[1].pid), 0);
	stop(&by_field);
}

/* A process may outlive its VM, and make another one: that is another guest. */
static void test_vm_that_ends(void **state)
{
	struct counting counting;
	struct vm_process guest = start_guest();

	(void)state;
	start(&counting, SOME_ROWS * 1024, (struct selection){.by = BY_GUEST, .children = true});
	order(&guest, 'w');
	read_sample(&counting);
	assert_work(&counting, guest.pid, 1);
	source_reset(counting.source);
	order(&guest, 'c');
	read_sample(&counting);
	assert_int_equal(value(&counting, "kvm_pio", guest.pid), -1);
	order(&guest, 'n');
	order(&guest, 'w');
	read_sample(&counting);
	assert_work(&counting, guest.pid, 1);
	stop(&counting);
	end_guest(&guest);
}

/* Without debugfs the kernel's events tell of VMs that come and go. */
static void test_vms_without_debugfs(void **state)
{
	static const char debugfs[] = "/sys/kernel/debug";
	struct counting counting;
	struct vm_process guest;

	(void)state;
	assert_int_equal(umount2(debugfs, MNT_DETACH), 0);
	start(&counting, SOME_ROWS * 1024, (struct selection){.by = BY_GUEST, .children = true});
	read_sample(&counting);
	guest = start_guest();
	order(&guest, 'w');
	read_sample(&counting);
	assert_work(&counting, guest.pid, 1);
	order(&guest, 'c');
	read_sample(&counting);
	assert_int_equal(value(&counting, "kvm_pio", guest.pid), -1);
	stop(&counting);
	end_guest(&guest);
	assert_int_equal(mount("debugfs", debugfs, "debugfs", 0, NULL), 0);
}

static void test_threads_by_vcpu(void **state)
{
	struct counting counting;
	struct vm_process guest = start_guest();
	size_t i, threads = 0;

	(void)state;
	start(&counting, SOME_ROWS * 1024, (struct selection){.by = BY_VCPU, .children = true});
	order(&guest, 'w');
	read_sample(&counting); /* the thread has ended: no row of it is left */
	for (i = 0; i < counting.sample.count; i++) {
		const struct sample_row *row = &counting.sample.rows[i];

		threads += row->guest == guest.pid && strcmp(row->name, EXITS_EVENT) == 0;
	}
	assert_int_equal(threads, 0);
	assert_int_equal(kernel_rows("rows", guest.pid), 0);
	stop(&counting);
	end_guest(&guest);
}

/* Latencies */

static uint64_t tracepoint_id(const char *name)
{
	struct tracepoint_events events;
	uint64_t id = 0;
	bool found;
	size_t i;

	assert_int_equal(tracepoint_events_open(&root, &events, &found), 0);
	for (i = 0; i < events.count; i++) {
		if (strcmp(events.list[i].name, name) == 0)
			assert_int_equal(tracepoint_event_id(&events, &events.list[i], &id), 0);
	}
	tracepoint_events_done(&events);
	assert_int_not_equal(id, 0);
	return id;
}

struct latencies {
	struct count_key key;
	struct count_latency latency;
	size_t count;
};

static int take_latency(const struct count_key *key, const struct count_latency *latency,
			void *data)
{
	struct latencies *latencies = data;

	latencies->key = *key;
	latencies->latency = *latency;
	latencies->count++;
	return 0;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

/* From each exit to userspace until the next `out` that the guest is at: 5 ms, as it is paced. */
static void test_latencies(void **state)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
	};
	struct thread thread = {.vm = create_vm(), .work = {.io = 40}, .rate = 200};
	struct latencies taken = {0};
	struct count_latency last, *latency = &taken.latency;
	struct bpf_counter *counter;
	uint64_t start, elapsed, totals[2], in_buckets = 0, count;
	pthread_t handle;
	size_t i;

	(void)state;
	assert_int_equal(bpf_counter_open(events, 2, getpid(), SOME_ROWS, &counter), 0);
	start = now();
	assert_int_equal(pthread_create(&handle, NULL, run_thread, &thread), 0);
	pthread_join(handle, NULL);
	elapsed = now() - start;
	assert_int_equal(thread.r, 0);
	assert_int_equal(bpf_counter_totals(counter, totals), 0);
	assert_int_equal(totals[1], 40);
	assert_int_equal(bpf_counter_latencies(counter, take_latency, &taken), 0);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.key.tid, thread.tid);

	assert_int_equal(latency->count, 39);
	assert_true(latency->sum <= elapsed);
	/* What is not in between: the run to each `out` and from there to userspace. */
	assert_true(latency->sum >= elapsed / 2);
	assert_true(latency->min <= latency->sum / 39 && latency->max >= latency->sum / 39);
	assert_true(latency->max <= elapsed);
	for (i = 0; i < COUNT_BUCKETS; i++) {
		in_buckets += latency->buckets[i];
		if (latency->buckets[i]) {
			assert_true(latency->max >= (i ? UINT64_C(1) << (i - 1) : 0));
			assert_true(latency->min < UINT64_C(1) << i);
		}
	}
	assert_int_equal(in_buckets, 39);
	/* Whatever the numbers are: sum * sum / count <= squares <= sum * max. */
	assert_int_equal(latency->squares_high, 0);
	assert_true((double)latency->squares_low * 1.000001 >=
		    (double)latency->sum * (double)latency->sum / 39);
	assert_true((double)latency->squares_low <=
		    (double)latency->sum * (double)latency->max * 1.000001);

	/* It can be taken once. */
	assert_int_equal(bpf_counter_take(counter, &taken.key, &count, &last), 0);
	assert_int_equal(count, 41);
	assert_memory_equal(&last, latency, sizeof(last));
	assert_int_equal(bpf_counter_take(counter, &taken.key, &count, &last), 0);
	assert_int_equal(count + last.count, 0);
	bpf_counter_close(counter);
	sample_vm_destroy(thread.vm);
}

/* What is opened half is closed again, and the next one works. */
static void test_refused_half_way(void **state)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how.by_thread = 1},
		{.tracepoint = tracepoint_id("kvm_pio")},
		{.tracepoint = UINT32_MAX},
	};
	struct bpf_counter *counter = NULL;
	int before = dup(0), after;

	(void)state;
	assert_int_equal(bpf_counter_open(events, 3, 0, SOME_ROWS, &counter), -EINVAL);
	assert_null(counter);
	after = dup(0);
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
	assert_int_equal(bpf_counter_open(events, 2, 0, SOME_ROWS, &counter), 0);
	bpf_counter_close(counter);
	assert_int_equal(bpf_counter_open(events, COUNT_EVENTS_MAX + 1, 0, SOME_ROWS, &counter),
			 -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_threads_that_end),
		cmocka_unit_test(test_ends_amid_reading),
		cmocka_unit_test(test_guests_that_end),
		cmocka_unit_test(test_vm_that_ends),
		cmocka_unit_test(test_threads_by_vcpu),
		cmocka_unit_test(test_latencies),
		cmocka_unit_test(test_refused_half_way),
		cmocka_unit_test(test_vms_without_debugfs),
	};
	struct sample_vm *vm;
	int r;

	need_host_pids();
	enter_private_mounts();
	r = sample_vm_create(false, &vm);
	if (r < 0)
		skip_test("no-kvm", strerror(-r));
	sample_vm_destroy(vm);
	if (host_root_open(NULL, &root) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	host_root_close(&root);
	return r;
}
