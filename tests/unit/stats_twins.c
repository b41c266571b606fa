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
	assert_int_equal(stats_twins_settle(&guest), 0);
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
	assert_int_equal(count(), 80);
	stats_twins_leave(&guest, &copies[1]);
	stats_copy_done(&copies[1]);
	guest.count--;
	assert_false(copies[0].is_resting);
	put(0, 81);
	assert_int_equal(count(), 81);
}

/* Two VMs of a process, whose vCPUs one thread has made. */
static void test_different_vcpus(void **state)
{
	(void)state;
	add(0, 17);
	add(0, 17);
	settle();
	assert_int_equal(count(), 0);
	put(0, 5);
	put(1, 7);
	settle();
	assert_int_equal(count(), 12);
	/* Once the same by chance, and all is counted when they differ. */
	put(0, 9);
	put(1, 9);
	settle();
	put(0, 10);
	settle();
	assert_int_equal(count(), 19);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_found_at_once, teardown),
		cmocka_unit_test_teardown(test_found_later, teardown),
		cmocka_unit_test_teardown(test_found_later_in_another_thread, teardown),
		cmocka_unit_test_teardown(test_left, teardown),
		cmocka_unit_test_teardown(test_different_vcpus, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
