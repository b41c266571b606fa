/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting by the BPF program, of guests that make a known number of exits: what happens when there
 * is no room, and when threads, guests and VMs end.
 */
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "kvm_stat/bpf_counter.h"
#include "kvm_stat/session.h"
#include "kvm_stat/tracepoint_event.h"
#include "tests/cli/bpf_guests.h"
#include "tests/cli/private_mounts.h"
#include "tests/guest/sample_vm.h"
#include "tests/unit/capture.h"

#define FIELDS        "kvm_(pio|cpuid|userspace_exit)"
#define SOME_ROWS     64
#define FILES         256          /* as many descriptors are looked at */
#define NO_THREAD     0x40000000   /* above what the kernel gives out */
#define FULL_READ_MAX 20000000000U /* ns of this process's CPU time */
#define EXITS_EVENT   "kvm_userspace_exit"

static struct host_root root;

/* Without slots, and with. */
static const unsigned int few_rows = SOME_ROWS, many_rows = SOME_ROWS * 1024;

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

static uint64_t cpu_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

/* The only one of our maps in the kernel that has this name and type. */
static int kernel_map(const char *name, uint32_t type)
{
	int fd, found = -1;

	for (fd = 3; fd < FILES; fd++) {
		struct bpf_map_info info = {0};
		unsigned int size = sizeof(info);

		if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.type != type ||
		    strcmp(info.name, name) != 0)
			continue;
		assert_int_equal(found, -1);
		found = fd;
	}
	assert_int_not_equal(found, -1);
	return found;
}

/* How many rows of a process are in slots. */
static size_t slot_rows(pid_t process)
{
	int fd = kernel_map("slots", BPF_MAP_TYPE_ARRAY);
	struct count_slot slot;
	size_t count = 0;
	unsigned int i;

	for (i = 0; bpf_map_lookup_elem(fd, &i, &slot) == 0; i++)
		count += slot.state == COUNT_SLOT_TAKEN && (pid_t)slot.key.tgid == process;
	return count;
}

/* How many rows of a process are in the hash table. */
static size_t hash_rows(pid_t process)
{
	struct count_key key, *before = NULL;
	size_t count = 0;
	int fd = kernel_map("rows", BPF_MAP_TYPE_HASH);

	while (bpf_map_get_next_key(fd, before, &key) == 0) {
		count += (pid_t)key.tgid == process;
		before = &key;
	}
	return count;
}

static size_t kernel_rows(pid_t process)
{
	return slot_rows(process) + hash_rows(process);
}

static void test_no_room(void **state)
{
	struct counting counting;
	struct session session = {.root = root, .rates.first = true};
	unsigned int id;
	struct capture capture;
	struct source_health health;
	char *said, *newline, expected[80];

	(void)state;
	start(&counting, 1, (struct selection){.pid = getpid(), .children = true});
	for (id = 0; id < 3; id++)
		bpf_guest_interrupt();
	session.sources[session.source_count++] = counting.source;
	capture = capture_start(STDERR_FILENO);
	/* The first one also takes the row of its thread, so there is room for one more. */
	assert_int_equal(session_sample(&session), 0);
	for (; id < 6; id++)
		bpf_guest_interrupt();
	assert_int_equal(session_sample(&session), 0);
	assert_true(session.rates.partial);
	assert_int_equal(session_sample(&session), 0);
	assert_false(session.rates.partial);
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
	/* How many it was then. */
	snprintf(expected, sizeof(expected), "tracepoints: %d events could not be told apart",
		 2 * RESTARTS);
	assert_non_null(strstr(said, expected));
	free(said);
	rates_done(&session.rates);
	sample_done(&session.sample);
	stop(&counting);
}

/* What could not be told apart was made by any thread: it is not counted for a certain one. */
static void test_no_room_for_one_thread(void **state)
{
	struct counting counting;
	unsigned int i;

	(void)state;
	start(&counting, 1, (struct selection){.pid = getpid(), .tid = gettid(), .children = true});
	for (i = 0; i < 3; i++)
		bpf_guest_interrupt(); /* in threads of their own */
	read_sample(&counting);
	assert_int_equal(value(&counting, EXITS_EVENT, 0), 0);
	assert_int_equal(sum_of_reasons(&counting), 0);
	assert_int_equal(source_health(counting.source).lost, 2 * RESTARTS);
	stop(&counting);
}

