/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/exit_reason.h"
#include "kvm_stat/exit_table.h"
#include "tests/unit/formats.h"

static const struct distribution io = {.count = 30, .has_moments = true, .sum = 600};
static const struct distribution late_io = {.count = 10, .has_moments = true, .sum = 100};
static const struct distribution cpuid = {.count = 10, .has_moments = true, .sum = 200};
static const struct distribution halt = {.count = 5, .has_moments = true, .sum = 1000000};
static const struct distribution wait = {.count = 6, .has_moments = true, .sum = 2000000};
static const struct distribution all = {.count = 51, .has_moments = true, .sum = 3000800};
static const struct distribution never = {.has_moments = true};
static const struct distribution buckets_only = {.count = 7};

static struct rate exits[] = {
	{.name = "kvm_entry", .total = 51},
	{.name = "kvm_exit", .distribution = &all, .interval = &all},
	{.name = "kvm_exit(CPUID)",
	 .parent = "kvm_exit",
	 .distribution = &cpuid,
	 .interval = &cpuid},
	{.name = "kvm_exit(HLT)", .parent = "kvm_exit", .distribution = &halt, .interval = &halt},
	{.name = "kvm_exit(IO)", .parent = "kvm_exit", .distribution = &io, .interval = &late_io},
	{.name = "kvm_exit(MSR_READ)",
	 .parent = "kvm_exit",
	 .distribution = &buckets_only,
	 .interval = &buckets_only},
	{.name = "kvm_exit(NPF)", .parent = "kvm_exit", .distribution = &io, .interval = &never},
	{.name = "kvm_exit(WFx)", .parent = "kvm_exit", .distribution = &wait, .interval = &never},
	{.name = "kvm_exit(XSETBV)", .parent = "kvm_exit"},
};

static void assert_rows(const struct exit_table *table, const char *const *names, size_t count)
{
	double count_share = 0, time_share = 0;
	size_t i;

	assert_int_equal(table->count, count);
	for (i = 0; i < count; i++) {
		assert_string_equal(table->rows[i].rate->name, names[i]);
		count_share += table->rows[i].count_share;
		time_share += table->rows[i].time_share;
	}
	assert_true(fabs(count_share - 1) < 1e-9);
	assert_true(fabs(time_share - 1) < 1e-9);
}

/* The longest time first, halts last and without a share; the event itself is the sum of them. */
static void test_order_and_shares(void **state)
{
	static const char *const total[] = {"kvm_exit(IO)", "kvm_exit(NPF)", "kvm_exit(CPUID)",
					    "kvm_exit(WFx)", "kvm_exit(HLT)"};
	static const char *const interval[] = {"kvm_exit(CPUID)", "kvm_exit(IO)", "kvm_exit(HLT)"};
	const struct rates rates = {.rows = exits, .count = array_size(exits)};
	struct exit_table table = {0};

	(void)state;
	assert_int_equal(exit_table_update(&table, &rates, EXIT_TOTAL), 0);
	assert_rows(&table, total, array_size(total));
	assert_int_equal(table.exits, 70);
	assert_int_equal(table.time, 1400);
	assert_true(fabs(table.rows[0].count_share - 30.0 / 70) < 1e-9);
	assert_true(fabs(table.rows[2].time_share - 200.0 / 1400) < 1e-9);
	assert_false(table.rows[2].halted);
	assert_true(table.rows[3].halted && table.rows[4].halted);
	assert_true(table.rows[4].count_share == 0 && table.rows[4].time_share == 0);

	/* The same table again, of another span. */
	assert_int_equal(exit_table_update(&table, &rates, EXIT_INTERVAL), 0);
	assert_rows(&table, interval, array_size(interval));
	assert_int_equal(table.exits, 20);
	assert_int_equal(table.time, 300);
	assert_ptr_equal(table.rows[1].times, &late_io);
	exit_table_done(&table);
	assert_null(table.rows);
}

/* As on s390, whose event tells no reasons. */
static void test_event_without_reasons(void **state)
{
	static const char *const names[] = {"kvm_s390_sie_exit"};
	struct rate rows[] = {
		{.name = "kvm_s390_sie_exit", .distribution = &io, .interval = &io},
		{.name = "kvm_s390_sie_exits(HLT)", .parent = "kvm_s390_sie_exits"},
	};
	const struct rates rates = {.rows = rows, .count = array_size(rows)};
	struct exit_table table = {0};

	(void)state;
	assert_int_equal(exit_table_update(&table, &rates, EXIT_TOTAL), 0);
	assert_rows(&table, names, 1);
	exit_table_done(&table);
}

static void test_nothing(void **state)
{
	const struct rates none = {0};
	struct rate row = {.name = "kvm_exit(HLT)",
			   .parent = "kvm_exit",
			   .distribution = &halt,
			   .interval = &halt};
	const struct rates halts = {.rows = &row, .count = 1};
	struct exit_table table = {0};

	(void)state;
	assert_int_equal(exit_table_update(&table, &none, EXIT_TOTAL), 0);
	assert_int_equal(table.count, 0);
	assert_int_equal(exit_table_update(&table, &halts, EXIT_TOTAL), 0);
	assert_int_equal(table.count, 1);
	assert_int_equal(table.exits, 0);
	assert_true(table.rows[0].count_share == 0);
	exit_table_done(&table);
}

/* The reasons of an event that are halts, separated by blanks. */
static char *halts_of(const char *machine, enum exit_isa isa)
{
	struct event_format *format = formats_parse(machine, "kvm", "kvm_exit");
	struct exit_reasons *reasons;
	char *text = NULL;
	size_t i, length;
	FILE *out = open_memstream(&text, &length);

	assert_int_equal(exit_reasons_build("kvm_exit", format, isa, NULL, &reasons), 0);
	for (i = 0; i < reasons->count; i++) {
		if (exit_reason_is_halt(reasons->list[i].name))
			fprintf(out, "%s ", reasons->list[i].name);
	}
	fclose(out);
	exit_reasons_free(reasons);
	event_format_free(format);
	return text;
}

/* By the names that the reasons of each architecture have here. */
static void test_halts(void **state)
{
	static const struct {
		const char *machine;
		enum exit_isa isa;
		const char *halts;
	} rows[] = {
		{"x86_64", EXIT_ISA_VMX, "HLT MWAIT_INSTRUCTION "},
		{"x86_64", EXIT_ISA_SVM, "HLT MWAIT IDLE_HALT VMGEXIT_AP_HLT_LOOP MWAIT_COND "},
		{"aarch64", EXIT_ISA_UNKNOWN, "WFx "},
		{"loongarch64", EXIT_ISA_UNKNOWN, "IDLE "},
		{"riscv64", EXIT_ISA_UNKNOWN, ""},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		char *halts = halts_of(rows[i].machine, rows[i].isa);

		assert_string_equal(halts, rows[i].halts);
		free(halts);
	}
	assert_false(exit_reason_is_halt(""));
	assert_false(exit_reason_is_halt("HLT2"));
	assert_false(exit_reason_is_halt("H"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_shares),
		cmocka_unit_test(test_event_without_reasons),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_halts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
