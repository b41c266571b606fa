/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "kvm_stat/metrics.h"
#include "kvm_stat/metrics_name.h"
#include "tests/unit/made_report.h"

/* Names are a promise: what is in this table must not change. */
static void test_names(void **state)
{
	static const struct {
		struct rate rate;
		enum metrics_type type;
		const char *name;
	} rows[] = {
		{{.name = "exits"}, METRICS_COUNTER, "kvm_exits"},
		{{.name = "kvm_exit"}, METRICS_COUNTER, "kvm_exit"},
		{{.name = "kvm_exit(HLT)", .parent = "kvm_exit"}, METRICS_COUNTER, "kvm_exit"},
		{{.name = "kvm_exit(HLT)", .parent = "kvm_exit"},
		 METRICS_HISTOGRAM,
		 "kvm_exit_duration_seconds"},
		{{.name = "kvm_exit(FAILED_VMENTRY)", .parent = "kvm_exit", .is_flag = true},
		 METRICS_COUNTER,
		 "kvm_exit_flags"},
		{{.name = "instruction_sie", .parent = "exit_instruction"},
		 METRICS_COUNTER,
		 "kvm_instruction_sie"},
		{{.name = "halt_wait_ns", .kind = FIELD_TIME},
		 METRICS_COUNTER,
		 "kvm_halt_wait_seconds"},
		{{.name = "halt_wait_ns", .kind = FIELD_TIME, .unit = UNIT_NANOSECONDS},
		 METRICS_COUNTER,
		 "kvm_halt_wait_seconds"},
		{{.name = "halt_wait_hist", .kind = FIELD_HISTOGRAM, .unit = UNIT_NANOSECONDS},
		 METRICS_HISTOGRAM,
		 "kvm_halt_wait_duration_seconds"},
		{{.name = "kvm_halt_poll_ns"}, METRICS_COUNTER, "kvm_halt_poll_ns"},
		{{.name = "sizes", .kind = FIELD_HISTOGRAM},
		 METRICS_HISTOGRAM,
		 "kvm_sizes_distribution"},
		{{.name = "sizes", .kind = FIELD_HISTOGRAM, .unit = UNIT_BYTES},
		 METRICS_HISTOGRAM,
		 "kvm_sizes_distribution_bytes"},
		{{.name = "pages_4k", .kind = FIELD_GAUGE}, METRICS_GAUGE, "kvm_pages_4k"},
		{{.name = "mem_bytes", .kind = FIELD_GAUGE, .unit = UNIT_BYTES},
		 METRICS_GAUGE,
		 "kvm_mem_bytes"},
		{{.name = "spent", .unit = UNIT_CYCLES}, METRICS_COUNTER, "kvm_spent_cycles"},
		{{.name = "in_guest", .kind = FIELD_GAUGE, .unit = UNIT_BOOLEAN},
		 METRICS_GAUGE,
		 "kvm_in_guest"},
		{{.name = "a-b.c{} \xc3\xa4"}, METRICS_COUNTER, "kvm_a_b_c_____"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		char *name = metrics_family_name(&rows[i].rate, rows[i].type);

		assert_non_null(name);
		assert_string_equal(name, rows[i].name);
		free(name);
	}
}

static void test_reasons(void **state)
{
	static const struct {
		const char *name, *parent, *reason;
	} rows[] = {
		{"kvm_exit(HLT)", "kvm_exit", "HLT"},
		{"kvm_exit()", "kvm_exit", ""},
		{"kvm_exit((a))", "kvm_exit", "(a)"},
		{"kvm_exit(HLT", "kvm_exit", NULL},
		{"kvm_exit", NULL, NULL},
		{"kvm_exit(HLT)", NULL, NULL},
		{"kvm_exits(HLT)", "kvm_exit", NULL},
		{"instruction_sie", "exit_instruction", NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct rate rate = {.name = rows[i].name, .parent = rows[i].parent};
		char *reason = NULL;

		assert_row(metrics_is_reason(&rate, &reason) == (rows[i].reason != NULL),
			   rows[i].name);
		assert_string_equal(reason ? reason : "none",
				    rows[i].reason ? rows[i].reason : "none");
		free(reason);
	}
}

/* The metrics of fields in a made report, without those of kvm_stat itself; to be freed. */
static char *write_made(unsigned int number, const struct metrics_options *options, bool own)
{
	struct made_report made;
	char *text = NULL, *fields;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	size_t dropped;

	assert_non_null(stream);
	assert_true(made_report_fill(&made, number));
	assert_int_equal(metrics_write(stream, &made.report, options, &dropped), 0);
	assert_int_equal(fclose(stream), 0);
	made_report_done(&made);
	if (own)
		return text;
	fields = strstr(text, "\nkvm_stat_dropped_series ");
	assert_non_null(fields);
	fields = strdup(strchr(fields + 1, '\n') + 1);
	free(text);
	return fields;
}

static void assert_metrics(unsigned int number, bool openmetrics, const char *expected)
{
	struct metrics_options options = {.openmetrics = openmetrics, .limit = 20000};
	char *text = write_made(number, &options, false);

	assert_string_equal(text, expected);
	free(text);
}

#define WEB     "guest=\"web\",pid=\"1000\""
#define HOSTILE "guest=\"bad\\\\xff\\\"\\\\\\\\x1b\\\\x0a, {x=\\\"1\\\"}\",pid=\"1001\""

/* Names that no metric can have, and two that would be the same: valid, and said to be dropped. */
static void test_clashes(void **state)
{
	struct metrics_options options = {.limit = 20000};
	char *text;

	(void)state;
	assert_metrics(5, false,
		       "# HELP kvm_a_b_total Events of KVM: a-b\n"
		       "# TYPE kvm_a_b_total counter\n"
		       "kvm_a_b_total 1\n"
		       "# HELP kvm_evil__name___7_total Events of KVM\n"
		       "# TYPE kvm_evil__name___7_total counter\n"
		       "kvm_evil__name___7_total 4\n"
		       "# HELP kvm_x_total Events of KVM: kvm_x\n"
		       "# TYPE kvm_x_total counter\n"
		       "kvm_x_total 5\n");
	text = write_made(5, &options, true);
	assert_non_null(strstr(text, "\nkvm_stat_dropped_series 3\n"));
	free(text);
}

/* vCPUs, a thread that is none, and the event itself left out where its reasons are. */
static void test_vcpus(void **state)
{
	struct metrics_options options = {.openmetrics = true, .limit = 20000};
	char *text = write_made(2, &options, false);

	(void)state;
	assert_non_null(strstr(
		text, "# TYPE kvm_exit counter\n"
		      "kvm_exit_total{" WEB ",tid=\"1000\",reason=\"HLT\"} 1\n"
		      "kvm_exit_total{" WEB ",vcpu=\"0\",tid=\"1010\",reason=\"HLT\"} 9\n"
		      "kvm_exit_total{" WEB ",vcpu=\"1\",tid=\"1011\",reason=\"HLT\"} 4\n"
		      "kvm_exit_total{" HOSTILE ",vcpu=\"0\",tid=\"2010\",reason=\"HLT\"} 8\n"
		      "# HELP "));
	free(text);
}

/* One guest alone is named, though its rows are of no guest in particular. */
static void test_one_guest(void **state)
{
	(void)state;
	assert_metrics(3, true,
		       "# HELP kvm_exits Events of KVM: exits\n"
		       "# TYPE kvm_exits counter\n"
		       "kvm_exits_total{" HOSTILE "} 5\n"
		       "# EOF\n");
	assert_metrics(4, true, "# EOF\n");
	assert_metrics(4, false, "");
}

static size_t count_lines(const char *text, const char *start)
{
	size_t count = 0;
	const char *p;

	for (p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		count += strncmp(p, start, strlen(start)) == 0;
	return count;
}

/* The values of `both` in made_report.c below each bound: one value is a bound itself. */
static void test_histogram(void **state)
{
	struct metrics_options options = {.openmetrics = true, .limit = 20000};
	char *text = write_made(0, &options, false);

	(void)state;
	/* 0, 1, 1023 | 1024, 1500, 2000 | 70000 | 5 ms | 3 s */
	assert_non_null(strstr(text, "\nkvm_exit_duration_seconds_bucket{reason=\"HLT\","
				     "le=\"1.024e-06\"} 3\n"
				     "kvm_exit_duration_seconds_bucket{reason=\"HLT\","
				     "le=\"2.048e-06\"} 6\n"));
	assert_non_null(strstr(text, "le=\"6.5536e-05\"} 6\n"));
	assert_non_null(strstr(text, "le=\"0.000131072\"} 7\n"));
	assert_non_null(strstr(text, "le=\"1.073741824\"} 8\n"
				     "kvm_exit_duration_seconds_bucket{reason=\"HLT\","
				     "le=\"+Inf\"} 9\n"
				     "kvm_exit_duration_seconds_sum{reason=\"HLT\"} 3.005075548\n"
				     "kvm_exit_duration_seconds_count{reason=\"HLT\"} 9\n"));
	assert_int_equal(count_lines(text, "kvm_exit_duration_seconds_bucket"), 22);
	/* Without a sum OpenMetrics has no count either; Prometheus' readers need both. */
	assert_int_equal(count_lines(text, "kvm_halt_wait_duration_seconds_sum"), 0);
	assert_int_equal(count_lines(text, "kvm_halt_wait_duration_seconds_count"), 0);
	assert_non_null(strstr(text, "\nkvm_sizes_distribution_bucket{le=\"10.0\"} 0\n"
				     "kvm_sizes_distribution_bucket{le=\"20.0\"} 1\n"
				     "kvm_sizes_distribution_bucket{le=\"30.0\"} 3\n"
				     "kvm_sizes_distribution_bucket{le=\"+Inf\"} 6\n"));
	free(text);
	options.openmetrics = false;
	text = write_made(0, &options, false);
	assert_non_null(strstr(text, "\nkvm_halt_wait_duration_seconds_sum NaN\n"
				     "kvm_halt_wait_duration_seconds_count 9\n"));
	free(text);
}

/* Guests are left out as a whole, the same ones each time, and this is said. */
static void test_limit(void **state)
{
	static const struct {
		uint64_t limit;
		size_t web, hostile, nameless;
		const char *said;
	} rows[] = {
		/* web: exits, kvm_exit, pages_4k and a histogram of 24; the others only exits */
		{29, 1, 1, 1, "kvm_stat_dropped_guests 0\n"},
		{28, 1, 1, 0, "kvm_stat_dropped_guests 1\n"},
		{27, 1, 0, 0, "kvm_stat_dropped_guests 2\n"},
		{26, 0, 1, 1, "kvm_stat_dropped_guests 1\n"},
		{1, 0, 1, 0, "kvm_stat_dropped_guests 2\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct metrics_options options = {.limit = rows[i].limit};
		char *text = write_made(1, &options, true);

		assert_int_equal(count_lines(text, "kvm_exits_total{" WEB "} 50"), rows[i].web);
		assert_int_equal(count_lines(text, "kvm_exits_total{" HOSTILE "} 60"),
				 rows[i].hostile);
		assert_int_equal(count_lines(text, "kvm_exits_total{pid=\"1002\"} 70"),
				 rows[i].nameless);
		assert_non_null(strstr(text, rows[i].said));
		assert_int_equal(count_lines(text, "kvm_exits") + count_lines(text, "kvm_exit_") +
					 count_lines(text, "kvm_pages"),
				 rows[i].web * 27 + rows[i].hostile + rows[i].nameless);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),     cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_clashes),   cmocka_unit_test(test_vcpus),
		cmocka_unit_test(test_one_guest), cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