/* Puts a row into the slot that its key leads to, if that is free. Returns whether it was. */
static bool fill_slot(int fd, const struct count_key *key, uint64_t count)
{
	unsigned int index = count_slot_of(key);
	struct count_slot slot;

	assert_int_equal(bpf_map_lookup_elem(fd, &index, &slot), 0);
	if (slot.state != COUNT_SLOT_FREE)
		return false;
	slot = (struct count_slot){.state = COUNT_SLOT_TAKEN, .key = *key, .count = count};
	assert_int_equal(bpf_map_update_elem(fd, &index, &slot, BPF_ANY), 0);
	return true;
}

/* A row that is in a slot. */
static struct count_key any_key(void)
{
	int fd = kernel_map("slots", BPF_MAP_TYPE_ARRAY);
	struct count_slot slot = {0};
	unsigned int i;

	for (i = 0; slot.state != COUNT_SLOT_TAKEN; i++)
		assert_int_equal(bpf_map_lookup_elem(fd, &i, &slot), 0);
	return slot.key;
}

static bool any_slot_is_free(int fd)
{
	struct count_slot slot = {.state = COUNT_SLOT_TAKEN};
	unsigned int i;

	for (i = 0; i < COUNT_SLOTS && slot.state != COUNT_SLOT_FREE; i++)
		assert_int_equal(bpf_map_lookup_elem(fd, &i, &slot), 0);
	return slot.state == COUNT_SLOT_FREE;
}

/* Fills all slots that are free with copies of a row, of threads that never were. */
static uint32_t fill_slots(struct count_key *key, uint64_t count)
{
	int fd = kernel_map("slots", BPF_MAP_TYPE_ARRAY);
	uint32_t filled = 0, i;

	while (any_slot_is_free(fd)) {
		for (i = 0; i < COUNT_SLOTS; i++, key->tid++)
			filled += fill_slot(fd, key, count);
	}
	return filled;
}

/* Likewise all rows that are left. */
static uint32_t fill_rows(struct count_key *key, uint64_t count)
{
	int fd = kernel_map("rows", BPF_MAP_TYPE_HASH);
	uint32_t filled = 0;

	for (; bpf_map_update_elem(fd, key, &count, BPF_NOEXIST) == 0; key->tid++)
		filled++;
	assert_int_equal(errno, E2BIG);
	return filled;
}

/* As many rows as are usual, full: nothing gets out of hand, and there is room again after that. */
static void test_all_rows_taken(void **state)
{
	struct counting counting;
	struct bpf_map_info info = {0};
	unsigned int size = sizeof(info);
	uint64_t begin;
	uint32_t filled;
	struct count_key key;
	int fd;

	(void)state;
	start(&counting, SOURCE_BPF_ROWS, (struct selection){.pid = getpid(), .children = true});
	bpf_guest_interrupt();
	key = any_key();
	key.tid = NO_THREAD;
	filled = fill_rows(&key, 3);
	/* Fewer than SOURCE_BPF_ROWS before Linux 6.1. */
	fd = kernel_map("rows", BPF_MAP_TYPE_HASH);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	/* The kernel counts the rows of big maps by CPU, and may be wrong by some. */
	assert_in_range(filled, info.max_entries / 2, info.max_entries);
	filled += fill_slots(&key, 3);
	bpf_guest_interrupt();
	begin = cpu_time();
	read_sample(&counting);
	assert_true(cpu_time() - begin < FULL_READ_MAX);
	assert_int_equal(value(&counting, EXITS_EVENT, 0), 2 * RESTARTS + 3 * (int64_t)filled);
	assert_int_equal(value(&counting, EXITS_EVENT "(restart)", 0),
			 RESTARTS + 3 * (int64_t)filled);
	assert_int_equal(value(&counting, EXITS_EVENT "(other)", 0), RESTARTS);
	assert_int_equal(source_health(counting.source).lost, RESTARTS);
	assert_int_equal(kernel_rows(getpid()), 0);

	bpf_guest_interrupt();
	read_sample(&counting);
	assert_int_equal(value(&counting, EXITS_EVENT "(restart)", 0),
			 2 * RESTARTS + 3 * (int64_t)filled);
	assert_int_equal(source_health(counting.source).lost, RESTARTS);
	stop(&counting);
}

