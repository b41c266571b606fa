/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "kvm_stat/rates.h"

#define SECOND UINT64_C(1000000000)

static void update(struct rates *rates, struct sample *sample, uint64_t time_ns,
		   const struct sample_row *rows, size_t count)
{
	size_t i;

	sample_clear(sample);
	sample->time_ns = time_ns;
	for (i = 0; i < count; i++)
		assert_int_equal(sample_add(sample, rows[i]), 0);
	sample_sort(sample);
	assert_int_equal(rates_update(rates, sample), 0);
}

static void test_rates(void **state)
{
	static const struct sample_row first[] = {
		{.name = "a", .value = 10},
		{.name = "c", .value = 5},
		{.name = "gauge", .kind = FIELD_GAUGE, .value = 100}};
	static const struct sample_row second[] = {
		{.name = "a", .value = 14},
		{.name = "b", .value = 3},
		{.name = "c", .value = 5},
		{.name = "gauge", .kind = FIELD_GAUGE, .value = 70},
		{.name = "gauge2", .kind = FIELD_GAUGE, .value = 7}};
	static const int64_t deltas[] = {4, 3, 0, -30, 0};
	struct rates rates = {0};
	struct sample sample = {0};
	size_t i;

	(void)state;
	update(&rates, &sample, SECOND, first, array_size(first));
	assert_true(rates.first);
	assert_true(rates.seconds == 0);
	assert_int_equal(rates.count, 3);
	assert_int_equal(rates.rows[0].delta, 10);
	assert_true(rates.rows[0].per_second == 0);
	assert_int_equal(rates.rows[2].delta, 0);
	assert_int_equal(rates.rows[2].total, 100);

	update(&rates, &sample, 3 * SECOND, second, array_size(second));
	assert_false(rates.first);
	assert_true(rates.seconds == 2);
	for (i = 0; i < array_size(second); i++) {
		assert_string_equal(rates.rows[i].name, second[i].name);
		assert_int_equal(rates.rows[i].total, second[i].value);
		assert_row(rates.rows[i].delta == deltas[i], second[i].name);
		assert_true(rates.rows[i].per_second == (double)deltas[i] / 2);
	}
	rates_done(&rates);
	sample_done(&sample);
}

/* A thread that makes events before it runs its virtual CPU does not make them again as that. */
static void test_thread_becomes_vcpu(void **state)
{
	static const struct sample_row first[] = {
		{.name = "a", .guest = 1, .thread = {.tid = 11}, .value = 100},
		{.name = "a", .guest = 1, .thread = {.tid = 12}, .value = 40},
		{.name = "a", .guest = 2, .thread = {.tid = 13}, .value = 70}};
	static const struct sample_row second[] = {
		{.name = "a", .guest = 1, .thread = {.tid = 12}, .value = 41},
		{.name = "a",
		 .guest = 1,
		 .thread = {.is_vcpu = true, .vcpu = 0, .tid = 11},
		 .value = 103},
		{.name = "a",
		 .guest = 1,
		 .thread = {.is_vcpu = true, .vcpu = 1, .tid = 13},
		 .value = 9}};
	static const int64_t deltas[] = {1, 3, 9};
	struct rates rates = {0};
	struct sample sample = {0};
	size_t i;

	(void)state;
	update(&rates, &sample, SECOND, first, array_size(first));
	update(&rates, &sample, 2 * SECOND, second, array_size(second));
	assert_int_equal(rates.count, array_size(deltas));
	for (i = 0; i < array_size(deltas); i++)
		assert_int_equal(rates.rows[i].delta, deltas[i]);
	rates_done(&rates);
	sample_done(&sample);
}

/* Rows are told apart by parent and guest too. */
static void test_identity(void **state)
{
	static const struct sample_row first[] = {{.name = "a", .guest = 1, .value = 10},
						  {.name = "a", .guest = 2, .value = 20},
						  {.name = "a", .parent = "p", .value = 40}};
	static const struct sample_row second[] = {{.name = "a", .value = 1},
						   {.name = "a", .guest = 2, .value = 23},
						   {.name = "a", .guest = 3, .value = 5},
						   {.name = "a", .parent = "p", .value = 44},
						   {.name = "a", .parent = "q", .value = 2}};
	static const int64_t deltas[] = {1, 3, 5, 4, 2};
	struct rates rates = {0};
	struct sample sample = {0};
	size_t i;

	(void)state;
	update(&rates, &sample, SECOND, first, array_size(first));
	update(&rates, &sample, 2 * SECOND, second, array_size(second));
	for (i = 0; i < array_size(second); i++)
		assert_int_equal(rates.rows[i].delta, deltas[i]);
	rates_done(&rates);
	sample_done(&sample);
}

/* Whatever a source says, an event never happened less than not at all. */
static void test_never_negative(void **state)
{
	static const uint64_t values[] = {5, 3, 0, UINT64_MAX, 1, UINT64_MAX / 2};
	struct rates rates = {0};
	struct sample sample = {0};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(values); i++) {
		struct sample_row rows[] = {
			{.name = "events", .value = values[i]},
			{.name = "time", .kind = FIELD_TIME, .value = values[i] / 2}};

		update(&rates, &sample, (i + 1) * SECOND, rows, array_size(rows));
		assert_true(rates.rows[1].delta >= 0);
		if (i > 0 && values[i] < values[i - 1])
			assert_int_equal(rates.rows[0].delta, 0);
	}
	rates_done(&rates);
	sample_done(&sample);
}

