/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

#include "kvm_stat/output.h"

#define STAMP 1700000000 /* 2023-11-14 22:13:20 UTC */

static struct rate rows[] = {
	{.name = "exits", .total = 1234, .delta = 56},
	{.name = "kvm_exit(HLT)", .parent = "kvm_exit", .total = 7, .delta = 0},
	{.name = "pages_4k", .kind = FIELD_GAUGE, .total = 5000, .delta = -3},
	{.name = "quiet", .total = 0, .delta = 0},
};
static const struct rates rates = {.rows = rows, .count = array_size(rows)};

/* A stream in memory. */
struct memory {
	FILE *stream;
	char *text;
	size_t length;
};

static void memory_open(struct memory *memory)
{
	memory->stream = open_memstream(&memory->text, &memory->length);
	assert_non_null(memory->stream);
}

static void assert_written(struct memory *memory, const char *expected)
{
	assert_int_equal(fclose(memory->stream), 0);
	assert_string_equal(memory->text, expected);
	free(memory->text);
}

static void test_batch(void **state)
{
	struct memory memory;
	struct rate wide[] = {
		{.name = "a_name_that_is_longer_than_the_column_that_it_has",
		 .total = UINT64_MAX,
		 .delta = INT64_MAX},
		{.name = "halt_wait_ns", .total = 1980000000, .delta = 1980000000},
		{.name = "kvm_nested_vmexit(AVIC_UNACCELERATED_ACCESS)", .total = 5, .delta = 3},
	};
	struct rates wide_rates = {.rows = wide, .count = array_size(wide)};
	struct rates none = {0};

	(void)state;
	memory_open(&memory);
	output_batch(memory.stream, &rates);
	assert_written(&memory, "exits                                           1234        56\n"
				"kvm_exit(HLT)                                      7         0\n"
				"pages_4k                                        5000        -3\n"
				"quiet                                              0         0\n");
	memory_open(&memory);
	output_batch(memory.stream, &wide_rates);
	assert_written(&memory,
		       "a_name_that_is_longer_than_the_column_that_it_has"
		       " 18446744073709551615 9223372036854775807\n"
		       "halt_wait_ns                              1980000000 1980000000\n"
		       "kvm_nested_vmexit(AVIC_UNACCELERATED_ACCESS)         5         3\n");
	memory_open(&memory);
	output_batch(memory.stream, &none);
	assert_written(&memory, "");
}

/* A reason's times, all of them `ns`. */
static struct distribution times_of(uint64_t count, uint64_t ns, bool has_extremes)
{
	struct distribution times = {.bucket_count = 40,
				     .count = count,
				     .has_moments = true,
				     .sum = count * ns,
				     .squares_low = count * ns * ns,
				     .has_extremes = has_extremes,
				     .min = has_extremes ? ns : 0,
				     .max = has_extremes ? ns : 0};
	unsigned int bucket = 0;

	while (ns >> bucket)
		bucket++;
	times.buckets[bucket] = count;
	return times;
}

static void test_exits(void **state)
{
	const struct distribution io = times_of(300, 2000, true);
	const struct distribution cpuid = times_of(100, 500, false);
	const struct distribution halt = times_of(4, 250000000, true);
	const struct rate names[] = {{.name = "kvm_exit(IO)", .parent = "kvm_exit"},
				     {.name = "kvm_exit(CPUID)", .parent = "kvm_exit"},
				     {.name = "kvm_exit(HLT)", .parent = "kvm_exit"}};
	struct exit_row table_rows[] = {
		{.rate = &names[0], .times = &io, .count_share = 0.75, .time_share = 0.923},
		{.rate = &names[1], .times = &cpuid, .count_share = 0.25, .time_share = 0.077},
		{.rate = &names[2], .times = &halt, .halted = true},
	};
	struct exit_table table = {table_rows, 3, 3, 400, 650000};
	struct exit_table none = {0};
	struct memory memory;

	(void)state;
	memory_open(&memory);
	output_exits(memory.stream, &table);
	/* Where no extremes are known the longest is below the end of its bucket. */
	assert_written(
		&memory,
		"Exit reason                                  Count  %Count   %Time     Mean"
		"      Dev      p50      p99      Max\n"
		"kvm_exit(IO)                                   300    75.0    92.3    2.0us"
		"      0ns    2.0us    2.0us    2.0us\n"
		"kvm_exit(CPUID)                                100    25.0     7.7    500ns"
		"      0ns    384ns    509ns   <512ns\n"
		"kvm_exit(HLT)                                    4  halted            250ms"
		"      0ns    250ms    250ms    250ms\n"
		"Total without halts                            400                    650us\n");
	memory_open(&memory);
	output_exits(memory.stream, &none);
	assert_written(
		&memory,
		"Exit reason                                  Count  %Count   %Time     Mean"
		"      Dev      p50      p99      Max\n"
		"Total without halts                              0                      0ns\n");
}

/* The last bucket has no end. */
static void test_exit_without_end(void **state)
{
	struct distribution times = {
		.bucket_count = 2, .buckets = {0, 1}, .count = 1, .has_moments = true, .sum = 5};
	const struct rate name = {.name = "kvm_exit(IO)", .parent = "kvm_exit"};
	struct exit_row row = {.rate = &name, .times = &times, .count_share = 1, .time_share = 1};
	struct exit_table table = {&row, 1, 1, 1, 5};
	struct memory memory;

	(void)state;
	memory_open(&memory);
	output_exits(memory.stream, &table);
	assert_int_equal(fclose(memory.stream), 0);
	assert_non_null(strstr(memory.text, "     >1ns\n"));
	free(memory.text);
}