static void test_threads_that_end(void **state)
{
	const unsigned int *rows = *state;
	struct counting counting;
	struct sample_vm *vm = bpf_guest_vm();
	unsigned int id;

	start(&counting, *rows,
	      (struct selection){.by = BY_GUEST, .pid = getpid(), .children = true});
	for (id = 0; id < 4; id++) {
		bpf_guest_work(vm, id);
		/* kvm_pio, kvm_cpuid, and of the exits IO, HLT and MMIO */
		assert_int_equal(kernel_rows(getpid()), 5);
		assert_int_equal(slot_rows(getpid()), *rows == few_rows ? 0 : 5);
		read_sample(&counting);
		assert_work(&counting, getpid(), id + 1);
		assert_int_equal(kernel_rows(getpid()), 0);
	}
	assert_int_equal(sum_of_reasons(&counting), id * EXITS);
	source_reset(counting.source);
	read_sample(&counting);
	assert_work(&counting, getpid(), 0);
	bpf_guest_work(vm, id);
	read_sample(&counting);
	assert_work(&counting, getpid(), 1);
	stop(&counting);
	sample_vm_destroy(vm);
}

/* What finds its slot taken is counted in the hash table, beside what was there before. */
static void test_slots_of_others(void **state)
{
	struct counting counting;
	struct bpf_guest guest = bpf_guest_start();
	struct count_key key;

	(void)state;
	start(&counting, many_rows, (struct selection){.by = BY_GUEST, .children = true});
	bpf_guest_interrupt();
	key = any_key();
	key.tid = NO_THREAD;
	fill_slots(&key, 1);
	bpf_guest_order(&guest, 'w');
	assert_int_equal(slot_rows(guest.pid), 0);
	assert_int_equal(hash_rows(guest.pid), 5);
	read_sample(&counting);
	assert_work(&counting, guest.pid, 1);
	/* The others never were: their slots are free now. */
	assert_int_equal(kernel_rows(guest.pid), 0);
	bpf_guest_order(&guest, 'w');
	assert_int_equal(slot_rows(guest.pid), 5);
	read_sample(&counting);
	assert_work(&counting, guest.pid, 2);
	stop(&counting);
	bpf_guest_end(&guest);
}

/* A thread that runs while its row is read and ends before it is known to be gone loses nothing. */
static void test_ends_amid_reading(void **state)
{
	struct counting counting;
	unsigned int round;

	(void)state;
	for (round = 0; round < 60; round++) {
		struct bpf_guest guest = bpf_guest_start();
		unsigned int i;

		start(&counting, many_rows, (struct selection){.pid = guest.pid, .children = true});
		assert_int_equal(write(guest.to, "i", 1), 1);
		close(guest.to); /* which ends the guest after its work */
		for (i = 0; waitpid(guest.pid, NULL, WNOHANG) == 0; i++) {
			assert_true(i < 1000000);
			read_sample(&counting);
		}
		close(guest.from);
		read_sample(&counting);
		assert_int_equal(value(&counting, EXITS_EVENT "(restart)", 0), RESTARTS);
		assert_int_equal(kernel_rows(guest.pid), 0);
		stop(&counting);
	}
}

