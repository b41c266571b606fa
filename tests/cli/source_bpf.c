/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting by the BPF program, of guests that make a known number of exits: what happens when there
 * is no room, and when threads, guests and VMs end.
 */
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "kvm_stat/session.h"
#include "tests/cli/bpf_guests.h"
#include "tests/cli/bpf_tables.h"
#include "tests/cli/private_mounts.h"
#include "tests/guest/sample_vm.h"
#include "tests/unit/capture.h"

#define FIELDS        "kvm_(pio|cpuid|userspace_exit)"
#define FULL_READ_MAX 20000000000U /* ns of this process's CPU time */
#define EXITS_EVENT   "kvm_userspace_exit"

static struct host_root root;

/* Without slots, and with. */
static const unsigned int few_rows = BPF_FEW_ROWS, many_rows = BPF_MANY_ROWS;

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
	key = bpf_any_key();
	key.tid = BPF_NO_THREAD;
	filled = bpf_fill_rows(&key, 3);
	/* Fewer than SOURCE_BPF_ROWS before Linux 6.1. */
	fd = bpf_table("rows", BPF_MAP_TYPE_HASH);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	/* The kernel counts the rows of big maps by CPU, and may be wrong by some. */
	assert_in_range(filled, info.max_entries / 2, info.max_entries);
	filled += bpf_fill_slots(&key, 3);
	bpf_guest_interrupt();
	begin = cpu_time();
	read_sample(&counting);
	assert_true(cpu_time() - begin < FULL_READ_MAX);
	assert_int_equal(value(&counting, EXITS_EVENT, 0), 2 * RESTARTS + 3 * (int64_t)filled);
	assert_int_equal(value(&counting, EXITS_EVENT "(restart)", 0),
			 RESTARTS + 3 * (int64_t)filled);
	assert_int_equal(value(&counting, EXITS_EVENT "(other)", 0), RESTARTS);
	assert_int_equal(source_health(counting.source).lost, RESTARTS);
	assert_int_equal(bpf_rows(getpid()), 0);

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
		assert_int_equal(bpf_rows(getpid()), 5);
		assert_int_equal(bpf_slot_rows(getpid()), *rows == BPF_FEW_ROWS ? 0 : 5);
		read_sample(&counting);
		assert_work(&counting, getpid(), id + 1);
		assert_int_equal(bpf_rows(getpid()), 0);
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
	start(&counting, BPF_MANY_ROWS, (struct selection){.by = BY_GUEST, .children = true});
	bpf_guest_interrupt();
	key = bpf_any_key();
	key.tid = BPF_NO_THREAD;
	bpf_fill_slots(&key, 1);
	bpf_guest_order(&guest, 'w');
	assert_int_equal(bpf_slot_rows(guest.pid), 0);
	assert_int_equal(bpf_hash_rows(guest.pid), 5);
	read_sample(&counting);
	assert_work(&counting, guest.pid, 1);
	/* The others never were: their slots are free now. */
	assert_int_equal(bpf_rows(guest.pid), 0);
	bpf_guest_order(&guest, 'w');
	assert_int_equal(bpf_slot_rows(guest.pid), 5);
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

		start(&counting, BPF_MANY_ROWS,
		      (struct selection){.pid = guest.pid, .children = true});
		assert_int_equal(write(guest.to, "i", 1), 1);
		close(guest.to); /* which ends the guest after its work */
		for (i = 0; waitpid(guest.pid, NULL, WNOHANG) == 0; i++) {
			assert_true(i < 1000000);
			read_sample(&counting);
		}
		close(guest.from);
		read_sample(&counting);
		assert_int_equal(value(&counting, EXITS_EVENT "(restart)", 0), RESTARTS);
		assert_int_equal(bpf_rows(guest.pid), 0);
		stop(&counting);
	}
}

static void test_guests_that_end(void **state)
{
	struct counting by_guest, by_field;
	struct bpf_guest guests[2];

	(void)state;
	start(&by_guest, BPF_MANY_ROWS, (struct selection){.by = BY_GUEST, .children = true});
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
	assert_int_equal(bpf_rows(guests[0].pid), 0);
	stop(&by_guest);

	start(&by_field, BPF_FEW_ROWS, (struct selection){.pid = guests[1].pid, .children = true});
	bpf_guest_order(&guests[1], 'w');
	bpf_guest_end(&guests[1]);
	read_sample(&by_field);
	assert_work(&by_field, 0, 1);
	assert_int_equal(bpf_rows(guests[1].pid), 0);
	stop(&by_field);
}

/* A process may outlive its VM, and make another one: that is another guest. */
static void test_vm_that_ends(void **state)
{
	struct counting counting;
	struct bpf_guest guest = bpf_guest_start();

	(void)state;
	start(&counting, BPF_MANY_ROWS, (struct selection){.by = BY_GUEST, .children = true});
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
	start(&counting, BPF_MANY_ROWS, selection);
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
	start(&counting, BPF_MANY_ROWS, (struct selection){.by = BY_GUEST, .children = true});
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
	start(&counting, BPF_MANY_ROWS, (struct selection){.by = BY_VCPU, .children = true});
	bpf_guest_order(&guest, 'w'); /* in a thread that has ended afterwards */
	assert_true(bpf_rows(guest.pid) > 0);
	read_sample(&counting);
	assert_int_equal(rows_of(&counting, guest.pid), 0);
	assert_int_equal(bpf_rows(guest.pid), 0);
	stop(&counting);

	start(&counting, BPF_MANY_ROWS,
	      (struct selection){.by = BY_VCPU, .children = true, .last_words = true});
	bpf_guest_order(&guest, 'w');
	read_sample(&counting);
	assert_int_equal(rows_of(&counting, guest.pid), 1);
	assert_int_equal(value(&counting, EXITS_EVENT, guest.pid), EXITS);
	assert_int_equal(bpf_rows(guest.pid), 0);
	read_sample(&counting);
	assert_int_equal(rows_of(&counting, guest.pid), 0);
	stop(&counting);
	bpf_guest_end(&guest);
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
	};
	int r;

	bpf_guests_need();
	if (host_root_open(NULL, &root) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	host_root_close(&root);
	return r;
}
