/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/debugfs_reader.h"

static void test_open(void **state)
{
	struct source_error error = {0};
	struct source *source = NULL;

	(void)state;
	assert_int_equal(source_debugfs_open(&tree.root, false, &source, &error), -ENODEV);
	assert_int_equal(error.error, -ENODEV);
	assert_int_equal(error.step, SOURCE_STEP_FIND);
	tree_dir(&tree, "sys/kernel/debug");
	assert_int_equal(source_debugfs_open(&tree.root, false, &source, &error), -ENOENT);
	assert_int_equal(error.step, SOURCE_STEP_FIND);
	tree_dir(&tree, TREE_KVM);
	assert_int_equal(source_debugfs_open(&tree.root, false, &source, &error), -ENOENT);
	assert_int_equal(error.step, SOURCE_STEP_READ);
	assert_null(source);
	source_close(NULL);
}

static void append_name(const char *name, void *data)
{
	strcat(strcat((char *)data, name), " ");
}

/* Regular files that hold one number; kinds by mode and name. */
static void test_fields(void **state)
{
	struct reader reader;
	char names[256] = "";

	(void)state;
	put_sums(0, 0);
	tree_put(&tree, TREE_KVM "/halt_wait_hist", "0\n");
	tree_dir(&tree, TREE_KVM "/directory");
	tree_link(&tree, TREE_KVM "/link", "exits");
	tree_fifo(&tree, TREE_KVM "/fifo");
	reader = reader_open(false);
	assert_int_equal(source_list(reader.source, append_name, names), 0);
	assert_string_equal(names, "exits halt_wait_ns pages_4k ");
	reader_select(&reader, (struct selection){0}, NULL);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 3);
	assert_int_equal(find_row(&reader, "exits", 0)->kind, FIELD_EVENTS);
	assert_int_equal(find_row(&reader, "halt_wait_ns", 0)->kind, FIELD_TIME);
	assert_int_equal(find_row(&reader, "pages_4k", 0)->kind, FIELD_GAUGE);
	assert_null(find_row(&reader, "exits", 0)->parent);
	reader_close(&reader);
}

static const struct selection ways[] = {{.each_guest = false}, {.each_guest = true}};

/* Both ways of reading say the same. */
static void test_baseline(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < array_size(ways); i++) {
		struct reader reader;

		put_vm(10, 100, 7);
		put_vm(20, 1000, 70);
		put_sums(1100, 77);
		reader = reader_open(false);
		reader_select(&reader, ways[i], NULL);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 0);
		assert_int_equal(value(&reader, "halt_wait_ns"), 0);
		assert_int_equal(value(&reader, "pages_4k"), 77);
		assert_false(reader.sample.partial);

		put_vm(10, 101, 5);
		put_vm(20, 1010, 71);
		put_sums(1111, 76);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 11);
		assert_int_equal(value(&reader, "halt_wait_ns"), 110);
		assert_int_equal(value(&reader, "pages_4k"), 76);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 11);

		source_reset(reader.source);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 0);
		put_vm(10, 102, 5);
		put_sums(1112, 76);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 1);
		assert_int_equal(value(&reader, "pages_4k"), 76);
		reader_close(&reader);
	}
}

static void test_include_past(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < array_size(ways); i++) {
		struct reader reader;

		put_vm(10, 100, 7);
		put_vm(20, 1000, 70);
		put_sums(1100, 77);
		reader = reader_open(true);
		reader_select(&reader, ways[i], NULL);
		/* Selecting anew before the first sample takes nothing away. */
		reader_select(&reader, ways[i], NULL);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 1100);
		assert_int_equal(value(&reader, "pages_4k"), 77);
		put_vm(10, 103, 7);
		put_sums(1103, 77);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 1103);

		/* A reset is from now on: the past is included once. */
		source_reset(reader.source);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 0);
		put_vm(10, 104, 7);
		put_sums(1104, 77);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 1);
		reader_close(&reader);
	}
}

