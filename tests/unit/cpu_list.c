/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "host/cpu_list.h"
#include "tests/unit/tree.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int cpus[8];
		size_t count;
	} rows[] = {
		{"0", {0}, 1},
		{"0\n", {0}, 1},
		{"0-3\n", {0, 1, 2, 3}, 4},
		{"0-1,4,6-7", {0, 1, 4, 6, 7}, 5},
		{"5-5", {5}, 1},
		{"65535", {65535}, 1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		cleanup_free int *cpus = NULL;
		size_t count = 0;

		assert_int_equal(cpu_list_parse(rows[i].text, &cpus, &count), 0);
		assert_int_equal(count, rows[i].count);
		assert_memory_equal(cpus, rows[i].cpus, count * sizeof(*cpus));
	}
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"",        "\n",          ",",     "0,",   ",0",  "0,,1",  "0-",
		"-1",      "-",           "3-1",   "1,0",  "0,0", "0-2,2", "0-2,1",
		"a",       "0-a",         "0x1",   " 0",   "0 ",  "0, 1",  "65536",
		"0-65536", "99999999999", "0-1-2", "1--2", "0;1", "0\n1",  "0\n\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		int *cpus = NULL;
		size_t count = 42;

		assert_row(cpu_list_parse(rows[i], &cpus, &count) == -EBADMSG, rows[i]);
		assert_null(cpus);
		assert_int_equal(count, 42);
	}
}

static void test_all(void **state)
{
	cleanup_free int *cpus = NULL;
	size_t count, i;

	(void)state;
	assert_int_equal(cpu_list_parse("0-65535\n", &cpus, &count), 0);
	assert_int_equal(count, 65536);
	for (i = 0; i < count; i++)
		assert_int_equal(cpus[i], i);
}

static void test_online(void **state)
{
	struct tree tree;
	cleanup_free int *cpus = NULL;
	size_t count = 0;

	(void)state;
	tree_make(&tree);
	assert_int_equal(cpu_list_online(&tree.root, &cpus, &count), -ENOENT);
	tree_put(&tree, "sys/devices/system/cpu/online", "0,2-3\n");
	assert_int_equal(cpu_list_online(&tree.root, &cpus, &count), 0);
	assert_int_equal(count, 3);
	assert_int_equal(cpus[2], 3);
	tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_online),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
