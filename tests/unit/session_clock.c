/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rates are by the clock that is never set and stands still in suspend, in which no guest runs
 * either: the clocks of this program are those of the test.
 */
#include "tests/unit/unit.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kvm_stat/session.h"
#include "kvm_stat/signals.h"

#define HOUR INT64_C(3600)

static struct {
	bool made;
	int64_t monotonic, boot, real; /* s */
} clocks;

/* In the place of the C library's. */
int clock_gettime(clockid_t clock_id, struct timespec *tp)
{
	if (!clocks.made)
		return (int)syscall(SYS_clock_gettime, clock_id, tp);
	*tp = (struct timespec){0};
	switch (clock_id) {
	case CLOCK_MONOTONIC:
		tp->tv_sec = clocks.monotonic;
		return 0;
	case CLOCK_BOOTTIME:
		tp->tv_sec = clocks.boot;
		return 0;
	case CLOCK_REALTIME:
		tp->tv_sec = clocks.real;
		return 0;
	default:
		fail_msg("who asks for clock %d?", (int)clock_id);
		return -1;
	}
}

static uint64_t total;

static int made_read(struct source *source, struct sample *sample)
{
	(void)source;
	return sample_add(sample, (struct sample_row){.name = "kvm_exit", .value = total});
}

static struct source_health made_health(const struct source *source)
{
	(void)source;
	return (struct source_health){.fields = 1};
}

static const struct source_ops made_ops = {
	.kind = SOURCE_TRACEPOINTS, .read = made_read, .health = made_health};

static const struct jump {
	const char *what;
	int64_t monotonic, boot, real; /* s that each goes on */
} jumps[] = {
	{"nothing", 2, 2, 2},
	{"set back", 2, 2, -HOUR},
	{"set back behind 1970", 4, 4, -60 * 365 * 24 * HOUR},
	{"set forward", 4, 4, 60 * 365 * 24 * HOUR},
	{"suspended", 2, 8 * HOUR, 8 * HOUR},
	{"suspended and set back", 2, 8 * HOUR, -8 * HOUR},
};

static void test_jumps(void **state)
{
	struct source source = {.ops = &made_ops};
	struct session session = {.root = HOST_ROOT_NONE, .rates.first = true};
	size_t i;

	(void)state;
	session.sources[session.source_count++] = &source;
	clocks.monotonic = 100;
	clocks.boot = 200;
	clocks.real = INT64_C(1700000000);
	clocks.made = true;
	assert_int_equal(session_sample(&session), 0);
	for (i = 0; i < array_size(jumps); i++) {
		const struct jump *jump = &jumps[i];

		clocks.monotonic += jump->monotonic;
		clocks.boot += jump->boot;
		clocks.real += jump->real;
		total += 600;
		assert_int_equal(session_sample(&session), 0);
		assert_row(session.rates.seconds == (double)jump->monotonic, jump->what);
		assert_row(session.rates.rows[0].delta == 600, jump->what);
		assert_row(session.rates.rows[0].per_second == 600 / (double)jump->monotonic,
			   jump->what);
		/* What is shown as the time is the time. */
		assert_row(session.time.tv_sec == clocks.real, jump->what);
		/* And what waits for the next sample waits no longer, and no shorter. */
		assert_row(clock_now_ns() == (uint64_t)clocks.monotonic * 1000000000, jump->what);
	}
	clocks.made = false;
	session.source_count = 0; /* it is ours */
	session_close(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_jumps)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
