/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of several copies with the same id count, on made files. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_stat/stats_twins.h"
#include "tests/unit/made_stats.h"

#define COPIES 3

static struct stats_layouts layouts;
static struct stats_copy copies[COPIES];
static struct stats_guest guest = {.copies = copies};
static uint64_t values[MADE_VALUES];

/* What the file of a copy says: exits, and a state that says nothing of whose it is. */
static void put(size_t number, uint64_t exits)
{
	struct made_stats made;

	made_start(&made, 2, "kvm-17/vcpu-3");
	made.descriptors[0] = (struct made_descriptor){MADE_CUMULATIVE, 0, 1, 0, 0, "exits"};
	made.descriptors[1] = (struct made_descriptor){MADE_INSTANT, 0, 1, 8, 0, "pages"};
	made.values[0] = exits;
	made.values[1] = 100 - number;
	assert_int_equal(pwrite(copies[number].fd, &made, sizeof(made), 0), sizeof(made));
}

/* A copy that was not read yet, as a look leaves it. */
static void add(uint64_t exits, pid_t tid)
{
	struct stats_copy *copy = &copies[guest.count];
	int fd = memfd_create("stats", MFD_CLOEXEC);

	*copy = (struct stats_copy){.fd = fd};
	put(guest.count, exits);
	assert_int_equal(stats_copy_open(fd, &layouts, copy), 1);
	copy->guest_fd = 10 + (int)guest.count++;
	copy->is_seen = true;
	copy->tid = tid;
	copy->tally = stats_tally_new(copy->layout);
	copy->owns_tally = true;
	assert_non_null(copy->tally);
}

/* What all copies that count have counted, after another reading. */
static uint64_t count(void)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < guest.count; i++) {
		if (copies[i].is_resting)
			continue;
		assert_int_equal(stats_copy_count(&copies[i], values, false), 0);
		sum += copies[i].tally->values[0];
	}
	return sum;
}

static int teardown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < guest.count; i++)
		stats_copy_done(&copies[i]);
	guest.count = 0;
	stats_layouts_done(&layouts);
	return 0;
}

static void settle(void)
{
	assert_int_equal(stats_twins_settle(&guest, false), 0);
}

/* The guest closes what was copied. */
static void drop(size_t number)
{
	assert_int_equal(stats_copy_count(&copies[number], values, false), 0);
	stats_copy_close(&copies[number]);
	copies[number].is_seen = false;
}

static void test_found_at_once(void **state)
{
	(void)state;
	add(70, 17);
	add(70, 18);
	settle();
	assert_true(copies[0].is_resting);
	assert_int_equal(count(), 70);
	put(0, 75);
	put(1, 75);
	settle();
	assert_int_equal(count(), 75);
}

/* The thread is the same: so is the row, which goes on. */
static void test_found_later(void **state)
{
	(void)state;
	add(70, 17);
	settle();
	assert_int_equal(count(), 70);
	put(0, 72);
	add(72, 17);
	settle();
	assert_true(copies[0].is_resting);
	assert_int_equal(count(), 72);
	put(0, 73);
	put(1, 73);
	add(73, 17);
	settle();
	assert_true(copies[0].is_resting);
	assert_true(copies[1].is_resting);
	assert_int_equal(count(), 73);
}

/* Another thread's row begins with what that thread did. */
static void test_found_later_in_another_thread(void **state)
{
	(void)state;
	add(70, 17);
	settle();
	assert_int_equal(count(), 70);
	put(0, 72);
	add(72, 18);
	settle();
	assert_int_equal(count(), 2);
}

/* The one that counts is closed: nothing is lost, nothing comes twice. */
static void test_left(void **state)
{
	(void)state;
	add(70, 17);
	add(70, 17);
	settle();
	assert_int_equal(count(), 70);
	put(0, 80);
	put(1, 80);
	drop(1);
	put(0, 81);
	settle();
	stats_guest_sweep(&guest);
	assert_int_equal(guest.count, 1);
	assert_int_equal(count(), 81);
}