static void test_guests_that_end(void **state)
{
	struct counting by_guest, by_field;
	struct bpf_guest guests[2];

	(void)state;
	start(&by_guest, many_rows, (struct selection){.by = BY_GUEST, .children = true});
	guests[0] = bpf_guest_start();
	guests[1] = bpf_guest_start();
	bpf_guest_order(&guests[0], 'w');
	bpf_guest_order(&guests[1], 'w');
	bpf_guest_order(&guests[1], 'w');
	read_sample(&by_guest);
	assert_work(&by_guest, guests[0].pid, 1);
	assert_work(&by_guest, guests[1].pid, 2);
	assert_false(by_guest.sample.partial);
	bpf_guest_end(&guests[0]);
	read_sample(&by_guest);
	assert_int_equal(value(&by_guest, EXITS_EVENT, guests[0].pid), -1);
	assert_true(by_guest.sample.partial);
	read_sample(&by_guest);
	assert_work(&by_guest, guests[1].pid, 2);
	assert_false(by_guest.sample.partial);
	assert_int_equal(kernel_rows(guests[0].pid), 0);
	stop(&by_guest);

	start(&by_field, few_rows, (struct selection){.pid = guests[1].pid, .children = true});
	bpf_guest_order(&guests[1], 'w');
	bpf_guest_end(&guests[1]);
	read_sample(&by_field);
	assert_work(&by_field, 0, 1);
	assert_int_equal(kernel_rows(guests[1].pid), 0);
	stop(&by_field);
}

/* A process may outlive its VM, and make another one: that is another guest. */
static void test_vm_that_ends(void **state)
{
	struct counting counting;
	struct bpf_guest guest = bpf_guest_start();

	(void)state;
	start(&counting, many_rows, (struct selection){.by = BY_GUEST, .children = true});
	bpf_guest_order(&guest, 'w');
	read_sample(&counting);
	assert_work(&counting, guest.pid, 1);
	source_reset(counting.source);
	bpf_guest_order(&guest, 'c');
	read_sample(&counting);
	assert_int_equal(value(&counting, "kvm_pio", guest.pid), -1);
	bpf_guest_order(&guest, 'n');
	bpf_guest_order(&guest, 'w');
	read_sample(&counting);
	assert_work(&counting, guest.pid, 1);
	stop(&counting);
	bpf_guest_end(&guest);
}

/* A recording has what was made outside of guests as well, and what there was no room for. */
static void test_outside_of_guests(void **state)
{
	struct counting counting;
	struct selection selection = {.by = BY_VCPU, .children = true, .last_words = true};
	struct bpf_guest guest = bpf_guest_start();
	unsigned int i;

	(void)state;
	selection.pid = guest.pid;
	start(&counting, many_rows, selection);
	bpf_guest_order(&guest, 'w');
	bpf_guest_order(&guest, 'c');
	/* When it is looked at first, it is no guest. */
	read_sample(&counting);
	assert_work(&counting, 0, 1);
	bpf_guest_order(&guest, 'n');
	bpf_guest_order(&guest, 'w');
	read_sample(&counting);
	assert_work(&counting, 0, 1);
	assert_work(&counting, guest.pid, 1);
	stop(&counting);
	bpf_guest_end(&guest);

	selection.pid = getpid();
	start(&counting, 1, selection);
	for (i = 0; i < 3; i++)
		bpf_guest_interrupt();
	read_sample(&counting);
	assert_int_equal(value(&counting, EXITS_EVENT, 0), 3 * RESTARTS);
	assert_int_equal(sum_of_reasons(&counting), 3 * RESTARTS);
	stop(&counting);
}

/* Without debugfs the kernel's events tell of VMs that come and go. */
static void test_vms_without_debugfs(void **state)
{
	static const char debugfs[] = "/sys/kernel/debug";
	struct counting counting;
	struct bpf_guest guest;

	(void)state;
	assert_int_equal(umount2(debugfs, MNT_DETACH), 0);
	start(&counting, many_rows, (struct selection){.by = BY_GUEST, .children = true});
	read_sample(&counting);
	guest = bpf_guest_start();
	bpf_guest_order(&guest, 'w');
	read_sample(&counting);
	assert_work(&counting, guest.pid, 1);
	bpf_guest_order(&guest, 'c');
	read_sample(&counting);
	assert_int_equal(value(&counting, "kvm_pio", guest.pid), -1);
	stop(&counting);
	bpf_guest_end(&guest);
	assert_int_equal(mount("debugfs", debugfs, "debugfs", 0, NULL), 0);
}

