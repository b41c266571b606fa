/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "kvm_stat/signals.h"

static const int handled[] = {SIGINT, SIGTERM, SIGHUP};

#define FAR_AWAY (clock_now_ns() + UINT64_C(3600000000000)) /* an hour: never waited for */

static int fd;

static void test_next(void **state)
{
	(void)state;
	assert_int_equal(signals_next(fd), 0);
	raise(SIGHUP);
	assert_int_equal(signals_next(fd), SIGHUP);
	assert_int_equal(signals_next(fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_wait_signal(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(signals); i++) {
		raise(signals[i]);
		assert_int_equal(signals_wait(fd, -1, FAR_AWAY), signals[i]);
	}
}

/* One that comes while it waits. */
static void test_wait_for_signal_to_come(void **state)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
	struct itimerspec soon = {.it_value.tv_nsec = 1000000};
	timer_t timer;

	(void)state;
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
	assert_int_equal(signals_wait(fd, -1, FAR_AWAY), SIGTERM);
	timer_delete(timer);
}

static void test_wait_deadline(void **state)
{
	uint64_t deadline = clock_now_ns() + 5000000;

	(void)state;
	assert_int_equal(signals_wait(fd, -1, deadline), 0);
	assert_true(clock_now_ns() >= deadline);
	/* One that has passed. */
	assert_int_equal(signals_wait(fd, -1, deadline), 0);
	assert_int_equal(signals_wait(fd, -1, 0), 0);
}

static void test_wait_other(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(signals_wait(fd, ends[0], clock_now_ns()), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(signals_wait(fd, ends[0], FAR_AWAY), -1);
	assert_int_equal(signals_wait(fd, ends[0], 0), -1);
	/* A signal goes first, and is not lost by it. */
	raise(SIGINT);
	assert_int_equal(signals_wait(fd, ends[0], FAR_AWAY), SIGINT);
	assert_int_equal(signals_wait(fd, ends[0], FAR_AWAY), -1);
	/* The other side is gone. */
	close(ends[1]);
	assert_int_equal(signals_wait(fd, ends[0], FAR_AWAY), -1);
	close(ends[0]);
}

/* What came before the deadline was looked at still counts. */
static void test_signal_at_deadline(void **state)
{
	(void)state;
	raise(SIGTERM);
	assert_int_equal(signals_wait(fd, -1, 0), SIGTERM);
}

static void test_broken_pipe_is_an_error(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(ends[1]);
}

/* nohup(1) stays in force: what was ignored at the start does not end the program. */
static void test_ignored_stays_ignored(void **state)
{
	sigset_t all, before;
	int other;

	(void)state;
	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &all, &before), 0);
	signal(SIGHUP, SIG_IGN);
	other = signals_open(handled, array_size(handled));
	assert_true(other >= 0);
	raise(SIGHUP);
	assert_int_equal(signals_next(other), 0);
	raise(SIGTERM);
	assert_int_equal(signals_next(other), SIGTERM);
	close(other);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	signal(SIGHUP, SIG_DFL);
}

static void test_clock(void **state)
{
	uint64_t before = clock_now_ns(), after = clock_now_ns();

	(void)state;
	assert_true(before > 0 && after >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_wait_signal),
		cmocka_unit_test(test_wait_for_signal_to_come),
		cmocka_unit_test(test_wait_deadline),
		cmocka_unit_test(test_wait_other),
		cmocka_unit_test(test_signal_at_deadline),
		cmocka_unit_test(test_broken_pipe_is_an_error),
		cmocka_unit_test(test_ignored_stays_ignored),
		cmocka_unit_test(test_clock),
	};

	fd = signals_open(handled, array_size(handled));
	if (fd < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