/* Of several only one that may be the same takes its place. */
static void test_left_beside_another(void **state)
{
	(void)state;
	add(70, 17);
	add(70, 17);
	add(1000, 17);
	settle();
	assert_true(copies[0].is_resting);
	assert_int_equal(count(), 1070);
	put(0, 71);
	put(1, 71);
	drop(2);
	assert_int_equal(stats_twins_settle(&guest, false), 1);
	stats_guest_sweep(&guest);
	assert_true(copies[0].is_resting);
	assert_int_equal(count(), 71);
}

/* A vCPU of the VM that comes after: the row goes on. */
static void test_another_vm(void **state)
{
	(void)state;
	add(70, 17);
	assert_int_equal(count(), 70);
	put(0, 75);
	drop(0);
	add(3, 17);
	settle();
	stats_guest_sweep(&guest);
	assert_int_equal(count(), 78);
	/* With another thread it is another row, and that of the first is gone. */
	drop(0);
	add(2, 18);
	assert_int_equal(stats_twins_settle(&guest, false), 1);
	stats_guest_sweep(&guest);
	assert_int_equal(count(), 2);
}

/* Plugged in twice before it ever ran. */
static void test_that_did_not_run(void **state)
{
	(void)state;
	add(0, 17);
	assert_int_equal(count(), 0);
	add(0, 17);
	settle();
	assert_false(stats_twins_are_due(&guest, values));
	put(0, 5);
	put(1, 5);
	assert_true(stats_twins_are_due(&guest, values));
	settle();
	assert_false(stats_twins_are_due(&guest, values));
	assert_int_equal(count(), 5);
}

/* Two VMs of a process, whose vCPUs one thread has made. */
static void test_different_vcpus(void **state)
{
	(void)state;
	add(0, 17);
	add(0, 17);
	settle();
	assert_int_equal(count(), 0);
	assert_true(copies[0].is_resting);
	put(1, 7);
	assert_false(stats_twins_are_due(&guest, values));
	assert_int_equal(count(), 7);
	put(0, 5);
	assert_true(stats_twins_are_due(&guest, values));
	settle();
	assert_false(stats_twins_are_due(&guest, values));
	assert_int_equal(count(), 12);
	/* Once the same by chance, and all is counted when they differ. */
	put(0, 9);
	put(1, 9);
	settle();
	put(0, 10);
	settle();
	assert_int_equal(count(), 19);
}

/* The one that counts is closed before the other one runs. */
static void test_left_before_it_ran(void **state)
{
	(void)state;
	add(0, 17);
	add(0, 17);
	settle();
	assert_int_equal(count(), 0);
	put(1, 7);
	drop(1);
	assert_int_equal(stats_twins_settle(&guest, false), 1);
	stats_guest_sweep(&guest);
	assert_int_equal(guest.count, 1);
	put(0, 5);
	assert_int_equal(count(), 5);
}

/* What both counted before a reset is nothing: what either counts first after it is not lost. */
static void test_reset_before_it_ran(void **state)
{
	(void)state;
	add(0, 17);
	add(0, 17);
	settle();
	assert_int_equal(count(), 0);
	stats_copy_restart(&copies[0]);
	stats_copy_restart(&copies[1]);
	assert_true(stats_twins_are_due(&guest, values));
	settle();
	assert_false(stats_twins_are_due(&guest, values));
	put(0, 5);
	assert_true(stats_twins_are_due(&guest, values));
	settle();
	assert_int_equal(count(), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_found_at_once, teardown),
		cmocka_unit_test_teardown(test_found_later, teardown),
		cmocka_unit_test_teardown(test_found_later_in_another_thread, teardown),
		cmocka_unit_test_teardown(test_left, teardown),
		cmocka_unit_test_teardown(test_left_beside_another, teardown),
		cmocka_unit_test_teardown(test_another_vm, teardown),
		cmocka_unit_test_teardown(test_that_did_not_run, teardown),
		cmocka_unit_test_teardown(test_different_vcpus, teardown),
		cmocka_unit_test_teardown(test_left_before_it_ran, teardown),
		cmocka_unit_test_teardown(test_reset_before_it_ran, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