/* How many threads of a guest have a row of all their exits. */
static size_t rows_of(const struct counting *counting, pid_t guest)
{
	size_t i, count = 0;

	for (i = 0; i < counting->sample.count; i++) {
		const struct sample_row *row = &counting->sample.rows[i];

		count += row->guest == guest && strcmp(row->name, EXITS_EVENT) == 0;
	}
	return count;
}

static void test_threads_by_vcpu(void **state)
{
	struct counting counting;
	struct bpf_guest guest = bpf_guest_start();

	(void)state;
	start(&counting, many_rows, (struct selection){.by = BY_VCPU, .children = true});
	bpf_guest_order(&guest, 'w'); /* in a thread that has ended afterwards */
	assert_true(kernel_rows(guest.pid) > 0);
	read_sample(&counting);
	assert_int_equal(rows_of(&counting, guest.pid), 0);
	assert_int_equal(kernel_rows(guest.pid), 0);
	stop(&counting);

	start(&counting, many_rows,
	      (struct selection){.by = BY_VCPU, .children = true, .last_words = true});
	bpf_guest_order(&guest, 'w');
	read_sample(&counting);
	assert_int_equal(rows_of(&counting, guest.pid), 1);
	assert_int_equal(value(&counting, EXITS_EVENT, guest.pid), EXITS);
	assert_int_equal(kernel_rows(guest.pid), 0);
	read_sample(&counting);
	assert_int_equal(rows_of(&counting, guest.pid), 0);
	stop(&counting);
	bpf_guest_end(&guest);
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

/* From each exit to userspace until the next `out` that the guest is at: 5 ms, as it is paced. */
static void test_latencies(void **state)
{
	const unsigned int *rows = *state;
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
	};
	struct bpf_guest_thread thread = {.vm = bpf_guest_vm(), .work = {.io = 40}, .rate = 200};
	struct latencies taken = {0};
	struct count_latency last, *latency = &taken.latency;
	struct bpf_counter *counter;
	uint64_t elapsed, totals[2], in_buckets = 0, count;
	pthread_t handle;
	size_t i;

	assert_int_equal(bpf_counter_open(events, 2, getpid(), *rows, &counter), 0);
	assert_int_equal(pthread_create(&handle, NULL, bpf_guest_run_thread, &thread), 0);
	pthread_join(handle, NULL);
	assert_int_equal(thread.r, 0);
	elapsed = thread.elapsed;
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

/* Of a thread whose slots are another's. */
static void test_latencies_of_others(void **state)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
	};
	struct count_start start = {.owner = NO_THREAD, .key.tgid = (unsigned int)getpid()};
	struct count_key key = {.tgid = (unsigned int)getpid(), .tid = NO_THREAD};
	struct sample_vm *vm = bpf_guest_vm();
	struct latencies taken = {0};
	struct bpf_counter *counter;
	unsigned int i;
	pid_t tid;

	(void)state;
	assert_int_equal(bpf_counter_open(events, 2, getpid(), many_rows, &counter), 0);
	fill_slots(&key, 1);
	for (i = 0; i < COUNT_SLOTS; i++)
		assert_int_equal(bpf_map_update_elem(kernel_map("slot_starts", BPF_MAP_TYPE_ARRAY),
						     &i, &start, BPF_ANY),
				 0);
	tid = bpf_guest_work(vm, 0);
	assert_int_equal(bpf_counter_latencies(counter, take_latency, &taken), 0);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.key.tid, tid);
	assert_int_equal(taken.latency.count, IO - 1);
	assert_int_equal(bpf_counter_loss(counter).untimed, 0);
	bpf_counter_close(counter);
	sample_vm_destroy(vm);
}

static int add_count(const struct count_key *key, uint64_t count, void *data)
{
	uint64_t *sum = data;

	if ((pid_t)key->tid == gettid())
		*sum += count;
	return 0;
}

