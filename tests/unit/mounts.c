/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "host/mounts.h"
#include "tests/unit/tree.h"

#define USUAL    "debugfs /sys/kernel/debug debugfs rw,nosuid 0 0\n"
#define SECOND   "debugfs /mnt/second debugfs rw 0 0\n"
#define ESCAPED  "debugfs /mnt/a\\040b\\011c\\134d debugfs rw 0 0\n"
#define OTHERS   "proc /proc proc rw 0 0\nsysfs /sys sysfs rw 0 0\n"
#define PRETENDS "debugfs /mnt/fuse fuse.debugfs rw,user_id=1000 0 0\n"

/* The directory that was opened, told by a file in it. */
static void assert_holds(int fd, const char *name)
{
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstatat(fd, name, &st, 0), 0);
	close(fd);
}

static void put_trees(const struct tree *tree)
{
	tree_put(tree, "sys/kernel/debug/kvm/usual", "");
	tree_put(tree, "mnt/second/kvm/second", "");
	tree_put(tree, "mnt/a b\tc\\d/kvm/escaped", "");
	tree_put(tree, "mnt/fuse/kvm/pretends", "");
}

static void test_which_one(void **state)
{
	static const struct {
		const char *mounts, *missing, *holds, *path;
	} rows[] = {
		{OTHERS USUAL, NULL, "usual", "/sys/kernel/debug/kvm"},
		{SECOND USUAL, NULL, "usual", "/sys/kernel/debug/kvm"},
		{PRETENDS USUAL SECOND, NULL, "usual", "/sys/kernel/debug/kvm"},
		{OTHERS SECOND, NULL, "second", "/mnt/second/kvm"},
		{PRETENDS SECOND, NULL, "second", "/mnt/second/kvm"},
		{OTHERS ESCAPED, NULL, "escaped", "/mnt/a b\tc\\d/kvm"},
		/* One without "kvm" is passed over for one that has it. */
		{USUAL SECOND, "sys/kernel/debug/kvm", "second", "/mnt/second/kvm"},
		{SECOND ESCAPED, "mnt/second/kvm", "escaped", "/mnt/a b\tc\\d/kvm"},
		/* A moved root without a mount table. */
		{NULL, NULL, "usual", "/sys/kernel/debug/kvm"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		cleanup_free char *path = NULL;
		struct tree tree;

		tree_make(&tree);
		put_trees(&tree);
		if (rows[i].mounts)
			tree_put(&tree, "proc/mounts", rows[i].mounts);
		if (rows[i].missing)
			tree_delete(&tree, rows[i].missing);
		assert_holds(mounts_open_debugfs(&tree.root, "kvm", &path), rows[i].holds);
		assert_string_equal(path, rows[i].path);
		tree_remove(&tree);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *mounts, *missing, *path;
		int error;
	} rows[] = {
		{OTHERS, NULL, "/sys/kernel/debug", -ENODEV},
		{"", NULL, "/sys/kernel/debug", -ENODEV},
		{PRETENDS, NULL, "/sys/kernel/debug", -ENODEV},
		{"garbage\n\n#\ndebugfs", NULL, "/sys/kernel/debug", -ENODEV},
		{USUAL, "sys/kernel/debug/kvm", "/sys/kernel/debug/kvm", -ENOENT},
		{SECOND, "mnt/second/kvm", "/mnt/second/kvm", -ENOENT},
		{NULL, "sys/kernel/debug/kvm", "/sys/kernel/debug/kvm", -ENOENT},
		{NULL, "sys", "/sys/kernel/debug/kvm", -ENODEV},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		cleanup_free char *path = NULL;
		struct tree tree;

		tree_make(&tree);
		put_trees(&tree);
		if (rows[i].mounts)
			tree_put(&tree, "proc/mounts", rows[i].mounts);
		tree_delete(&tree, rows[i].missing ? rows[i].missing : "nothing");
		assert_int_equal(mounts_open_debugfs(&tree.root, "kvm", &path), rows[i].error);
		assert_string_equal(path, rows[i].path);
		assert_int_equal(mounts_open_debugfs(&tree.root, "kvm", NULL), rows[i].error);
		tree_remove(&tree);
	}
}

/* A mount point that names a link must not lead out of a moved root. */
static void test_contained(void **state)
{
	struct tree tree;

	(void)state;
	tree_make(&tree);
	tree_put(&tree, "proc/mounts", "debugfs /mnt/link debugfs rw 0 0\n");
	tree_link(&tree, "mnt/link", "/");
	tree_put(&tree, "kvm/inside", "");
	assert_holds(mounts_open_debugfs(&tree.root, "kvm", NULL), "inside");
	assert_int_equal(mounts_open_debugfs(&tree.root, "usr", NULL), -ENOENT);
	tree_remove(&tree);
}

static void test_tracefs(void **state)
{
	static const struct {
		const char *mounts, *holds;
		int error;
	} rows[] = {
		{"tracefs /sys/kernel/tracing tracefs rw 0 0\n" USUAL, "own", 0},
		{"tracefs /sys/kernel/debug/tracing tracefs rw 0 0\n" USUAL, "below", 0},
		{USUAL, "below", 0},
		{"tracefs /mnt/none tracefs rw 0 0\n" OTHERS, NULL, -ENOENT},
		{OTHERS, NULL, -ENODEV},
		{SECOND, NULL, -ENODEV}, /* a debugfs without tracing */
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		cleanup_free char *path = NULL;
		struct tree tree;
		int fd;

		tree_make(&tree);
		tree_put(&tree, "sys/kernel/tracing/events/own", "");
		tree_put(&tree, "sys/kernel/debug/tracing/events/below", "");
		tree_dir(&tree, "mnt/second");
		tree_put(&tree, "proc/mounts", rows[i].mounts);
		fd = mounts_open_tracefs(&tree.root, "events", &path);
		assert_non_null(path);
		if (rows[i].holds)
			assert_holds(fd, rows[i].holds);
		else
			assert_int_equal(fd, rows[i].error);
		tree_remove(&tree);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_one),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_contained),
		cmocka_unit_test(test_tracefs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
