/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "kvm_stat/rows.h"
#include "tests/unit/made_report.h"

#define HOSTILE "bad\\xff\"\\\\x1b\\x0a, {x=\"1\"}"
#define QUOTED  "\"bad\\xff\"\"\\\\x1b\\x0a, {x=\"\"1\"\"}\""

enum form { BATCH, LOG, CSV, CSV_SKIP_ZERO };

static void assert_rows(unsigned int number, enum form form, const char *expected)
{
	struct made_report made;
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	enum selection_by by;

	assert_non_null(stream);
	assert_true(made_report_fill(&made, number));
	by = made.report.by;
	if (form == BATCH) {
		rows_write_batch_titles(stream, by);
		assert_int_equal(rows_write_batch(stream, &made.report), 0);
	} else {
		rows_write_log_titles(stream, by, form != LOG);
		assert_int_equal(
			rows_write_log(stream, &made.report, form != LOG, form == CSV_SKIP_ZERO),
			0);
	}
	assert_int_equal(fclose(stream), 0);
	assert_string_equal(text, expected);
	free(text);
	made_report_done(&made);
}

static void test_batch(void **state)
{
	(void)state;
	assert_rows(1, BATCH,
		    "GUEST                     PID FIELD                                      "
		    "    TOTAL     DELTA\n"
		    "web                      1000 exits                                      "
		    "       50        30\n"
		    "web                      1000 kvm_exit                                   "
		    "        9         9\n"
		    "web                      1000 kvm_exit(HLT)                              "
		    "        9         6\n"
		    "web                      1000 pages_4k                                   "
		    "        7         0\n" HOSTILE
		    "     1001 exits                                             60        40\n"
		    "-                        1002 exits                                      "
		    "       70        70\n");
	assert_rows(
		2, BATCH,
		"GUEST                     PID VCPU      TID FIELD                                "
		"          TOTAL     DELTA\n"
		"web                      1000    -     1000 kvm_exit                             "
		"              1         1\n"
		"web                      1000    -     1000 kvm_exit(HLT)                        "
		"              1         1\n"
		"web                      1000    0     1010 kvm_exit                             "
		"              9         9\n"
		"web                      1000    0     1010 kvm_exit(HLT)                        "
		"              9         9\n"
		"web                      1000    1     1011 kvm_exit                             "
		"              4         4\n"
		"web                      1000    1     1011 kvm_exit(HLT)                        "
		"              4         0\n" HOSTILE
		"     1001    0     2010 kvm_exit                                           8     "
		"    8\n" HOSTILE
		"     1001    0     2010 kvm_exit(HLT)                                      8     "
		"    8\n");
}

static void test_log(void **state)
{
	(void)state;
	assert_rows(1, LOG,
		    "TIME                GUEST                     PID FIELD                      "
		    "                    VALUE\n"
		    "2023-11-14 22:13:20 web                      1000 exits                      "
		    "                       30\n"
		    "2023-11-14 22:13:20 web                      1000 kvm_exit                   "
		    "                        9\n"
		    "2023-11-14 22:13:20 web                      1000 kvm_exit(HLT)              "
		    "                        6\n"
		    "2023-11-14 22:13:20 web                      1000 pages_4k                   "
		    "                        7\n"
		    "2023-11-14 22:13:20 " HOSTILE
		    "     1001 exits                                             40\n"
		    "2023-11-14 22:13:20 -                        1002 exits                      "
		    "                       70\n");
}

static void test_csv(void **state)
{
	(void)state;
	assert_rows(1, CSV,
		    "timestamp,guest,pid,vcpu,tid,field,value\n"
		    "2023-11-14 22:13:20,web,1000,,,exits,30\n"
		    "2023-11-14 22:13:20,web,1000,,,kvm_exit,9\n"
		    "2023-11-14 22:13:20,web,1000,,,kvm_exit(HLT),6\n"
		    "2023-11-14 22:13:20,web,1000,,,pages_4k,7\n"
		    "2023-11-14 22:13:20," QUOTED ",1001,,,exits,40\n"
		    "2023-11-14 22:13:20," QUOTED ",1001,,,kvm_exit,0\n"
		    "2023-11-14 22:13:20," QUOTED ",1001,,,kvm_exit(HLT),0\n"
		    "2023-11-14 22:13:20,,1002,,,exits,70\n");
	/* A state that stays is none of nothing. */
	assert_rows(1, CSV_SKIP_ZERO,
		    "timestamp,guest,pid,vcpu,tid,field,value\n"
		    "2023-11-14 22:13:20,web,1000,,,exits,30\n"
		    "2023-11-14 22:13:20,web,1000,,,kvm_exit,9\n"
		    "2023-11-14 22:13:20,web,1000,,,kvm_exit(HLT),6\n"
		    "2023-11-14 22:13:20,web,1000,,,pages_4k,7\n"
		    "2023-11-14 22:13:20," QUOTED ",1001,,,exits,40\n"
		    "2023-11-14 22:13:20,,1002,,,exits,70\n");
	assert_rows(2, CSV_SKIP_ZERO,
		    "timestamp,guest,pid,vcpu,tid,field,value\n"
		    "2023-11-14 22:13:20,web,1000,,1000,kvm_exit,1\n"
		    "2023-11-14 22:13:20,web,1000,,1000,kvm_exit(HLT),1\n"
		    "2023-11-14 22:13:20,web,1000,0,1010,kvm_exit,9\n"
		    "2023-11-14 22:13:20,web,1000,0,1010,kvm_exit(HLT),9\n"
		    "2023-11-14 22:13:20,web,1000,1,1011,kvm_exit,4\n"
		    "2023-11-14 22:13:20," QUOTED ",1001,0,2010,kvm_exit,8\n"
		    "2023-11-14 22:13:20," QUOTED ",1001,0,2010,kvm_exit(HLT),8\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_csv),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