/* All that a guest ever does counts, when it was born under our eyes. */
static void test_born_later(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < array_size(ways); i++) {
		struct reader reader;

		delete_vm(20);
		put_vm(10, 100, 7);
		put_sums(100, 7);
		reader = reader_open(false);
		reader_select(&reader, ways[i], NULL);
		reader_read(&reader);
		put_vm(20, 30, 3);
		put_sums(130, 10);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 30);
		assert_int_equal(value(&reader, "pages_4k"), 10);
		assert_false(reader.sample.partial);
		reader_close(&reader);
	}
}

/* No guest at all at first, as when a logger starts with the host. */
static void test_first_guest(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < array_size(ways); i++) {
		struct reader reader;

		delete_vm(10);
		put_sums(0, 0);
		reader = reader_open(false);
		reader_select(&reader, ways[i], NULL);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 0);
		put_vm(10, 5, 1);
		put_sums(5, 1);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 5);
		reader_close(&reader);
	}
}

/* When a guest ends, what was counted stays, and the interval says that it is not whole. */
static void test_ended(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < array_size(ways); i++) {
		struct reader reader;

		put_vm(10, 100, 7);
		put_vm(20, 1000, 70);
		put_sums(1100, 77);
		reader = reader_open(false);
		reader_select(&reader, ways[i], NULL);
		reader_read(&reader);
		put_vm(10, 104, 7);
		put_vm(20, 1002, 70);
		put_sums(1106, 77);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 6);
		assert_false(reader.sample.partial);

		delete_vm(20);
		put_vm(10, 109, 7);
		put_sums(109, 7);
		reader_read(&reader);
		assert_true(reader.sample.partial);
		assert_int_equal(value(&reader, "exits"), ways[i].each_guest ? 11 : 6);
		assert_int_equal(value(&reader, "pages_4k"), 7);

		put_vm(10, 110, 7);
		put_sums(110, 7);
		reader_read(&reader);
		assert_false(reader.sample.partial);
		assert_int_equal(value(&reader, "exits"), ways[i].each_guest ? 12 : 7);
		reader_close(&reader);
	}
}

/* A new VM under an old name is another one: it begins at its own 0. */
static void test_name_used_again(void **state)
{
	struct reader reader;
	cleanup_free char *from = tree_path(&tree, TREE_KVM "/10-9");
	cleanup_free char *to = tree_path(&tree, "old");

	(void)state;
	put_vm(10, 100, 7);
	put_sums(100, 7);
	reader = reader_open(false);
	reader_select(&reader, ways[1], NULL);
	reader_read(&reader);
	assert_int_equal(rename(from, to), 0);
	put_vm(10, 150, 7);
	reader_read(&reader);
	assert_true(reader.sample.partial);
	assert_int_equal(value(&reader, "exits"), 150);
	reader_close(&reader);
}

/* Somebody wrote 0 to the file: it counts on from there. */
static void test_cleared_file(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 7);
	put_sums(100, 7);
	reader = reader_open(false);
	reader_select(&reader, ways[1], NULL);
	reader_read(&reader);
	put_vm(10, 3, 7);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 3);
	put_vm(10, 5, 7);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 5);
	reader_close(&reader);
}

/* A pid is a number, not the beginning of one. */
static void test_pid(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(1, 100, 1);
	put_vm(100001, 1000, 10);
	put_vm(11, 10000, 100);
	put_sums(11100, 111);
	reader = reader_open(true);
	reader_select(&reader, (struct selection){.pid = 1}, NULL);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 100);
	assert_int_equal(value(&reader, "pages_4k"), 1);
	reader_select(&reader, (struct selection){.pid = 100001}, NULL);
	put_vm(100001, 1003, 10);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 0);
	put_vm(1, 200, 1);
	put_vm(100001, 1007, 10);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 4);
	reader_select(&reader, (struct selection){.pid = 7}, NULL);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 0);
	reader_close(&reader);
}