static void test_restart(void **state)
{
	static const struct sample_row before[] = {{.name = "a", .value = 1000}};
	static const struct sample_row after[] = {{.name = "a", .value = 3}};
	struct rates rates = {0};
	struct sample sample = {0};

	(void)state;
	update(&rates, &sample, SECOND, before, 1);
	update(&rates, &sample, 2 * SECOND, before, 1);
	assert_false(rates.first);
	rates_restart(&rates);
	assert_int_equal(rates.count, 0);
	assert_true(rates.first);
	update(&rates, &sample, 3 * SECOND, after, 1);
	assert_true(rates.first);
	assert_int_equal(rates.rows[0].delta, 3);
	update(&rates, &sample, 4 * SECOND, after, 1);
	assert_int_equal(rates.rows[0].delta, 0);
	rates_done(&rates);
	sample_done(&sample);
}

/* As of a guest that does nothing any more. */
static void test_repeat(void **state)
{
	static const struct sample_row rows[] = {
		{.name = "a", .value = 10},
		{.name = "gauge", .kind = FIELD_GAUGE, .value = 70},
		{.name = "times", .value = 4}};
	struct distribution times = {.bucket_count = 2, .buckets = {1, 3}, .count = 4};
	struct rates rates = {0};
	struct sample sample = {0};
	size_t i;

	(void)state;
	/* There is nothing yet. */
	assert_int_equal(rates_repeat(&rates, &sample), 0);
	assert_int_equal(sample.count, 0);
	sample.time_ns = SECOND;
	for (i = 0; i < 2; i++)
		assert_int_equal(sample_add(&sample, rows[i]), 0);
	assert_int_equal(sample_add_distribution(&sample, rows[2], &times), 0);
	sample_sort(&sample);
	assert_int_equal(rates_update(&rates, &sample), 0);

	/* What was read meanwhile is not that guest's. */
	assert_int_equal(sample_add(&sample, (struct sample_row){.name = "b", .value = 9}), 0);
	assert_int_equal(rates_repeat(&rates, &sample), 0);
	sample.time_ns = 2 * SECOND;
	assert_int_equal(rates_update(&rates, &sample), 0);
	assert_int_equal(rates.count, array_size(rows));
	for (i = 0; i < array_size(rows); i++) {
		assert_string_equal(rates.rows[i].name, rows[i].name);
		assert_int_equal(rates.rows[i].total, rows[i].value);
		assert_int_equal(rates.rows[i].delta, 0);
	}
	assert_int_equal(rates.rows[2].distribution->count, 4);
	assert_int_equal(rates.rows[2].interval->count, 0);
	rates_done(&rates);
	sample_done(&sample);
}

static void test_empty_and_partial(void **state)
{
	static const struct sample_row rows[] = {{.name = "a", .value = 7}};
	struct rates rates = {0};
	struct sample sample = {0};

	(void)state;
	update(&rates, &sample, SECOND, rows, 0);
	assert_int_equal(rates.count, 0);
	sample_clear(&sample);
	sample.time_ns = 2 * SECOND;
	sample.partial = true;
	assert_int_equal(sample_add(&sample, rows[0]), 0);
	assert_int_equal(rates_update(&rates, &sample), 0);
	assert_true(rates.partial);
	assert_int_equal(rates.rows[0].delta, 7);
	update(&rates, &sample, 2 * SECOND, rows, 1); /* no time went by */
	assert_false(rates.partial);
	assert_true(rates.rows[0].per_second == 0);
	rates_done(&rates);
	sample_done(&sample);
}

static void test_sum(void **state)
{
	static const struct sample_row both[] = {
		{.name = "kvm_exit", .value = 10},
		{.name = "kvm_pio", .value = 6},
		{.name = "HLT", .parent = "kvm_exit", .value = 9},
		{.name = "halt_wait_ns", .kind = FIELD_TIME, .value = 1000000},
		{.name = "pages_4k", .kind = FIELD_GAUGE, .value = 5000}};
	static const struct sample_row children[] = {
		{.name = "HLT", .parent = "kvm_exit", .value = 9},
		{.name = "CPUID", .parent = "kvm_exit", .value = 4}};
	struct rates rates = {0};
	struct sample sample = {0};
	double per_second = -1;

	(void)state;
	assert_int_equal(rates_sum(&rates, &per_second), 0);
	assert_true(per_second == 0);
	update(&rates, &sample, SECOND, NULL, 0);
	update(&rates, &sample, 3 * SECOND, both, array_size(both));
	assert_int_equal(rates_sum(&rates, &per_second), 16);
	assert_true(per_second == 8);
	rates_restart(&rates);
	update(&rates, &sample, 4 * SECOND, NULL, 0);
	update(&rates, &sample, 5 * SECOND, children, array_size(children));
	assert_int_equal(rates_sum(&rates, NULL), 13);
	rates_done(&rates);
	sample_done(&sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_thread_becomes_vcpu),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_never_negative),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_repeat),
		cmocka_unit_test(test_empty_and_partial),
		cmocka_unit_test(test_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