/* Columns stay while rows come and go, but no row may be without one. */
static void test_columns(void **state)
{
	struct log_columns columns = {0};
	struct rates fewer = {.rows = rows + 1, .count = array_size(rows) - 2};
	struct rates none = {0};
	struct rate renamed = rows[0];
	struct rates other = {.rows = &renamed, .count = 1};

	(void)state;
	assert_true(log_columns_cover(&columns, &none));
	assert_false(log_columns_cover(&columns, &rates));
	assert_int_equal(log_columns_set(&columns, &rates), 0);
	assert_true(log_columns_cover(&columns, &rates));
	assert_true(log_columns_cover(&columns, &fewer));
	assert_true(log_columns_cover(&columns, &none));
	renamed.name = "zz";
	assert_false(log_columns_cover(&columns, &other));
	renamed.name = "a";
	assert_false(log_columns_cover(&columns, &other));
	renamed = rows[1];
	renamed.parent = "other";
	assert_false(log_columns_cover(&columns, &other));
	log_columns_done(&columns);
	assert_int_equal(log_columns_set(&columns, &fewer), 0);
	assert_false(log_columns_cover(&columns, &rates));
	log_columns_done(&columns);
}

static void test_banner(void **state)
{
	struct log_columns columns = {0};
	struct memory memory;
	struct rate strange[] = {{.name = "a,b"}, {.name = "say \"x\""}, {.name = "plain"}};
	struct rates strange_rates = {.rows = strange, .count = array_size(strange)};
	struct rates none = {0};

	(void)state;
	assert_int_equal(log_columns_set(&columns, &rates), 0);
	memory_open(&memory);
	assert_int_equal(log_write_banner(memory.stream, &columns, false), 0);
	assert_written(&memory, "exits kvm_exit(HLT) pages_4k quiet \n");
	memory_open(&memory);
	assert_int_equal(log_write_banner(memory.stream, &columns, true), 0);
	assert_written(&memory, "timestamp,exits,kvm_exit(HLT),pages_4k,quiet\n");

	assert_int_equal(log_columns_set(&columns, &strange_rates), 0);
	memory_open(&memory);
	assert_int_equal(log_write_banner(memory.stream, &columns, true), 0);
	assert_written(&memory, "timestamp,\"a,b\",\"say \"\"x\"\"\",plain\n");

	assert_int_equal(log_columns_set(&columns, &none), 0);
	memory_open(&memory);
	assert_int_equal(log_write_banner(memory.stream, &columns, true), 0);
	assert_written(&memory, "timestamp\n");
	log_columns_done(&columns);
}

static void test_record(void **state)
{
	struct log_columns columns = {0};
	struct memory memory;

	(void)state;
	assert_int_equal(log_columns_set(&columns, &rates), 0);
	memory_open(&memory);
	log_write_record(memory.stream, &columns, &rates, false, STAMP);
	assert_written(&memory, "2023-11-14 22:13:20        56         0      5000         0\n");
	memory_open(&memory);
	log_write_record(memory.stream, &columns, &rates, true, STAMP);
	assert_written(&memory, "2023-11-14 22:13:20,56,0,5000,0\n");
	log_columns_done(&columns);
}

/* Rows that went are blanks in their column, rows that came have none. */
static void test_missing_and_new_rows(void **state)
{
	struct rate later[] = {
		{.name = "a_new_one", .delta = 11},
		{.name = "kvm_exit(HLT)", .parent = "kvm_exit", .delta = 22},
		{.name = "kvm_exit(HLT)", .parent = "kvm_exit_2", .delta = 33},
		{.name = "quiet", .delta = 44},
		{.name = "z_new_one", .delta = 55},
	};
	struct rates later_rates = {.rows = later, .count = array_size(later)};
	struct rates none = {0};
	struct log_columns columns = {0};
	struct memory memory;

	(void)state;
	assert_int_equal(log_columns_set(&columns, &rates), 0);
	memory_open(&memory);
	log_write_record(memory.stream, &columns, &later_rates, false, STAMP);
	assert_written(&memory, "2023-11-14 22:13:20         -        22         -        44\n");
	memory_open(&memory);
	log_write_record(memory.stream, &columns, &later_rates, true, STAMP);
	assert_written(&memory, "2023-11-14 22:13:20,,22,,44\n");
	memory_open(&memory);
	log_write_record(memory.stream, &columns, &none, true, STAMP);
	assert_written(&memory, "2023-11-14 22:13:20,,,,\n");
	log_columns_done(&columns);
}

static void test_local_time(void **state)
{
	struct log_columns columns = {0};
	struct rates none = {0};
	struct memory memory;

	(void)state;
	setenv("TZ", "XXX-5:30", 1);
	tzset();
	memory_open(&memory);
	log_write_record(memory.stream, &columns, &none, true, STAMP);
	assert_written(&memory, "2023-11-15 03:43:20\n");
	setenv("TZ", "UTC", 1);
	tzset();
}

static void test_zero(void **state)
{
	struct rate quiet[] = {{.name = "a", .total = 5},
			       {.name = "b", .kind = FIELD_GAUGE, .total = 7}};
	struct rates quiet_rates = {.rows = quiet, .count = array_size(quiet)};
	struct rates none = {0};

	(void)state;
	assert_true(log_is_zero(&none));
	assert_true(log_is_zero(&quiet_rates));
	assert_false(log_is_zero(&rates));
	quiet[1].delta = -1;
	assert_false(log_is_zero(&quiet_rates));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_exits),
		cmocka_unit_test(test_exit_without_end),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_banner),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_missing_and_new_rows),
		cmocka_unit_test(test_local_time),
		cmocka_unit_test(test_zero),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
