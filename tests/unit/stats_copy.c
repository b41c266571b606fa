/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a copy counts, on made files, and that nothing but statistics is ever read. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/root.h"
#include "kvm_stat/stats_copy.h"
#include "tests/unit/made_stats.h"

enum { EXITS, DEPTH, PAGES, HISTOGRAM };

static struct made_stats made;
static struct stats_layouts layouts;
static struct stats_copy copy;
static uint64_t values[MADE_VALUES];

static void write_made(int fd)
{
	assert_int_equal(pwrite(fd, &made, sizeof(made), 0), sizeof(made));
}

static int made_fd(void)
{
	int fd = memfd_create("stats", MFD_CLOEXEC);

	assert_true(fd >= 0);
	write_made(fd);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	made_start(&made, 4, "kvm-17/vcpu-3");
	made.descriptors[0] = (struct made_descriptor){MADE_CUMULATIVE, 0, 1,
						       8 * EXITS,       0, "exits"};
	made.descriptors[1] = (struct made_descriptor){MADE_PEAK, 0, 1, 8 * DEPTH, 0, "depth"};
	made.descriptors[2] = (struct made_descriptor){MADE_INSTANT, 0, 1, 8 * PAGES, 0, "pages"};
	made.descriptors[3] = (struct made_descriptor){MADE_LOG, 0, 40, 8 * HISTOGRAM, 0, "hist"};
	made.values[EXITS] = 100;
	made.values[DEPTH] = 5;
	made.values[PAGES] = 50;
	made.values[HISTOGRAM + 39] = 1000;
	assert_int_equal(stats_copy_open(made_fd(), &layouts, &copy), 1);
	copy.tally = stats_tally_new(copy.layout);
	assert_non_null(copy.tally);
	copy.owns_tally = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stats_copy_done(&copy);
	stats_layouts_done(&layouts);
	return 0;
}

static void count(bool include_past)
{
	write_made(copy.fd);
	stats_tally_clear_states(copy.tally);
	assert_int_equal(stats_copy_count(&copy, values, include_past), 0);
}

static void assert_tally(uint64_t exits, uint64_t depth, uint64_t pages, uint64_t last_bucket)
{
	assert_int_equal(copy.tally->values[EXITS], exits);
	assert_int_equal(copy.tally->values[DEPTH], depth);
	assert_int_equal(copy.tally->values[PAGES], pages);
	assert_int_equal(copy.tally->values[HISTOGRAM + 39], last_bucket);
}

static void test_what_is_new_counts_from_0(void **state)
{
	(void)state;
	count(false);
	assert_tally(100, 5, 50, 1000);
	made.values[EXITS] += 7;
	made.values[HISTOGRAM + 39]++;
	made.values[DEPTH] = 9;
	made.values[PAGES] = 3;
	count(false);
	assert_tally(107, 9, 3, 1001);
	/* Nothing happened. */
	count(false);
	assert_tally(107, 9, 3, 1001);
}

static void test_what_has_a_past_begins_with_it(void **state)
{
	(void)state;
	copy.has_past = true;
	count(false);
	assert_tally(0, 5, 50, 0);
	made.values[EXITS] += 7;
	count(false);
	assert_tally(7, 5, 50, 0);
	stats_copy_restart(&copy);
	copy.tally->values[EXITS] = 0;
	count(false);
	assert_tally(0, 5, 50, 0);
	made.values[EXITS] += 2;
	count(false);
	assert_tally(2, 5, 50, 0);
}

static void test_the_past_is_included(void **state)
{
	(void)state;
	copy.has_past = true;
	count(true);
	assert_tally(100, 5, 50, 1000);
}

/* By a write to its file in debugfs: what it counted since is less than before. */
static void test_cleared_counter(void **state)
{
	(void)state;
	count(false);
	made.values[EXITS] = 4;
	count(false);
	assert_tally(104, 5, 50, 1000);
}

/* Several copies of one tally: counters and gauges add up, a peak is the highest. */
static void test_shared_tally(void **state)
{
	struct stats_copy other;

	(void)state;
	made.values[DEPTH] = 3;
	assert_int_equal(stats_copy_open(made_fd(), &layouts, &other), 1);
	assert_int_equal(layouts.count, 1);
	assert_ptr_equal(other.layout, copy.layout);
	other.tally = copy.tally;
	made.values[DEPTH] = 5;
	count(false);
	assert_int_equal(stats_copy_count(&other, values, false), 0);
	assert_tally(200, 5, 100, 2000);
	stats_copy_done(&other);
}

