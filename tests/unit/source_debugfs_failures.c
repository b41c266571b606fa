/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that cannot be read, for now or for good: no row, never a zero, never a burst. */
#include "tests/unit/debugfs_reader.h"

#include <errno.h>

/* A file that holds no number is told and has no row; all others go on. */
static void test_garbage(void **state)
{
	static const char *const texts[] = {"", "garbage\n", "-1\n", "1 2\n",
					    "99999999999999999999\n"};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(texts); i++) {
		struct reader reader;
		struct source_health health;

		put_sums(5, 7);
		tree_put(&tree, TREE_KVM "/broken", texts[i]);
		reader = reader_open(true);
		reader_select(&reader, (struct selection){0}, NULL);
		reader_read(&reader);
		health = source_health(reader.source);
		assert_int_equal(health.fields, 4);
		assert_int_equal(health.unreadable, 1);
		assert_int_equal(health.error, -EBADMSG);
		assert_int_equal(value(&reader, "broken"), NO_ROW);
		assert_int_equal(value(&reader, "exits"), 5);
		assert_int_equal(value(&reader, "pages_4k"), 7);
		reader_close(&reader);
	}
}

static void test_garbage_in_one_guest(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 7);
	put_vm(20, 1000, 70);
	put_sums(1100, 77);
	tree_put(&tree, TREE_KVM "/20-9/exits", "garbage\n");
	reader = reader_open(true);
	reader_select(&reader, (struct selection){.each_guest = true}, NULL);
	reader_read(&reader);
	assert_int_equal(source_health(reader.source).unreadable, 1);
	assert_int_equal(value(&reader, "exits"), NO_ROW);
	assert_int_equal(value(&reader, "pages_4k"), 77);
	assert_false(reader.sample.partial);
	reader_close(&reader);
}

static void test_vanished_file(void **state)
{
	struct reader reader;

	(void)state;
	put_sums(5, 7);
	reader = reader_open(true);
	reader_select(&reader, (struct selection){0}, NULL);
	reader_read(&reader);
	tree_delete(&tree, TREE_KVM "/exits");
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), NO_ROW);
	assert_int_equal(value(&reader, "pages_4k"), 7);
	assert_int_equal(source_health(reader.source).unreadable, 1);
	assert_int_equal(source_health(reader.source).error, -ENOENT);
	reader_close(&reader);
}

/* A VM that lacks one file lives on: its other fields count, and nothing has ended. */
static void test_file_missing_in_one_guest(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 7);
	put_sums(100, 7);
	tree_delete(&tree, TREE_KVM "/10-9/exits");
	reader = reader_open(true);
	reader_select(&reader, (struct selection){.each_guest = true}, NULL);
	reader_read(&reader);
	assert_int_equal(value(&reader, "pages_4k"), 7);
	assert_int_equal(value(&reader, "halt_wait_ns"), 1000);
	assert_false(reader.sample.partial);
	reader_close(&reader);
}

/*
 * A VM that was there from the start, but could not be looked into or told to be the selected
 * guest's at first, does not bring its whole past along as if it had happened now.
 */
static void test_found_late(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 7);
	put_sums(100, 7);
	tree_delete(&tree, "proc/10");
	reader = reader_open(false);
	reader_select(&reader, (struct selection){.pid = 500}, NULL);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 0);
	tree_process(&tree, 500, "qemu", "", 0);
	tree_thread(&tree, 500, 10);
	put_vm(10, 103, 7);
	tree_thread(&tree, 500, 10);
	reader_read(&reader);
	assert_true(value(&reader, "exits") <= 3);
	put_vm(10, 105, 7);
	tree_thread(&tree, 500, 10);
	reader_read(&reader);
	assert_in_range(value(&reader, "exits"), 2, 5);
	reader_close(&reader);
}

static void test_module_unloaded(void **state)
{
	struct reader reader;
	struct source_error error = {0};
	struct selection all = {0};

	(void)state;
	put_sums(5, 7);
	reader = reader_open(false);
	reader_select(&reader, all, NULL);
	reader_read(&reader);
	tree_delete(&tree, TREE_KVM);
	sample_clear(&reader.sample);
	assert_int_equal(source_read(reader.source, &reader.sample), -ENOENT);
	assert_int_equal(source_select(reader.source, &all, &error), -ENOENT);
	assert_int_equal(error.error, -ENOENT);
	reader_close(&reader);
}

/* A failure that passes by itself, here a link in the file's place, which is not followed. */
static void break_file(const char *path)
{
	tree_delete(&tree, path);
	tree_link(&tree, path, "elsewhere");
}

/* What could not be read at first has its past then, and its state is not 0 meanwhile. */
static void test_passing_failure_of_sums(void **state)
{
	struct reader reader;

	(void)state;
	put_sums(100, 7);
	reader = reader_open(false);
	reader_select(&reader, (struct selection){0}, NULL);
	break_file(TREE_KVM "/exits");
	break_file(TREE_KVM "/pages_4k");
	reader_read(&reader);
	assert_true(reader.sample.partial);
	assert_int_equal(value(&reader, "exits"), 0);
	assert_int_equal(value(&reader, "pages_4k"), NO_ROW);
	tree_delete(&tree, TREE_KVM "/exits");
	tree_delete(&tree, TREE_KVM "/pages_4k");
	put_sums(103, 8);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 0);
	assert_int_equal(value(&reader, "pages_4k"), 8);
	put_sums(105, 8);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 2);
	assert_int_equal(source_health(reader.source).unreadable, 0);
	reader_close(&reader);
}

static void test_passing_failure_of_one_guest(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 7);
	put_sums(100, 7);
	reader = reader_open(false);
	reader_select(&reader, (struct selection){.each_guest = true}, NULL);
	break_file(TREE_KVM "/10-9/exits");
	break_file(TREE_KVM "/10-9/pages_4k");
	reader_read(&reader);
	assert_true(reader.sample.partial);
	assert_int_equal(value(&reader, "exits"), 0);
	assert_int_equal(value(&reader, "pages_4k"), NO_ROW);
	tree_delete(&tree, TREE_KVM "/10-9/exits");
	tree_delete(&tree, TREE_KVM "/10-9/pages_4k");
	put_vm(10, 103, 8);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 0);
	assert_int_equal(value(&reader, "pages_4k"), 8);
	put_vm(10, 105, 8);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 2);
	assert_false(reader.sample.partial);
	reader_close(&reader);
}

/* Its row stays where it is: one that came back would bring its whole total as new. */
static void test_passing_failure_by_guest(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 7);
	put_sums(100, 7);
	reader = reader_open(false);
	reader_select(&reader, (struct selection){.by = BY_GUEST, .only = "exits"}, NULL);
	reader_read(&reader);
	put_vm(10, 150, 7);
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "exits", 10), 50);
	break_file(TREE_KVM "/10-9/exits");
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "exits", 10), 50);
	assert_true(reader.sample.partial);
	tree_delete(&tree, TREE_KVM "/10-9/exits");
	put_vm(10, 155, 7);
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "exits", 10), 55);
	reader_close(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_garbage),
		IN_TREE(test_garbage_in_one_guest),
		IN_TREE(test_vanished_file),
		IN_TREE(test_file_missing_in_one_guest),
		IN_TREE(test_found_late),
		IN_TREE(test_module_unloaded),
		IN_TREE(test_passing_failure_of_sums),
		IN_TREE(test_passing_failure_of_one_guest),
		IN_TREE(test_passing_failure_by_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
