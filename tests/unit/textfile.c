/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host/text.h"
#include "kvm_stat/textfile.h"
#include "tests/unit/tree.h"

static struct tree tree;
static char *path; /* of "metrics/x.prom" in the tree */

static int setup(void **state)
{
	(void)state;
	tree_make(&tree);
	tree_dir(&tree, "metrics");
	path = tree_path(&tree, "metrics/x.prom");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(path);
	tree_remove(&tree);
	return 0;
}

static void assert_holds(const char *name, const char *expected)
{
	char buf[256];

	assert_true(host_read(&tree.root, name, buf, sizeof(buf)) >= 0);
	assert_string_equal(buf, expected);
}

static void assert_entries(int count)
{
	assert_int_equal(host_count_entries(&tree.root, "metrics"), count);
}

static int write_text(const char *text)
{
	return textfile_write(path, text, strlen(text));
}

static void test_replace(void **state)
{
	struct stat first, second;
	mode_t before = umask(0777);

	(void)state;
	assert_int_equal(write_text("one\n"), 0);
	assert_int_equal(stat(path, &first), 0);
	assert_int_equal(first.st_mode, S_IFREG | 0644);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(write_text("two\n"), 0);
	umask(before);
	assert_int_equal(stat(path, &second), 0);
	assert_int_equal(second.st_mode, S_IFREG | 0644);
	assert_true(first.st_ino != second.st_ino); /* who reads the old one reads it to its end */
	assert_holds("metrics/x.prom", "two\n");
	assert_int_equal(write_text(""), 0);
	assert_holds("metrics/x.prom", "");
	assert_entries(1);
	assert_int_equal(textfile_remove(path), 0);
	assert_int_equal(textfile_remove(path), 0);
	assert_entries(0);
}

/* As a full disk: the old file stays, nothing else does. */
static void test_no_room(void **state)
{
	static char much[100000];
	struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY}, before;

	(void)state;
	memset(much, 'x', sizeof(much));
	assert_int_equal(write_text("old\n"), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(textfile_write(path, much, sizeof(much)), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_holds("metrics/x.prom", "old\n");
	assert_entries(1);
	assert_int_equal(textfile_write(path, much, sizeof(much)), 0);
}

static void test_other_things_than_files(void **state)
{
	(void)state;
	tree_put(&tree, "secret", "secret\n");
	tree_link(&tree, "metrics/x.prom", "../secret");
	assert_int_equal(write_text("x"), -ELOOP);
	assert_int_equal(textfile_remove(path), -ELOOP);
	assert_holds("secret", "secret\n");
	assert_entries(1);
	tree_delete(&tree, "metrics/x.prom");
	tree_dir(&tree, "metrics/x.prom");
	assert_int_equal(write_text("x"), -ENOTSUP);
	assert_int_equal(textfile_remove(path), -ENOTSUP);
	tree_delete(&tree, "metrics/x.prom");
	tree_fifo(&tree, "metrics/x.prom");
	assert_int_equal(write_text("x"), -ENOTSUP);
	assert_entries(1);
	assert_int_equal(textfile_write("/dev/null", "x", 1), -ENOTSUP);
	assert_int_equal(textfile_write("/tmp/", "x", 1), -EISDIR);
	assert_int_equal(textfile_write("", "x", 1), -ENOENT);
}

/* Whoever may write to the directory prepares the temporary name: nothing else is overwritten. */
static void test_prepared_temporary(void **state)
{
	char *temporary = text_format("metrics/.x.prom.%d.tmp", (int)getpid());

	(void)state;
	assert_non_null(temporary);
	tree_put(&tree, "secret", "secret\n");
	tree_link(&tree, temporary, "../secret");
	assert_int_equal(write_text("new\n"), 0);
	assert_holds("secret", "secret\n");
	assert_holds("metrics/x.prom", "new\n");
	assert_entries(1);
	free(temporary);
}

static void test_missing_directory(void **state)
{
	(void)state;
	tree_delete(&tree, "metrics");
	assert_int_equal(write_text("x"), -ENOENT);
	assert_int_equal(textfile_remove(path), 0);
	tree_put(&tree, "metrics", "");
	assert_int_equal(write_text("x"), -ENOTDIR);
	tree_delete(&tree, "metrics");
	tree_dir(&tree, "metrics");
	assert_int_equal(write_text("x"), 0);
}

/* What killed processes left goes; what is of one that runs, or of another file, stays. */
static void test_sweep(void **state)
{
	pid_t dead = fork();
	char *gone, *alive;

	(void)state;
	if (dead == 0)
		_exit(0);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	gone = text_format("metrics/.x.prom.%d.tmp", (int)dead);
	alive = text_format("metrics/.x.prom.%d.tmp", (int)getpid());
	tree_put(&tree, gone, "");
	tree_put(&tree, alive, "");
	tree_put(&tree, "metrics/.x.prom.tmp", "");
	tree_put(&tree, "metrics/.x.prom.1a.tmp", "");
	tree_put(&tree, "metrics/.x.prom.99999999999999999999.tmp", "");
	tree_put(&tree, "metrics/.y.prom.1.tmp", "");
	tree_put(&tree, "metrics/x.prom", "");
	assert_entries(7);
	textfile_sweep(path);
	assert_entries(6);
	assert_false(host_exists(&tree.root, gone));
	free(gone);
	free(alive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_things_than_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prepared_temporary, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
