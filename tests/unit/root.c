/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "host/root.h"
#include "tests/unit/tree.h"

static struct tree tree;

static int setup(void **state)
{
	(void)state;
	tree_make(&tree);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

static void test_open(void **state)
{
	struct host_root root = HOST_ROOT_NONE;
	char *file = tree_path(&tree, "file");

	(void)state;
	tree_put(&tree, "file", "");
	assert_int_equal(host_root_open(file, &root), -ENOTDIR);
	assert_int_equal(host_root_open("/nonexistent-root", &root), -ENOENT);
	assert_int_equal(root.fd, -1);
	host_root_close(&root);
	assert_int_equal(host_root_open(NULL, &root), 0);
	assert_true(root.real);
	assert_true(host_exists(&root, "/proc/self/status"));
	host_root_close(&root);
	host_root_close(&root);
	assert_int_equal(root.fd, -1);
	assert_false(tree.root.real);
	free(file);
}

/* Links of a fixture mean the machine that it was taken from. */
static void test_links_stay_inside(void **state)
{
	static const struct {
		const char *path, *target, *holds; /* holds NULL: leads to nothing */
	} rows[] = {
		{"absolute", "/etc/passwd", "inside\n"},
		{"climbing", "../../../../../../../../etc/passwd", "inside\n"},
		{"deep/climbing", "../../../../../../../../etc/passwd", "inside\n"},
		{"chain", "absolute", "inside\n"},
		{"deep/dir", "/etc", NULL},
		{"outside", "/proc/self/status", NULL},
		{"loop", "loop", NULL},
	};
	char buf[64];
	size_t i;

	(void)state;
	tree_put(&tree, "etc/passwd", "inside\n");
	for (i = 0; i < array_size(rows); i++) {
		ssize_t length;

		tree_link(&tree, rows[i].path, rows[i].target);
		length = host_read(&tree.root, rows[i].path, buf, sizeof(buf));
		if (rows[i].holds)
			assert_string_equal(length < 0 ? "" : buf, rows[i].holds);
		else
			assert_row(length < 0, rows[i].path);
	}
	assert_int_equal(host_read(&tree.root, "deep/dir/passwd", buf, sizeof(buf)), 7);
	assert_int_equal(host_read(&tree.root, "../../../etc/passwd", buf, sizeof(buf)), 7);
	assert_int_equal(host_read(&tree.root, "loop", buf, sizeof(buf)), -ELOOP);
	assert_false(host_exists(&tree.root, "outside"));
	assert_true(host_exists(&tree.root, "deep/dir"));
}

/* What reads below an open directory must not leave the tree either. */
static void test_links_below_a_directory(void **state)
{
	cleanup_closedir DIR *dir = NULL;
	char outside[64], buf[64];
	uint64_t value;
	struct tree other;
	cleanup_free char *target = NULL;

	(void)state;
	tree_make(&other);
	tree_put(&other, "secret", "42\n");
	target = tree_path(&other, "secret");
	snprintf(outside, sizeof(outside), "%s", other.path);
	tree_link(&tree, "dir/file", target);
	tree_link(&tree, "dir/sub", outside);
	assert_int_equal(host_opendir(&tree.root, "dir", &dir), 0);
	assert_true(host_read_at(dirfd(dir), "file", buf, sizeof(buf)) < 0);
	assert_true(host_read_u64_at(dirfd(dir), "file", &value) < 0);
	assert_true(host_opendir_at(dirfd(dir), "sub", &dir) < 0);
	tree_remove(&other);
}

static void test_paths(void **state)
{
	cleanup_close int fd = -1;

	(void)state;
	tree_put(&tree, "a/b", "x");
	assert_true(host_exists(&tree.root, "a/b"));
	assert_true(host_exists(&tree.root, "/a/b"));
	assert_true(host_exists(&tree.root, "///a//b"));
	assert_true(host_exists(&tree.root, "/"));
	assert_false(host_exists(&tree.root, "a/c"));
	assert_false(host_exists(&tree.root, "a/b/c"));
	fd = host_open(&tree.root, "a/b", O_RDONLY);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_read(void **state)
{
	char buf[8];

	(void)state;
	tree_put(&tree, "seven", "1234567");
	tree_put(&tree, "eight", "12345678");
	tree_put(&tree, "empty", "");
	tree_dir(&tree, "dir");
	assert_int_equal(host_read(&tree.root, "seven", buf, sizeof(buf)), 7);
	assert_string_equal(buf, "1234567");
	assert_int_equal(host_read(&tree.root, "eight", buf, sizeof(buf)), -EFBIG);
	assert_int_equal(host_read(&tree.root, "empty", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(host_read(&tree.root, "dir", buf, sizeof(buf)), -EISDIR);
	assert_int_equal(host_read(&tree.root, "none", buf, sizeof(buf)), -ENOENT);
}

static void test_read_alloc(void **state)
{
	static char big[10000];
	static const size_t lengths[] = {0, 1, 4095, 4096, 4097, 8192, 10000};
	cleanup_closedir DIR *dir = NULL;
	size_t i;

	(void)state;
	memset(big, 'x', sizeof(big));
	big[17] = '\0';
	assert_int_equal(host_opendir(&tree.root, "/", &dir), 0);
	for (i = 0; i < array_size(lengths); i++) {
		char *data = NULL;

		tree_write(&tree, "f", 0644, big, lengths[i]);
		assert_int_equal(host_read_alloc(dirfd(dir), "f", lengths[i], &data), lengths[i]);
		assert_memory_equal(data, big, lengths[i]);
		assert_int_equal(data[lengths[i]], '\0');
		free(data);
		data = NULL;
		if (!lengths[i])
			continue;
		assert_int_equal(host_read_alloc(dirfd(dir), "f", lengths[i] - 1, &data), -EFBIG);
		assert_null(data);
	}
}

static void test_number_file(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		int result;
		uint64_t value;
	} rows[] = {
		{"0", 1, 0, 0},
		{"7\n", 2, 0, 7},
		{"18446744073709551615\n", 21, 0, UINT64_MAX},
		{"00000000000000000000000000007\n", 30, 0, 7},
		{"18446744073709551616\n", 21, -EBADMSG, 0},
		{"99999999999999999999\n", 21, -EBADMSG, 0},
		{"0000000000000000000000000000000000000007\n", 41, -EBADMSG, 0},
		{"", 0, -EBADMSG, 0},
		{"\n", 1, -EBADMSG, 0},
		{"7\n\n", 3, -EBADMSG, 0},
		{"-1\n", 3, -EBADMSG, 0},
		{"+1\n", 3, -EBADMSG, 0},
		{" 1\n", 3, -EBADMSG, 0},
		{"1 \n", 3, -EBADMSG, 0},
		{"0x10\n", 5, -EBADMSG, 0},
		{"1.5\n", 4, -EBADMSG, 0},
		{"garbage\n", 8, -EBADMSG, 0},
		{"1\0", 2, -EBADMSG, 0},
		{"1\0002\n", 4, -EBADMSG, 0},
		{"\0", 1, -EBADMSG, 0},
		{"\xff\xfe", 2, -EBADMSG, 0},
	};
	cleanup_closedir DIR *dir = NULL;
	size_t i;

	(void)state;
	assert_int_equal(host_opendir(&tree.root, "/", &dir), 0);
	for (i = 0; i < array_size(rows); i++) {
		uint64_t value = 99;

		tree_write(&tree, "n", 0444, rows[i].text, rows[i].length);
		assert_row(host_read_u64_at(dirfd(dir), "n", &value) == rows[i].result,
			   rows[i].text);
		assert_row(value == (rows[i].result ? 99 : rows[i].value), rows[i].text);
	}
}

/* Whatever stands under the name, nothing waits for it. */
static void test_never_blocks(void **state)
{
	cleanup_closedir DIR *dir = NULL;
	cleanup_free char *data = NULL;
	char buf[8];
	uint64_t value;

	(void)state;
	tree_fifo(&tree, "fifo");
	assert_int_equal(host_opendir(&tree.root, "/", &dir), 0);
	assert_int_equal(host_read(&tree.root, "fifo", buf, sizeof(buf)), -ENXIO);
	assert_int_equal(host_read_at(dirfd(dir), "fifo", buf, sizeof(buf)), 0);
	assert_int_equal(host_read_u64_at(dirfd(dir), "fifo", &value), -EBADMSG);
	assert_int_equal(host_read_alloc(dirfd(dir), "fifo", 8, &data), 0);
	assert_int_equal(host_opendir(&tree.root, "fifo", &dir), -ENOTDIR);
}

static void test_readdir(void **state)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	unsigned int seen = 0;
	int r;

	(void)state;
	tree_put(&tree, "d/0", "");
	tree_put(&tree, "d/1", "");
	tree_put(&tree, "d/2", "");
	assert_int_equal(host_opendir(&tree.root, "d", &dir), 0);
	while ((r = host_readdir(dir, &entry)) > 0)
		seen |= 1U << (entry->d_name[0] - '0');
	assert_int_equal(r, 0);
	assert_int_equal(seen, 7);
	assert_int_equal(host_opendir_at(dirfd(dir), "0", &dir), -ENOTDIR);
	assert_int_equal(host_opendir_at(dirfd(dir), "none", &dir), -ENOENT);
}

static void test_read_line(void **state)
{
	char buf[8];

	(void)state;
	tree_put(&tree, "line", "one\ntwo");
	assert_int_equal(host_read_line(&tree.root, "line", buf, sizeof(buf)), 3);
	assert_string_equal(buf, "one");
	tree_put(&tree, "line", "one");
	assert_int_equal(host_read_line(&tree.root, "line", buf, sizeof(buf)), 3);
	tree_put(&tree, "line", "");
	assert_int_equal(host_read_line(&tree.root, "line", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	tree_write(&tree, "line", 0644, "a\0b\n", 4);
	assert_int_equal(host_read_line(&tree.root, "line", buf, sizeof(buf)), 1);
	tree_put(&tree, "line", "12345678");
	assert_int_equal(host_read_line(&tree.root, "line", buf, sizeof(buf)), -EFBIG);
	assert_int_equal(host_read_line(&tree.root, "nothing", buf, sizeof(buf)), -ENOENT);
}

static void test_count_entries(void **state)
{
	(void)state;
	tree_dir(&tree, "counted");
	assert_int_equal(host_count_entries(&tree.root, "counted"), 0);
	tree_put(&tree, "counted/a", "");
	tree_dir(&tree, "counted/b/c");
	tree_link(&tree, "counted/d", "nowhere");
	assert_int_equal(host_count_entries(&tree.root, "counted"), 3);
	assert_int_equal(host_count_entries(&tree.root, "counted/a"), -ENOTDIR);
	assert_int_equal(host_count_entries(&tree.root, "nothing"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_stay_inside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_below_a_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_alloc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_number_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_readdir, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_count_entries, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
