/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "host/guest.h"
#include "tests/unit/tree.h"

#define ARGS(text) text, sizeof(text) - 1

static void test_name_from_cmdline(void **state)
{
	static const struct {
		const char *cmdline;
		size_t length;
		const char *name;
	} rows[] = {
		{ARGS("qemu\0-name\0vm1\0"), "vm1"},
		{ARGS("qemu\0--name\0vm1\0"), "vm1"},
		{ARGS("qemu\0--name=vm1\0"), "vm1"},
		{ARGS("qemu\0-name\0guest=vm1\0"), "vm1"},
		{ARGS("qemu\0-name\0guest=vm1,debug-threads=on\0-S\0"), "vm1"},
		{ARGS("qemu\0-name\0debug-threads=on,guest=vm1\0"), "vm1"},
		{ARGS("qemu\0-name\0vm1,process=x\0"), "vm1"},
		{ARGS("qemu\0--name=guest=vm1,debug-threads=on\0"), "vm1"},
		{ARGS("qemu\0-name\0guest=lost,wins\0"), "wins"},
		{ARGS("qemu\0-name\0wins,guest=lost\0"), "wins"},
		{ARGS("qemu\0-name\0guest=first,guest=second\0"), "second"},
		{ARGS("qemu\0-name\0guest=a=b\0"), "a=b"},
		/* ",," is a comma, also at the ends. */
		{ARGS("qemu\0-name\0a,,b\0"), "a,b"},
		{ARGS("qemu\0-name\0guest=a,,b,debug-threads=on\0"), "a,b"},
		{ARGS("qemu\0-name\0,,\0"), ","},
		{ARGS("qemu\0-name\0a,,,,b\0"), "a,,b"},
		{ARGS("qemu\0-name\0a,,,b=c\0"), "a,"},
		{ARGS("qemu\0-name\0guest=vm1,\0"), "vm1"},
		{ARGS("qemu\0-name\0,vm1\0"), "vm1"},
		/* Bytes are the user's own. */
		{ARGS("qemu\0-name\0a\033[31m\xff\n\0"), "a\033[31m\xff\n"},
		/* Without a NUL at the end. */
		{ARGS("qemu\0-name\0vm1"), "vm1"},
		{ARGS("qemu\0--name=vm1"), "vm1"},
		/* The first that names the guest. */
		{ARGS("qemu\0-name\0\0-name\0vm2\0"), "vm2"},
		{ARGS("qemu\0-name\0debug-threads=on\0-name\0vm2\0"), "vm2"},
		{ARGS("qemu\0-name\0vm1\0-name\0vm2\0"), "vm1"},
		/* None. */
		{ARGS("qemu\0-name\0"), NULL},
		{ARGS("qemu\0-name"), NULL},
		{ARGS("qemu\0--name="), NULL},
		{ARGS("qemu\0-name\0\0"), NULL},
		{ARGS("qemu\0-name\0guest=\0"), NULL},
		{ARGS("qemu\0-name\0,\0"), NULL},
		{ARGS("qemu\0-named\0vm1\0"), NULL},
		{ARGS("qemu\0-names=vm1\0"), NULL},
		{ARGS("qemu\0vm1\0"), NULL},
		{ARGS("qemu"), NULL},
		{ARGS(""), NULL},
		{ARGS("\0\0\0"), NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		/* On the heap, so that reading past its end is seen. */
		cleanup_free char *copy = malloc(rows[i].length + !rows[i].length);
		cleanup_free char *name = NULL;

		assert_non_null(copy);
		memcpy(copy, rows[i].cmdline, rows[i].length);
		name = guest_name_from_cmdline(copy, rows[i].length);
		if (!name || !rows[i].name)
			assert_row(name == rows[i].name, rows[i].name ? rows[i].name : name);
		else
			assert_string_equal(name, rows[i].name);
	}
}

static void test_huge_cmdline(void **state)
{
	size_t length = 1 << 20;
	cleanup_free char *huge = malloc(length);
	cleanup_free char *name = NULL;

	(void)state;
	assert_non_null(huge);
	memset(huge, ',', length);
	sprintf(huge, "-name");
	sprintf(huge + 6, "guest=");
	huge[12] = ',';
	name = guest_name_from_cmdline(huge, length);
	assert_int_equal(strlen(name), (length - 12) / 2);
}

static void test_guest_name(void **state)
{
	cleanup_free char *huge = calloc(1, (1 << 20) + 8);
	static const struct {
		const char *comm, *cmdline;
		size_t length;
		const char *name;
	} rows[] = {
		{"qemu-kvm", ARGS("qemu\0-name\0vm1\0"), "vm1"},
		{"qemu-kvm", ARGS("qemu\0-m\0001\0"), "qemu-kvm-7"},
		{"kthread", ARGS(""), "kthread-7"}, /* without a command line */
		{"a b)\033", ARGS("x"), "a b)\033-7"},
		{"", ARGS("x"), "-7"},
	};
	struct tree tree;
	size_t i;

	(void)state;
	tree_make(&tree);
	for (i = 0; i < array_size(rows); i++) {
		cleanup_free char *name = NULL;

		tree_process(&tree, 7, rows[i].comm, rows[i].cmdline, rows[i].length);
		assert_int_equal(guest_name(&tree.root, 7, &name), rows[i].length == 0);
		assert_string_equal(name, rows[i].name);
	}
	/* More than a VMM's command line can need: the guest still has some name. */
	assert_non_null(huge);
	tree_write(&tree, "proc/7/cmdline", 0644, huge, (1 << 20) + 8);
	tree_put(&tree, "proc/7/comm", "big\n");
	{
		cleanup_free char *name = NULL;

		assert_int_equal(guest_name(&tree.root, 7, &name), 0);
		assert_string_equal(name, "big-7");
	}
	tree_remove(&tree);
}

static void test_guest_name_gone(void **state)
{
	struct tree tree;
	char *name = NULL;

	(void)state;
	tree_make(&tree);
	assert_int_equal(guest_name(&tree.root, 7, &name), -ENOENT);
	tree_dir(&tree, "proc/7");
	assert_int_equal(guest_name(&tree.root, 7, &name), -ENOENT);
	assert_null(name);
	tree_remove(&tree);
}

static void test_process_of_thread(void **state)
{
	static const struct {
		const char *status;
		pid_t process;
	} rows[] = {
		{"Name:\tqemu\nTgid:\t100\nNgid:\t0\nPid:\t7\n", 100},
		{"Name:\tqemu\nTgid:\t7\n", 7},
		/* The kernel shows a newline in a name as backslash and n. */
		{"Name:\tx\\nTgid:\t1\nState:\tS\nTgid:\t100\n", 100},
		{"Name:\tTgid:\t1\nTgid:\t100\n", 100},
		{"Name:\tqemu\nTgid:\t100", 100},
		{"Name:\tqemu\n", -EBADMSG},
		{"Name:\tqemu\nTgid:\t\n", -EBADMSG},
		{"Name:\tqemu\nTgid:\t0\n", -EBADMSG},
		{"Name:\tqemu\nTgid:\t-5\n", -EBADMSG},
		{"Name:\tqemu\nTgid:\t12x\n", -EBADMSG},
		{"Name:\tqemu\nTgid:\t2147483648\n", -EBADMSG},
		{"Name:\tqemu\nTgid:\t99999999999999999999999999\n", -EBADMSG},
		{"Name:\tqemu\nTgid: 5\n", -EBADMSG},
		{"", -EBADMSG},
	};
	struct tree tree;
	size_t i;

	(void)state;
	tree_make(&tree);
	assert_int_equal(guest_process_of_thread(&tree.root, 7), -ESRCH);
	for (i = 0; i < array_size(rows); i++) {
		tree_put(&tree, "proc/7/status", rows[i].status);
		assert_row(guest_process_of_thread(&tree.root, 7) == rows[i].process,
			   rows[i].status);
	}
	tree_remove(&tree);
}

/* "Groups:" alone takes more than a page for the user of a large directory service. */
static void test_process_of_thread_with_many_groups(void **state)
{
	char status[20000] = "Name:\tqemu\nTgid:\t100\nGroups:\t";
	struct tree tree;
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		sprintf(status + strlen(status), "%u ", 1000000000 + i);
	tree_make(&tree);
	tree_put(&tree, "proc/7/status", status);
	assert_int_equal(guest_process_of_thread(&tree.root, 7), 100);
	tree_remove(&tree);
}

static void test_start_time(void **state)
{
	static const struct {
		const char *stat;
		int result;
		uint64_t ticks;
	} rows[] = {
		{"7 (qemu) S 1 7 7 0 -1 4194304 9 0 0 0 5 6 0 0 20 0 4 0 12345 99 8\n", 0, 12345},
		{"7 (a) S 1 (b) S 1 7 7 0 -1 4194304 9 0 0 0 5 6 0 0 20 0 4 0 18446744073709551615 9",
		 0, UINT64_MAX},
		{"7 (qemu) S 1 7 7 0 -1 4194304 9 0 0 0 5 6 0 0 20 0 4 0\n", -EBADMSG, 0},
		{"7 (qemu) S 1 7 7 0 -1 4194304 9 0 0 0 5 6 0 0 20 0 4 0 -1 99\n", -EBADMSG, 0},
		{"7 qemu S 1\n", -EBADMSG, 0},
		{"", -EBADMSG, 0},
	};
	struct tree tree;
	size_t i;

	(void)state;
	tree_make(&tree);
	for (i = 0; i < array_size(rows); i++) {
		uint64_t ticks = 0;

		tree_put(&tree, "proc/7/stat", rows[i].stat);
		assert_row(guest_start_time(&tree.root, 7, &ticks) == rows[i].result, rows[i].stat);
		assert_row(ticks == rows[i].ticks, rows[i].stat);
	}
	tree_delete(&tree, "proc/7");
	assert_int_equal(guest_start_time(&tree.root, 7, &(uint64_t){0}), -ENOENT);
	tree_remove(&tree);
}

/* What the kernel says of this very process. */
static void test_own_start_time(void **state)
{
	long ticks_per_second = sysconf(_SC_CLK_TCK);
	struct host_root root;
	struct timespec now;
	uint64_t uptime;
	uint64_t ticks;

	(void)state;
	assert_int_equal(host_root_open(NULL, &root), 0);
	assert_int_equal(guest_start_time(&root, getpid(), &ticks), 0);
	clock_gettime(CLOCK_BOOTTIME, &now);
	uptime = (uint64_t)now.tv_sec;
	/* This test runs for less than ten minutes, and so may the host. */
	assert_in_range(ticks / (uint64_t)ticks_per_second, uptime > 600 ? uptime - 600 : 0,
			uptime + 1);
	host_root_close(&root);
}

static void test_threads(void **state)
{
	struct tree tree;
	cleanup_free pid_t *tids = NULL;
	size_t count = 0;

	(void)state;
	tree_make(&tree);
	assert_int_equal(guest_threads(&tree.root, 7, &tids, &count), -ESRCH);
	tree_dir(&tree, "proc/7/task");
	assert_int_equal(guest_threads(&tree.root, 7, &tids, &count), -ESRCH);
	tree_dir(&tree, "proc/7/task/100");
	tree_dir(&tree, "proc/7/task/7");
	tree_dir(&tree, "proc/7/task/9");
	tree_dir(&tree, "proc/7/task/garbage");
	tree_dir(&tree, "proc/7/task/0");
	tree_dir(&tree, "proc/7/task/99999999999");
	assert_int_equal(guest_threads(&tree.root, 7, &tids, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(tids[0], 7);
	assert_int_equal(tids[1], 9);
	assert_int_equal(tids[2], 100);
	tree_remove(&tree);
}

static void test_many_threads(void **state)
{
	struct tree tree;
	cleanup_free pid_t *tids = NULL;
	size_t count = 0;
	int i;

	(void)state;
	tree_make(&tree);
	for (i = 300; i > 0; i--) {
		char path[64];

		snprintf(path, sizeof(path), "proc/7/task/%d", i);
		tree_dir(&tree, path);
	}
	assert_int_equal(guest_threads(&tree.root, 7, &tids, &count), 0);
	assert_int_equal(count, 300);
	for (i = 0; i < 300; i++)
		assert_int_equal(tids[i], i + 1);
	tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_from_cmdline),
		cmocka_unit_test(test_huge_cmdline),
		cmocka_unit_test(test_guest_name),
		cmocka_unit_test(test_guest_name_gone),
		cmocka_unit_test(test_process_of_thread),
		cmocka_unit_test(test_process_of_thread_with_many_groups),
		cmocka_unit_test(test_start_time),
		cmocka_unit_test(test_own_start_time),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