/* A row stays in the hash table when its slot gets free. */
static void test_slots_that_get_free(void **state)
{
	struct bpf_counter_event event = {.tracepoint = tracepoint_id(EXITS_EVENT),
					  .how = {.by_thread = 1}};
	struct bpf_guest_thread first = {.vm = bpf_guest_vm(), .work = {.io = IO}};
	struct bpf_guest_thread second = {.vm = first.vm, .id = 1, .work = {.io = IO}};
	struct count_key key = {.tgid = (unsigned int)getpid(), .tid = NO_THREAD};
	struct count_slot slot = {.state = COUNT_SLOT_FREE};
	struct bpf_counter *counter;
	uint64_t sum = 0;
	unsigned int i;

	(void)state;
	assert_int_equal(bpf_counter_open(&event, 1, getpid(), many_rows, &counter), 0);
	fill_slots(&key, 1);
	bpf_guest_run_thread(&first);
	for (i = 0; i < COUNT_SLOTS; i++)
		assert_int_equal(bpf_map_update_elem(kernel_map("slots", BPF_MAP_TYPE_ARRAY), &i,
						     &slot, BPF_ANY),
				 0);
	bpf_guest_run_thread(&second);
	assert_int_equal(first.r + second.r, 0);
	assert_int_equal(hash_rows(getpid()), 1);
	assert_int_equal(slot_rows(getpid()), 0);
	assert_int_equal(bpf_counter_rows(counter, add_count, &sum), 0);
	assert_int_equal(sum, 2 * (IO + 1));
	bpf_counter_close(counter);
	sample_vm_destroy(first.vm);
}

/* What has no room is lost once: a user is told of no more events than there were. */
static void test_no_room_for_latencies(void **state)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
	};
	struct sample_vm *vm = bpf_guest_vm();
	struct latencies taken = {0};
	struct bpf_counter_loss loss;
	struct bpf_counter *counter;
	pid_t first;

	(void)state;
	assert_int_equal(bpf_counter_open(events, 2, getpid(), 1, &counter), 0);
	first = bpf_guest_work(vm, 0);
	bpf_guest_work(vm, 1);
	loss = bpf_counter_loss(counter);
	assert_int_equal(loss.dropped, EXITS);
	assert_int_equal(loss.untimed, 0);
	assert_int_equal(bpf_counter_latencies(counter, take_latency, &taken), 0);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.key.tid, first);
	bpf_counter_close(counter);
	sample_vm_destroy(vm);
}

/* How many maps of the kernel's are in our memory. */
static unsigned int mapped_slots(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned int count = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "rw-s") && strstr(line, "bpf-map");
	fclose(maps);
	return count;
}

/* What is opened half is closed again, and the next one works. */
static void test_refused_half_way(void **state)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
		{.tracepoint = UINT32_MAX},
	};
	struct bpf_counter *counter = NULL;
	int before = dup(0), after;

	(void)state;
	assert_int_equal(bpf_counter_open(events, 3, 0, many_rows, &counter), -EINVAL);
	assert_null(counter);
	after = dup(0);
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
	assert_int_equal(mapped_slots(), 0);
	assert_int_equal(bpf_counter_open(events, 2, 0, many_rows, &counter), 0);
	assert_int_equal(mapped_slots(), 3 + 1); /* and the program's own variables */
	bpf_counter_close(counter);
	assert_int_equal(mapped_slots(), 0);
	assert_int_equal(bpf_counter_open(events, COUNT_EVENTS_MAX + 1, 0, many_rows, &counter),
			 -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_no_room_for_one_thread),
		cmocka_unit_test(test_all_rows_taken),
		cmocka_unit_test_prestate(test_threads_that_end, (void *)&few_rows),
		cmocka_unit_test_prestate(test_threads_that_end, (void *)&many_rows),
		cmocka_unit_test(test_slots_of_others),
		cmocka_unit_test(test_ends_amid_reading),
		cmocka_unit_test(test_guests_that_end),
		cmocka_unit_test(test_vm_that_ends),
		cmocka_unit_test(test_outside_of_guests),
		cmocka_unit_test(test_vms_without_debugfs),
		cmocka_unit_test(test_threads_by_vcpu),
		cmocka_unit_test_prestate(test_latencies, (void *)&few_rows),
		cmocka_unit_test_prestate(test_latencies, (void *)&many_rows),
		cmocka_unit_test(test_latencies_of_others),
		cmocka_unit_test(test_slots_that_get_free),
		cmocka_unit_test(test_no_room_for_latencies),
		cmocka_unit_test(test_refused_half_way),
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
