/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "host/message.h"
#include "kvm_stat/options.h"
#include "kvm_stat/source.h"
#include "tests/unit/capture.h"
#include "version.h"

#define WORDS_MAX 16

/* One command line and what came of it. */
struct run {
	char *words;
	char *argv[WORDS_MAX];
	int argc, result, status;
	struct options options;
	char *out, *err;
};

/* Parses "kvm_stat" and the words of `line`, which are separated by '|'. */
static struct run run_line(const char *line)
{
	struct run run = {
		.words = strdup(line), .argc = 1, .argv = {(char *)"kvm_stat"}, .status = 42};
	struct capture out, err;
	char *rest = run.words;

	assert_non_null(run.words);
	while (*line && rest) {
		assert_true(run.argc < WORDS_MAX - 1);
		run.argv[run.argc++] = strsep(&rest, "|");
	}
	message_set_program(run.argv[0], "kvm_stat");
	out = capture_start(1);
	err = capture_start(2);
	run.result = options_parse(run.argc, run.argv, &run.options, &run.status);
	run.err = capture_end(&err);
	run.out = capture_end(&out);
	return run;
}

static void run_done(struct run *run)
{
	free(run->words);
	free(run->out);
	free(run->err);
}

/* Parses what must be fine; nothing may be said then. */
static struct run run_good(const char *line)
{
	struct run run = run_line(line);

	assert_row(run.result == 1 && run.status == 42, line);
	assert_string_equal(run.err, "");
	assert_string_equal(run.out, "");
	return run;
}

static void test_defaults(void **state)
{
	struct run run = run_good("");

	(void)state;
	assert_int_equal(run.options.mode, MODE_SCREEN);
	assert_false(run.options.format != FORMAT_TEXT || run.options.skip_zero ||
		     run.options.include_past || run.options.waits_for_kvm);
	assert_int_equal(run.options.sources, 0);
	assert_string_equal(run.options.fields, "");
	assert_null(run.options.guest);
	assert_int_equal(run.options.pid, 0);
	assert_null(run.options.log_file);
	assert_null(run.options.sysroot);
	assert_true(run.options.delay == 3.0);
	assert_int_equal(run.options.count, 0);
	run_done(&run);
}