/* The VM belongs to the process, whichever of its threads made it. */
static void test_pid_of_thread(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 1);
	tree_process(&tree, 500, "qemu", "", 0);
	tree_thread(&tree, 500, 10);
	put_sums(100, 1);
	reader = reader_open(true);
	reader_select(&reader, (struct selection){.pid = 500}, NULL);
	reader_read(&reader);
	assert_int_equal(value(&reader, "exits"), 100);
	reader_select(&reader, (struct selection){.pid = 500, .by = BY_GUEST, .only = "exits"},
		      NULL);
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "exits", 500), 0);
	assert_int_equal(value_for(&reader, "exits", 10), NO_ROW);
	reader_close(&reader);
}

static void test_by_guest(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 7);
	put_vm(20, 1000, 70);
	put_sums(1100, 77);
	reader = reader_open(false);
	reader_select(&reader, (struct selection){.by = BY_GUEST, .only = "exits"}, NULL);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 2);
	put_vm(10, 101, 7);
	put_vm(20, 1020, 70);
	put_vm(30, 5, 1);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 3);
	assert_int_equal(value_for(&reader, "exits", 10), 1);
	assert_int_equal(value_for(&reader, "exits", 20), 20);
	assert_int_equal(value_for(&reader, "exits", 30), 5);
	delete_vm(20);
	reader_read(&reader);
	assert_true(reader.sample.partial);
	assert_int_equal(reader.sample.count, 2);
	assert_int_equal(value_for(&reader, "exits", 20), NO_ROW);

	reader_select(&reader, (struct selection){.by = BY_GUEST, .only = "pages_4k"}, NULL);
	put_vm(10, 101, 9);
	reader_read(&reader);
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "pages_4k", 10), 9);
	assert_int_equal(value_for(&reader, "pages_4k", 30), 1);

	reader_select(&reader, (struct selection){.by = BY_GUEST, .only = "exit"}, NULL);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 0);
	reader_close(&reader);
}

/* Two VMs of one process are one guest. */
static void test_by_guest_with_two_vms(void **state)
{
	struct reader reader;

	(void)state;
	put_vm(10, 100, 7);
	tree_stat(&tree, "10-12", "exits", false, 30);
	put_sums(130, 7);
	reader = reader_open(true);
	reader_select(&reader, (struct selection){.by = BY_GUEST, .only = "exits"}, NULL);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 1);
	assert_int_equal(value_for(&reader, "exits", 10), 130);

	/* What the one that ends has counted stays, its states do not. */
	reader_select(&reader, (struct selection){.by = BY_GUEST}, NULL);
	tree_stat(&tree, "10-12", "pages_4k", true, 40);
	reader_read(&reader);
	put_vm(10, 102, 7);
	tree_stat(&tree, "10-12", "exits", false, 33);
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "exits", 10), 5);
	assert_int_equal(value_for(&reader, "pages_4k", 10), 47);
	tree_delete(&tree, TREE_KVM "/10-12");
	put_vm(10, 106, 7);
	reader_read(&reader);
	assert_true(reader.sample.partial);
	assert_int_equal(value_for(&reader, "exits", 10), 9);
	assert_int_equal(value_for(&reader, "pages_4k", 10), 7);

	/* Another one in its place, and in the same moment. */
	tree_delete(&tree, TREE_KVM "/10-9");
	tree_stat(&tree, "10-15", "exits", false, 1);
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "exits", 10), 10);
	reader_close(&reader);
}

/* A VM whose process is found later: what was told of its thread is not told of that as well. */
static void test_process_found_later(void **state)
{
	struct reader reader;

	(void)state;
	tree_stat(&tree, "10-9", "exits", false, 100);
	put_sums(100, 0);
	reader = reader_open(true);
	reader_select(&reader, (struct selection){.by = BY_GUEST, .only = "exits"}, NULL);
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "exits", 10), 100);
	tree_process(&tree, 70, "vmm", "", 0);
	tree_thread(&tree, 70, 77);
	tree_dir(&tree, TREE_KVM "/10-9/vcpu0");
	tree_put(&tree, TREE_KVM "/10-9/vcpu0/pid", "77\n");
	tree_stat(&tree, "10-9", "exits", false, 103);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 1);
	assert_int_equal(value_for(&reader, "exits", 70), 3);
	tree_stat(&tree, "10-9", "exits", false, 104);
	reader_read(&reader);
	assert_int_equal(value_for(&reader, "exits", 70), 4);
	reader_close(&reader);
}

