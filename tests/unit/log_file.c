/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm_stat/log_file.h"
#include "tests/unit/capture.h"
#include "tests/unit/tree.h"

static struct tree tree;
static char *path; /* of "log" in the tree */

static int setup(void **state)
{
	(void)state;
	tree_make(&tree);
	path = tree_path(&tree, "log");
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

static void write_text(struct log_file *file, const char *text)
{
	assert_int_equal(log_file_write(file, text, strlen(text)), 0);
}

static void test_append(void **state)
{
	struct log_file file = LOG_FILE_NONE;
	struct stat st;
	mode_t before = umask(027);

	(void)state;
	assert_int_equal(log_file_open(&file, path, -1), 0);
	assert_true(file.regular);
	assert_true(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
	write_text(&file, "one\n");
	write_text(&file, "");
	assert_int_equal(log_file_close(&file), 0);
	assert_int_equal(file.fd, -1);
	assert_int_equal(log_file_close(&file), 0);
	assert_int_equal(log_file_open(&file, path, -1), 0);
	write_text(&file, "two\n");
	/* At the end, also when somebody else has written meanwhile or cut the file. */
	assert_int_equal(truncate(path, 0), 0);
	write_text(&file, "three\n");
	assert_int_equal(log_file_close(&file), 0);
	assert_holds("log", "three\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	umask(before);
}

static void test_last_line(void **state)
{
	struct log_file file = LOG_FILE_NONE;

	(void)state;
	assert_int_equal(log_file_open(&file, path, -1), 0);
	assert_false(log_file_last_line_is(&file, "time,", "time,a\n"));
	write_text(&file, "time,a\n");
	assert_true(log_file_last_line_is(&file, "time,", "time,a\n"));
	assert_false(log_file_last_line_is(&file, "time,", "time,\n"));
	assert_false(log_file_last_line_is(&file, "time,", "time,ab\n"));
	assert_false(log_file_last_line_is(&file, "tame,", "time,a\n"));
	write_text(&file, "1,2\ntim\n\n");
	assert_true(log_file_last_line_is(&file, "time,", "time,a\n"));
	/* It is the last one that counts, and a line without its end is none. */
	write_text(&file, "time,b,c\n1,2,3\ntime,a");
	assert_false(log_file_last_line_is(&file, "time,", "time,a\n"));
	assert_true(log_file_last_line_is(&file, "time,", "time,b,c\n"));
	assert_int_equal(log_file_close(&file), 0);
}

/* A crash left half a line: what comes then begins a new one. */
static void test_unfinished_line(void **state)
{
	struct log_file file = LOG_FILE_NONE;

	(void)state;
	tree_put(&tree, "log", "one\ntw");
	assert_int_equal(log_file_open(&file, path, -1), 0);
	write_text(&file, "three\n");
	assert_int_equal(log_file_close(&file), 0);
	assert_int_equal(log_file_open(&file, path, -1), 0);
	write_text(&file, "four\n");
	assert_int_equal(log_file_close(&file), 0);
	assert_holds("log", "one\ntw\nthree\nfour\n");
}

/* Nobody reads the pipe: a signal must be able to end the write that waits for it. */
static void test_stuck_pipe(void **state)
{
	struct log_file file = LOG_FILE_NONE;
	char line[1024];
	int ends[2], signal_ends[2], r = 0;
	size_t written = 0;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pipe(signal_ends), 0);
	memset(line, 'x', sizeof(line));
	file = (struct log_file){.fd = ends[1], .signal_fd = signal_ends[0]};
	assert_int_equal(write(signal_ends[1], "s", 1), 1);
	while ((r = log_file_write(&file, line, sizeof(line))) == 0)
		written += sizeof(line);
	assert_int_equal(r, -ECANCELED);
	assert_true(written >= 4096);
	close(ends[0]);
	close(ends[1]);
	close(signal_ends[0]);
	close(signal_ends[1]);
}

/* Whatever stands under the name is refused at once instead of waited for. */
static void test_refused(void **state)
{
	struct log_file file = LOG_FILE_NONE;
	cleanup_free char *directory = tree_path(&tree, "dir");
	cleanup_free char *below = tree_path(&tree, "none/log");
	cleanup_free char *fifo = tree_path(&tree, "fifo");
	int reader;

	(void)state;
	tree_dir(&tree, "dir");
	tree_fifo(&tree, "fifo");
	assert_int_equal(log_file_open(&file, directory, -1), -EISDIR);
	assert_int_equal(log_file_open(&file, below, -1), -ENOENT);
	assert_int_equal(log_file_open(&file, "", -1), -ENOENT);
	assert_int_equal(log_file_open(&file, fifo, -1), -ENOTSUP);
	reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(log_file_open(&file, fifo, -1), -ENOTSUP);
	close(reader);
	assert_int_equal(file.fd, -1);
}

/* A FIFO that may only be written to; root may do all, so there it takes another user. */
static void test_fifo_for_writing(void **state)
{
	struct log_file file = LOG_FILE_NONE;
	cleanup_free char *fifo = tree_path(&tree, "fifo");

	(void)state;
	tree_fifo(&tree, "fifo");
	assert_int_equal(chmod(tree.path, 0755), 0);
	assert_int_equal(chmod(fifo, 0222), 0);
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_int_equal(log_file_open(&file, fifo, -1), -ENXIO);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

static void test_full_device(void **state)
{
	struct log_file file = LOG_FILE_NONE;

	(void)state;
	assert_int_equal(log_file_open(&file, "/dev/full", -1), 0);
	assert_false(file.regular);
	assert_int_equal(log_file_write(&file, "x\n", 2), -ENOSPC);
	assert_false(log_file_last_line_is(&file, "x", "x\n"));
	assert_int_equal(log_file_close(&file), 0);
	assert_int_equal(log_file_open(&file, "/dev/null", -1), 0);
	assert_int_equal(log_file_write(&file, "x\n", 2), 0);
	assert_int_equal(log_file_close(&file), 0);
}

static void test_rotation(void **state)
{
	int close_error;
	struct log_file file = LOG_FILE_NONE;
	cleanup_free char *old = tree_path(&tree, "log.1");

	(void)state;
	assert_int_equal(log_file_open(&file, path, -1), 0);
	write_text(&file, "one\n");
	assert_int_equal(rename(path, old), 0);
	write_text(&file, "two\n");
	assert_int_equal(log_file_reopen(&file, &close_error), 0);
	write_text(&file, "three\n");
	assert_holds("log.1", "one\ntwo\n");
	assert_holds("log", "three\n");

	/* Where the new file cannot be opened, the old one goes on. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(log_file_reopen(&file, &close_error), -EISDIR);
	write_text(&file, "four\n");
	assert_int_equal(log_file_close(&file), 0);
}

/* The disk is full amid a record: the part that was written is taken back. */
static void test_partial_write(void **state)
{
	struct log_file file = LOG_FILE_NONE;
	struct rlimit limit = {.rlim_cur = 10}, before;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(log_file_open(&file, path, -1), 0);
	write_text(&file, "first\n");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(log_file_write(&file, "too much\n", 9), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_holds("log", "first\n");
	write_text(&file, "last\n");
	assert_int_equal(log_file_close(&file), 0);
	assert_holds("log", "first\nlast\n");
}

static void test_stdout(void **state)
{
	struct capture out = capture_start(1);
	struct log_file file = LOG_FILE_NONE;
	int close_error;
	int opened = log_file_open(&file, NULL, -1);
	int written = log_file_write(&file, "hello\n", 6);
	int reopened = log_file_reopen(&file, &close_error);
	int closed = log_file_close(&file);
	bool open_still = fcntl(1, F_GETFD) >= 0;
	cleanup_free char *text = capture_end(&out);

	(void)state;
	assert_int_equal(opened, 0);
	assert_int_equal(written, 0);
	assert_int_equal(reopened, 0);
	assert_int_equal(closed, 0);
	assert_true(open_still);
	assert_string_equal(text, "hello\n");
}

/* A closed pipe is an error like any other. */
static void test_broken_pipe(void **state)
{
	struct log_file file;
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	file = (struct log_file){.fd = ends[1]};
	assert_int_equal(log_file_write(&file, "x", 1), -EPIPE);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_append, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unfinished_line, setup, teardown),
		cmocka_unit_test(test_stuck_pipe),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fifo_for_writing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partial_write, setup, teardown),
		cmocka_unit_test(test_stdout),
		cmocka_unit_test(test_broken_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