static void test_modes(void **state)
{
	static const struct {
		const char *line;
		enum mode mode;
		const char *log_file;
		bool waits;
	} rows[] = {
		{"-1", MODE_BATCH, NULL, false},
		{"--once", MODE_BATCH, NULL, false},
		{"--batch", MODE_BATCH, NULL, false},
		{"-l", MODE_LOG, NULL, false},
		{"--log", MODE_LOG, NULL, false},
		{"-L|f", MODE_LOG, "f", true},
		{"-Lf", MODE_LOG, "f", true},
		{"-L=f", MODE_LOG, "f", true},
		{"--log-to-file|f", MODE_LOG, "f", true},
		{"--log-to-file=f", MODE_LOG, "f", true},
		{"--log-to-file==f", MODE_LOG, "=f", true},
		{"-l|-L|f", MODE_LOG, "f", true},
		{"-L|f|-l", MODE_LOG, "f", true},
		{"-L|f|-L|g", MODE_LOG, "g", true},
		{"-1|-l", MODE_LOG, NULL, false},
		{"-o|f", MODE_EXPORT, NULL, true},
		{"--output=f", MODE_EXPORT, NULL, true},
		{"--out|f|--by|guest", MODE_EXPORT, NULL, true},
		{"-f|help|-o|f", MODE_LIST_FIELDS, NULL, false},
		{"-f|help", MODE_LIST_FIELDS, NULL, false},
		{"-f|help|-1", MODE_LIST_FIELDS, NULL, false},
		{"-f|help|-L|f", MODE_LIST_FIELDS, "f", false},
		{"-f|helpx", MODE_SCREEN, NULL, false},
		{"--explain|HLT", MODE_EXPLAIN, NULL, false},
		{"--explain=|-1", MODE_EXPLAIN, NULL, false},
		{"-f|help|-L|f|--explain|help", MODE_EXPLAIN, "f", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_good(rows[i].line);

		assert_row(run.options.mode == rows[i].mode, rows[i].line);
		assert_string_equal(run.options.log_file ? run.options.log_file : "-",
				    rows[i].log_file ? rows[i].log_file : "-");
		assert_row(run.options.waits_for_kvm == rows[i].waits, rows[i].line);
		run_done(&run);
	}
}

static void test_formats(void **state)
{
	static const struct {
		const char *line;
		enum format format;
		enum selection_by by;
		uint64_t limit;
	} rows[] = {
		{"-1", FORMAT_TEXT, BY_FIELD, LIMIT_DEFAULT},
		{"-lc", FORMAT_CSV, BY_FIELD, LIMIT_DEFAULT},
		{"-l|-c|--format|csv", FORMAT_CSV, BY_FIELD, LIMIT_DEFAULT},
		{"-1|--format|csv", FORMAT_CSV, BY_FIELD, LIMIT_DEFAULT},
		{"-l|--format=text|--by|guest", FORMAT_TEXT, BY_GUEST, LIMIT_DEFAULT},
		{"-L|f|--format=json|--by=vcpu", FORMAT_JSON, BY_VCPU, LIMIT_DEFAULT},
		{"-o|f", FORMAT_PROMETHEUS, BY_FIELD, LIMIT_DEFAULT},
		{"-o|f|--limit|7", FORMAT_PROMETHEUS, BY_FIELD, 7},
		{"--format|openmetrics|-o|f", FORMAT_OPENMETRICS, BY_FIELD, LIMIT_DEFAULT},
		{"-l|--format|openmetrics|--limit=1", FORMAT_OPENMETRICS, BY_FIELD, 1},
		{"-1|--by|guest|--by|field", FORMAT_TEXT, BY_FIELD, LIMIT_DEFAULT},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_good(rows[i].line);

		assert_row(run.options.format == rows[i].format, rows[i].line);
		assert_row(run.options.by == rows[i].by, rows[i].line);
		assert_row(run.options.limit == rows[i].limit, rows[i].line);
		run_done(&run);
	}
}

static void test_fields_and_sysroot(void **state)
{
	static const char *const rows[][2] = {
		{"-f|kvm.*", "kvm.*"},
		{"-fkvm.*", "kvm.*"},
		{"-f=kvm.*", "kvm.*"},
		{"--fields|kvm.*", "kvm.*"},
		{"--fields=kvm.*", "kvm.*"},
		{"-f==x", "=x"},
		{"-f|=x", "=x"},
		{"-f|-x", "-x"},
		{"-f|", ""},
		{"--fields=", ""},
		{"-f|a|-f|b", "b"},
		{"-1f|x", "x"},
		{"-1fx", "x"},
		{"-1f=x", "=x"}, /* in a cluster "=" is a part of the value */
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_good(rows[i][0]);

		assert_string_equal(run.options.fields, rows[i][1]);
		run_done(&run);
	}
	{
		struct run run = run_good("--sysroot|/mnt");

		assert_string_equal(run.options.sysroot, "/mnt");
		run_done(&run);
	}
}

static void test_delay(void **state)
{
	static const struct {
		const char *line;
		double delay;
	} rows[] = {
		{"-s|3", 3},
		{"-s3", 3},
		{"-s=3", 3},
		{"--set-delay|0.1", 0.1},
		{"--set-delay=25.5", 25.5},
		{"-s|1e1", 10},
		{"-s|1|-s|2", 2},
		{"-s.5", 0.5},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_good(rows[i].line);

		assert_row(run.options.delay == rows[i].delay, rows[i].line);
		run_done(&run);
	}
	assert_null(options_delay_error(0.1));
	assert_null(options_delay_error(25.5));
	assert_non_null(options_delay_error(0.0999));
	assert_non_null(options_delay_error(25.501));
	assert_non_null(options_delay_error(-1));
	assert_non_null(options_delay_error(NAN));
	assert_non_null(options_delay_error(INFINITY));
	assert_non_null(options_delay_error(-INFINITY));
}

/* Of -g and -p the later one counts. */
static void test_guest_and_pid(void **state)
{
	static const struct {
		const char *line, *guest;
		pid_t pid;
	} rows[] = {
		{"-g|vm1", "vm1", 0},       {"-gvm1", "vm1", 0},        {"-g=vm1", "vm1", 0},
		{"--guest|vm1", "vm1", 0},  {"-p|42", NULL, 42},        {"-p42", NULL, 42},
		{"-p=42", NULL, 42},        {"--pid|42", NULL, 42},     {"--pid=42", NULL, 42},
		{"-g|vm1|-p|42", NULL, 42}, {"-p|42|-g|vm1", "vm1", 0}, {"-p|1|-p|2", NULL, 2},
		{"-p|0", NULL, 0},          {"-g|-p", "-p", 0},         {"-g|", "", 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_good(rows[i].line);

		assert_string_equal(run.options.guest ? run.options.guest : "none",
				    rows[i].guest ? rows[i].guest : "none");
		assert_row(run.options.pid == rows[i].pid, rows[i].line);
		run_done(&run);
	}
}

static void test_sources(void **state)
{
	static const struct {
		const char *line;
		unsigned int sources;
	} rows[] = {
		{"-d", SOURCE_DEBUGFS},
		{"--debugfs", SOURCE_DEBUGFS},
		{"-t", SOURCE_TRACEPOINTS},
		{"--tracepoints", SOURCE_TRACEPOINTS},
		{"-dt", SOURCE_DEBUGFS | SOURCE_TRACEPOINTS},
		{"--source|debugfs", SOURCE_DEBUGFS},
		{"--source=tracepoints", SOURCE_TRACEPOINTS},
		{"--source|debugfs,tracepoints", SOURCE_DEBUGFS | SOURCE_TRACEPOINTS},
		{"--source|stats", SOURCE_STATS},
		{"-t|--source=stats", SOURCE_STATS | SOURCE_TRACEPOINTS},
		{"--source|tracepoints,debugfs,debugfs", SOURCE_DEBUGFS | SOURCE_TRACEPOINTS},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_good(rows[i].line);

		assert_row(run.options.sources == rows[i].sources, rows[i].line);
		run_done(&run);
	}
}

/* Clusters, and prefixes as long as they tell one option from the others. */
static void test_clusters_and_prefixes(void **state)
{
	static const struct {
		const char *line;
		bool csv, skip_zero, include_past, batch;
		uint64_t count;
	} rows[] = {
		{"-dtclz", true, true, false, false, 0},
		{"-ldczi", true, true, true, false, 0},
		{"-1i", false, false, true, true, 0},
		{"-l|--csv|--skip-zero-records", true, true, false, false, 0},
		{"-l|--c", true, false, false, false, 0},
		{"-l|--cs", true, false, false, false, 0},
		{"-l|--sk", false, true, false, false, 0},
		{"--debugfs-|--o", false, false, true, true, 0},
		{"--ba|--co|5", false, false, false, true, 5},
		{"--count=4294967295", false, false, false, false, 4294967295},
		{"-l|--", false, false, false, false, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_good(rows[i].line);

		assert_row((run.options.format == FORMAT_CSV) == rows[i].csv, rows[i].line);
		assert_row(run.options.skip_zero == rows[i].skip_zero, rows[i].line);
		assert_row(run.options.include_past == rows[i].include_past, rows[i].line);
		assert_row((run.options.mode == MODE_BATCH) == rows[i].batch, rows[i].line);
		assert_row(run.options.count == rows[i].count, rows[i].line);
		run_done(&run);
	}
}

/* Every long option by its whole name and by its shortest prefix. */
static void test_all_long_options(void **state)
{
	static const struct {
		const char *name, *shortest, *value;
	} rows[] = {
		{"once", "o", NULL},
		{"batch", "b", NULL},
		{"debugfs", "debugfs", NULL},
		{"debugfs-include-past", "debugfs-", NULL},
		{"fields", "f", "x"},
		{"guest", "g", "x"},
		{"log", "log", NULL},
		{"log-to-file", "log-", "x"},
		{"pid", "p", "1"},
		{"set-delay", "se", "1"},
		{"tracepoints", "t", NULL},
		{"count", "co", "1"},
		{"explain", "expl", "x"},
		{"source", "so", "debugfs"},
		{"sysroot", "sy", "/"},
		{"via", "vi", "perf"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		const char *const names[] = {rows[i].name, rows[i].shortest};
		size_t j;

		for (j = 0; j < array_size(names); j++) {
			char line[64];
			struct run run;

			snprintf(line, sizeof(line), "--%s%s%s", names[j], rows[i].value ? "=" : "",
				 rows[i].value ? rows[i].value : "");
			run = run_good(line);
			run_done(&run);
		}
	}
}

#define TRY "Try 'kvm_stat --help' for more information.\n"

static void test_errors(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *err;
	} rows[] = {
		/* What cannot be parsed is 2 and has the hint. */
		{"-x", 2, "kvm_stat: invalid option -- 'x'\n" TRY},
		{"-1x", 2, "kvm_stat: invalid option -- 'x'\n" TRY},
		{"--nonsense", 2, "kvm_stat: unrecognized option '--nonsense'\n" TRY},
		{"-f", 2, "kvm_stat: option requires an argument -- 'f'\n" TRY},
		{"--pid", 2, "kvm_stat: option '--pid' requires an argument\n" TRY},
		{"--csv=x", 2, "kvm_stat: option '--csv' doesn't allow an argument\n" TRY},
		{"more", 2, "kvm_stat: unexpected argument \"more\"\n" TRY},
		{"-1|--|-l", 2, "kvm_stat: unexpected argument \"-l\"\n" TRY},
		{"-s|x", 2, "kvm_stat: invalid delay \"x\": not a number\n" TRY},
		{"-s|", 2, "kvm_stat: invalid delay \"\": not a number\n" TRY},
		{"-s|nan", 2, "kvm_stat: invalid delay \"nan\": not a number\n" TRY},
		{"-s|1,5", 2, "kvm_stat: invalid delay \"1,5\": not a number\n" TRY},
		{"-p|x", 2, "kvm_stat: invalid pid \"x\": not a process number\n" TRY},
		{"-p|-1", 2, "kvm_stat: invalid pid \"-1\": not a process number\n" TRY},
		{"-p|2147483648", 1, "kvm_stat: process 2147483648 does not exist\n"},
		{"--count|0", 2,
		 "kvm_stat: invalid count \"0\": not a number from 1 to 4294967295\n" TRY},
		{"--count|4294967296", 2,
		 "kvm_stat: invalid count \"4294967296\": not a number from 1 to 4294967295\n" TRY},
		{"--source|", 2,
		 "kvm_stat: unknown source in \"\": there are debugfs, stats and "
		 "tracepoints\n" TRY},
		{"--source|debugfs,", 2,
		 "kvm_stat: unknown source in \"debugfs,\": there are debugfs, "
		 "stats and tracepoints\n" TRY},
		{"--source|debug", 2,
		 "kvm_stat: unknown source in \"debug\": there are debugfs, stats and "
		 "tracepoints\n" TRY},
		/* What a user typed does not reach the terminal as it is. */
		{"-p|\033[31m", 2,
		 "kvm_stat: invalid pid \"\\x1b[31m\": not a process number\n" TRY},
		/* Values that are refused are 1. */
		{"-s|0.05", 1, "kvm_stat: refused delay \"0.05\": delay must be >= 0.1\n"},
		{"-s|-1", 1, "kvm_stat: refused delay \"-1\": delay must be >= 0.1\n"},
		{"-s|25.6", 1, "kvm_stat: refused delay \"25.6\": delay must be <= 25.5\n"},
		{"-c", 1, "kvm_stat: option -c/--csv requires -l/--log or -L/--log-to-file\n"},
		{"-z", 1,
		 "kvm_stat: option -z/--skip-zero-records requires -l/--log or "
		 "-L/--log-to-file\n"},
		{"-d|--source|stats", 1,
		 "kvm_stat: sources debugfs and stats have the same counters: use one of them\n"},
		{"-1|-c", 1, "kvm_stat: option -c/--csv requires -l/--log or -L/--log-to-file\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_line(rows[i].line);

		assert_row(run.result == 0, rows[i].line);
		assert_row(run.status == rows[i].status, rows[i].line);
		assert_string_equal(run.err, rows[i].err);
		assert_string_equal(run.out, "");
		run_done(&run);
	}
}

static void test_ambiguous(void **state)
{
	static const char *const lines[] = {"--s", "--l", "--lo", "--d", "--debug"};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(lines); i++) {
		struct run run = run_line(lines[i]);

		assert_row(run.result == 0 && run.status == 2, lines[i]);
		assert_non_null(strstr(run.err, "is ambiguous; possibilities:"));
		assert_non_null(strstr(run.err, TRY));
		run_done(&run);
	}
}

/* An empty name is a name, which will not be found: no silent change to standard output. */
static void test_empty_log_file(void **state)
{
	struct run run = run_good("-L|");

	(void)state;
	assert_int_equal(run.options.mode, MODE_LOG);
	assert_string_equal(run.options.log_file, "");
	assert_true(run.options.waits_for_kvm);
	run_done(&run);
}

static void test_help_and_version(void **state)
{
	static const char *const help[] = {"-h", "--help", "--h", "-1h", "-h|-x"};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(help); i++) {
		struct run run = run_line(help[i]);
		const char *p, *end;

		assert_row(run.result == 0 && run.status == 0, help[i]);
		assert_string_equal(run.err, "");
		assert_ptr_equal(strstr(run.out, "Usage: kvm_stat [options]\n"), run.out);
		for (p = run.out; (end = strchr(p, '\n')); p = end + 1)
			assert_true(end - p <= 80);
		assert_int_equal(*p, '\0');
		run_done(&run);
	}
	{
		struct run run = run_line("--version");

		assert_true(run.result == 0 && run.status == 0);
		assert_string_equal(run.out,
				    "kvm_stat from " PROJECT_NAME " " PROJECT_VERSION "\n");
		run_done(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_fields_and_sysroot),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_guest_and_pid),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_clusters_and_prefixes),
		cmocka_unit_test(test_all_long_options),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_ambiguous),
		cmocka_unit_test(test_empty_log_file),
		cmocka_unit_test(test_help_and_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