static void test_filter(void **state)
{
	struct reader reader;
	struct source_health health;

	(void)state;
	put_sums(5, 7);
	reader = reader_open(true);
	reader_select(&reader, (struct selection){0}, "pages|ha");
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 2);
	assert_int_equal(value(&reader, "exits"), NO_ROW);
	health = source_health(reader.source);
	assert_int_equal(health.fields, 2);
	assert_int_equal(health.unreadable, 0);
	assert_int_equal(health.error, 0);
	reader_select(&reader, (struct selection){0}, "nothing");
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 0);
	assert_int_equal(source_health(reader.source).fields, 0);
	reader_close(&reader);
}

/* s390: instruction_* are parts of exit_instruction, elsewhere they are fields like any other. */
static void test_s390(void **state)
{
	struct reader reader;

	(void)state;
	tree_stat(&tree, "", "exit_instruction", false, 10);
	tree_stat(&tree, "", "exit_null", false, 1);
	tree_stat(&tree, "", "instruction_diag_44", false, 4);
	tree_stat(&tree, "", "instruction_stsi", false, 6);
	reader = reader_open(true);
	reader_select(&reader, (struct selection){0}, NULL);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 2);
	reader_select(&reader, (struct selection){.children = true}, NULL);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 4);
	assert_string_equal(find_row(&reader, "instruction_stsi", 0)->parent, "exit_instruction");
	assert_null(find_row(&reader, "exit_null", 0)->parent);
	tree_process(&tree, 10, "qemu", "", 0);
	tree_stat(&tree, "10-9", "exit_instruction", false, 10);
	tree_stat(&tree, "10-9", "instruction_stsi", false, 6);
	reader_select(&reader, (struct selection){.children = true, .by = BY_GUEST}, NULL);
	reader_read(&reader);
	assert_string_equal(find_row(&reader, "instruction_stsi", 10)->parent, "exit_instruction");
	/* A part that is wanted brings the whole along. */
	reader_select(&reader, (struct selection){.children = true}, "instruction_s");
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 2);
	assert_int_not_equal(value(&reader, "exit_instruction"), NO_ROW);
	assert_int_not_equal(value(&reader, "instruction_stsi"), NO_ROW);
	reader_close(&reader);

	tree_delete(&tree, TREE_KVM "/exit_instruction");
	reader = reader_open(true);
	reader_select(&reader, (struct selection){0}, NULL);
	reader_read(&reader);
	assert_int_equal(reader.sample.count, 3);
	assert_null(find_row(&reader, "instruction_stsi", 0)->parent);
	reader_close(&reader);
}

/* Numbers as large as they come. */
static void test_large_numbers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < array_size(ways); i++) {
		struct reader reader;

		tree_process(&tree, 10, "qemu", "", 0);
		tree_stat(&tree, "10-9", "exits", false, UINT64_MAX - 5);
		tree_stat(&tree, "", "exits", false, UINT64_MAX - 5);
		reader = reader_open(false);
		reader_select(&reader, ways[i], NULL);
		reader_read(&reader);
		tree_stat(&tree, "10-9", "exits", false, UINT64_MAX);
		tree_stat(&tree, "", "exits", false, UINT64_MAX);
		reader_read(&reader);
		assert_int_equal(value(&reader, "exits"), 5);
		reader_close(&reader);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TREE(test_open),
		IN_TREE(test_fields),
		IN_TREE(test_baseline),
		IN_TREE(test_include_past),
		IN_TREE(test_born_later),
		IN_TREE(test_first_guest),
		IN_TREE(test_ended),
		IN_TREE(test_name_used_again),
		IN_TREE(test_cleared_file),
		IN_TREE(test_pid),
		IN_TREE(test_pid_of_thread),
		IN_TREE(test_by_guest),
		IN_TREE(test_by_guest_with_two_vms),
		IN_TREE(test_process_found_later),
		IN_TREE(test_filter),
		IN_TREE(test_s390),
		IN_TREE(test_large_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
