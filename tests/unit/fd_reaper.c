/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "kvm_stat/fd_reaper.h"

#define MANY 200

static void open_many(int *fds, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
}

static void assert_closed(const int *fds, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
		assert_int_equal(errno, EBADF);
	}
}

/* How many descriptors are open: all that the test has not closed. */
static size_t count_open(void)
{
	size_t count = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void assert_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_closed_at_once(void **state)
{
	static const size_t counts[] = {0, 1, 3, 4, 5, MANY};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(counts); i++) {
		int fds[MANY];
		size_t before = count_open();

		open_many(fds, counts[i]);
		fd_reaper_close(fds, counts[i]);
		assert_closed(fds, counts[i]);
		assert_int_equal(count_open(), before);
		assert_no_child();
	}
}

static void test_no_signal(void **state)
{
	struct timespec now = {0};
	sigset_t set;
	int fds[MANY];

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	open_many(fds, MANY);
	fd_reaper_close(fds, MANY);
	/* At most that of the child which was waited for; none comes later. */
	(void)sigtimedwait(&set, NULL, &now);
	assert_int_equal(sigtimedwait(&set, NULL, &now), -1);
	assert_no_child();
}

/* In any order and with holes between them; those that are not meant stay. */
static void test_others_stay(void **state)
{
	int fds[MANY], chosen[MANY / 2];
	size_t i;

	(void)state;
	open_many(fds, MANY);
	for (i = 0; i < MANY / 2; i++)
		chosen[i] = fds[MANY - 2 - 2 * i];
	fd_reaper_close(chosen, MANY / 2);
	assert_closed(chosen, MANY / 2);
	for (i = 1; i < MANY; i += 2) {
		assert_true(fcntl(fds[i], F_GETFD) >= 0);
		close(fds[i]);
	}
}

/*
 * The reader of a pipe must not wait for whoever does the slow closing: that process keeps neither
 * the caller's stdout nor anything else that it was not given.
 */
static void test_pipe_ends(void **state)
{
	int ends[2], slow[2], fds[MANY];
	struct pollfd wait;
	char c;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(pipe2(slow, O_CLOEXEC), 0);
	open_many(fds, MANY - 1);
	fds[MANY - 1] = slow[1];
	fd_reaper_close(fds, MANY);
	close(ends[1]);
	wait = (struct pollfd){.fd = ends[0], .events = POLLIN};
	assert_int_equal(poll(&wait, 1, 10000), 1);
	assert_int_equal(read(ends[0], &c, 1), 0);
	/* It closes what it was given, too. */
	wait.fd = slow[0];
	assert_int_equal(poll(&wait, 1, 10000), 1);
	assert_int_equal(read(slow[0], &c, 1), 0);
	close(ends[0]);
	close(slow[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_at_once),
		cmocka_unit_test(test_no_signal),
		cmocka_unit_test(test_others_stay),
		cmocka_unit_test(test_pipe_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