/* A file that ends early adds nothing at all. */
static void test_short_read(void **state)
{
	(void)state;
	count(false);
	made.values[EXITS] = 500;
	write_made(copy.fd);
	assert_int_equal(ftruncate(copy.fd, offsetof(struct made_stats, values[4])), 0);
	assert_int_equal(stats_copy_count(&copy, values, false), -EBADMSG);
	assert_int_equal(copy.tally->values[EXITS], 100);
	stats_copy_close(&copy);
	assert_int_equal(stats_copy_count(&copy, values, false), -EBADF);
}

static void test_garbage(void **state)
{
	static const char text[] = "no statistics, but a text that is long enough for a header";
	struct stats_copy other;
	int fd = memfd_create("garbage", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(stats_copy_open(fd, &layouts, &other), -EBADMSG); /* empty */
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	assert_int_equal(stats_copy_open(fd, &layouts, &other), -EBADMSG);
	strcpy(made.id, "nobody");
	write_made(fd);
	assert_int_equal(stats_copy_open(fd, &layouts, &other), -EBADMSG);
	close(fd);
	assert_int_equal(layouts.count, 1);
}

/* A VMM cannot fill the memory with layouts. */
static void test_many_layouts(void **state)
{
	struct stats_copy other;
	int i, fd = memfd_create("stats", MFD_CLOEXEC);

	(void)state;
	for (i = 1; i < 20; i++) {
		made.header.flags = (uint32_t)i;
		write_made(fd);
		assert_int_equal(stats_copy_open(fd, &layouts, &other), i < 16 ? 1 : -EBADMSG);
		if (i < 16)
			free(other.last);
	}
	close(fd);
}

static void test_links(void **state)
{
	(void)state;
	assert_true(stats_link_is("anon_inode:kvm-vm-stats"));
	assert_true(stats_link_is("anon_inode:kvm-vcpu-stats:0"));
	assert_false(stats_link_is("anon_inode:kvm-vm-stats2"));
	assert_false(stats_link_is("anon_inode:kvm-vcpu:0"));
	assert_false(stats_link_is("/tmp/anon_inode:kvm-vm-stats"));
	assert_false(stats_link_is(""));
}

static int count_own_fds(void)
{
	struct host_root root;
	int count;

	assert_int_equal(host_root_open(NULL, &root), 0);
	count = host_count_entries(&root, "proc/self/fd");
	host_root_close(&root);
	return count;
}

/* What a guest puts under the number instead is closed again, and nothing of it is taken. */
static void test_takes_nothing_else(void **state)
{
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0), ends[2], counter, file, fds;
	struct stats_copy other;
	uint64_t value;
	char byte;

	(void)state;
	assert_true(pidfd >= 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	counter = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); /* an anonymous inode as well */
	file = made_fd();                                 /* and what would be good content */
	fds = count_own_fds();
	assert_int_equal(stats_copy_take(pidfd, ends[0], &layouts, &other), 0);
	assert_int_equal(stats_copy_take(pidfd, counter, &layouts, &other), 0);
	assert_int_equal(stats_copy_take(pidfd, file, &layouts, &other), 0);
	assert_int_equal(stats_copy_take(pidfd, 1000, &layouts, &other), 0); /* not open */
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(read(counter, &value, sizeof(value)), sizeof(value));
	assert_int_equal(count_own_fds(), fds);
	close(ends[0]);
	close(ends[1]);
	close(counter);
	close(file);
	close(pidfd);
}

#define ON_MADE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_MADE(test_what_is_new_counts_from_0),
		ON_MADE(test_what_has_a_past_begins_with_it),
		ON_MADE(test_the_past_is_included),
		ON_MADE(test_cleared_counter),
		ON_MADE(test_shared_tally),
		ON_MADE(test_short_read),
		ON_MADE(test_garbage),
		ON_MADE(test_many_layouts),
		cmocka_unit_test(test_links),
		ON_MADE(test_takes_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
