/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <locale.h>

#include "kvm_stat/explanations.h"
#include "kvm_stat/prompt.h"
#include "kvm_stat/screen.h"
#include "tests/unit/view_fixture.h"

static void strip_line_ends(char *text)
{
	char *in = text, *out = text, *solid = text;

	for (; *in; in++) {
		if (*in == '\n')
			out = solid;
		*out++ = *in;
		if (*in != ' ')
			solid = out;
	}
	*out = '\0';
}

static void assert_screen(struct fixture *f, int width, int height, const char *expected)
{
	char *screen;

	view_layout(&f->model, width, height, &f->spans);
	screen = render(&f->spans);
	strip_line_ends(screen);
	assert_string_equal(screen, expected);
	free(screen);
}

/* In the order of sample_sort(), as sources give them. */
#define SOME_ROWS                                                                                  \
	{                                                                                          \
		{.name = "halt_wait_ns",                                                           \
		 .kind = FIELD_TIME,                                                               \
		 .total = 1234000000,                                                              \
		 .delta = 12000000,                                                                \
		 .per_second = 12000000},                                                          \
			{.name = "kvm_entry", .total = 500, .delta = 100, .per_second = 100},      \
			{.name = "kvm_exit", .total = 400, .delta = 200, .per_second = 199.5},     \
			{.name = "kvm_exit(HLT)",                                                  \
			 .parent = "kvm_exit",                                                     \
			 .total = 100,                                                             \
			 .delta = 50,                                                              \
			 .per_second = 50},                                                        \
			{.name = "kvm_exit(IO)",                                                   \
			 .parent = "kvm_exit",                                                     \
			 .total = 300,                                                             \
			 .delta = 150,                                                             \
			 .per_second = 150.5},                                                     \
			{.name = "kvm_fpu"}, {.name = "kvm_pio", .total = 100},                    \
			{.name = "kvm_zzz(A)", .parent = "kvm_zzz", .total = 7},                   \
			{.name = "pages_4k",                                                       \
			 .kind = FIELD_GAUGE,                                                      \
			 .total = 4096,                                                            \
			 .delta = -12,                                                             \
			 .per_second = -12},                                                       \
	}

static void test_screen(void **state)
{
	struct rate rows[] = SOME_ROWS;
	struct fixture f = fixture_new(rows, 7);

	(void)state;
	fixture_set(&f, rows, 7, VIEW_SORT_RATE, false);
	assert_screen(&f, 80, 10,
		      "kvm statistics - summary\n"
		      "\n"
		      " Event                                         Total %Total\u25bc"
		      "CurAvg/s\n"
		      " kvm_exit                                        400   40.0      200\n"
		      " kvm_entry                                       500   50.0      100\n"
		      " kvm_pio                                         100   10.0        0\n"
		      " halt_wait_ns                                   1.2s          12ms/s\n"
		      " Total                                          1000             300\n"
		      "\n"
		      "\n");
	assert_int_equal(role_at(&f.spans, 0, 0), VIEW_HEADLINE);
	assert_int_equal(role_at(&f.spans, 2, 1), VIEW_COLUMNS);
	assert_int_equal(role_at(&f.spans, 7, 1), VIEW_TOTAL);
	fixture_done(&f);
}

static void test_children(void **state)
{
	struct rate rows[] = SOME_ROWS;
	struct fixture f = fixture_new(rows, array_size(rows));

	(void)state;
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_TOTAL, true);
	f.model.utf8 = false;
	f.model.pattern = "kvm_|pages";
	f.model.pid = 4711;
	f.model.guest_name = "vm2";
	assert_screen(&f, 68, 13,
		      "kvm statistics - pid 4711 (vm2)\n"
		      "                 regex filter: kvm_|pages\n"
		      " Event                                        *Total %Total CurAvg/s\n"
		      " kvm_entry                                       500   50.0      100\n"
		      " kvm_exit                                        400   40.0      200\n"
		      "   kvm_exit(IO)                                  300   75.0      150\n"
		      "   kvm_exit(HLT)                                 100   25.0       50\n"
		      " kvm_pio                                         100   10.0        0\n"
		      " kvm_zzz(A)                                        7    0.7        0\n"
		      " halt_wait_ns                                   1.2s          12ms/s\n"
		      " pages_4k                                       4096             -12\n"
		      " Total                                          1000             300\n"
		      "\n");
	assert_int_equal(role_at(&f.spans, 5, 1), VIEW_CHILD);
	assert_int_equal(view_rows_find(&f.rows, "kvm_exit(HLT)", "kvm_exit", 0, NULL), 3);
	assert_int_equal(view_rows_find(&f.rows, "kvm_exit(HLT)", NULL, 0, NULL), VIEW_NO_ROW);
	assert_int_equal(view_rows_find(&f.rows, "kvm_fpu", NULL, 0, NULL), VIEW_NO_ROW);
	fixture_done(&f);
}

static void test_messages(void **state)
{
	struct rate rows[] = {{.name = "exits"}};
	struct fixture f = fixture_new(rows, 1);

	(void)state;
	fixture_set(&f, rows, 1, VIEW_SORT_RATE, false);
	f.rates.first = true;
	assert_screen(&f, 40, 6,
		      "kvm statistics - summary\n"
		      "\n"
		      " Event             Total %Total\u25bc"
		      "CurAvg/s\n"
		      "\n"
		      " Collecting data...\n"
		      "\n");
	f.rates.first = false;
	f.model.notice = "the weather is bad";
	assert_screen(&f, 40, 6,
		      "kvm statistics - summary\n"
		      " the weather is bad\n"
		      " Event             Total %Total\u25bc"
		      "CurAvg/s\n"
		      "\n"
		      " No matching events reported yet\n"
		      "\n");
	fixture_done(&f);
}

static void test_one_row_without_total(void **state)
{
	struct rate rows[] = {{.name = "exits", .total = 5, .delta = 5}};
	struct fixture f = fixture_new(rows, 1);

	(void)state;
	fixture_set(&f, rows, 1, VIEW_SORT_RATE, false);
	f.rates.first = true;
	assert_screen(&f, 70, 5,
		      "kvm statistics - summary\n"
		      "\n"
		      " Event                                         Total %Total\u25bc"
		      "CurAvg/s\n"
		      " exits                                             5  100.0\n"
		      "\n");
	fixture_done(&f);
}

/* Where a recording is: at the right end of the first line, whatever else that has. */
static void test_position(void **state)
{
	struct fixture f = fixture_new(NULL, 0);
	int width;

	(void)state;
	fixture_set(&f, NULL, 0, VIEW_SORT_RATE, false);
	strcpy(f.model.position, "12:00:05 17/600 paused");
	assert_screen(&f, 50, 2,
		      "kvm statistics - summary    12:00:05 17/600 paused\n"
		      " No matching events reported yet\n");
	assert_screen(&f, 40, 2,
		      "kvm statistics -  12:00:05 17/600 paused\n"
		      " No matching events reported yet\n");
	f.model.pid = 1;
	f.model.guest_name = "an-extremely-long-guest-name";
	f.model.dead = true;
	for (width = 42; width < 100; width++) {
		view_layout(&f.model, width, 24, &f.spans);
		assert_int_equal(role_at(&f.spans, 0, width - 22), VIEW_HEADLINE);
		assert_int_equal(role_at(&f.spans, 0, width - 42 < 53 ? width - 42 : 53),
				 VIEW_DEAD);
	}
	fixture_done(&f);
}

static void test_dead_marker(void **state)
{
	struct fixture f = fixture_new(NULL, 0);
	int width;

	(void)state;
	fixture_set(&f, NULL, 0, VIEW_SORT_RATE, false);
	f.model.pid = 1;
	f.model.guest_name = "a";
	f.model.dead = true;
	view_layout(&f.model, 80, 24, &f.spans);
	assert_int_equal(role_at(&f.spans, 0, 26), VIEW_DEAD);
	f.model.guest_name = "an-extremely-long-guest-name-of-a-very-thorough-administrator";
	view_layout(&f.model, 80, 24, &f.spans);
	assert_int_equal(role_at(&f.spans, 0, 61), VIEW_DEAD);
	for (width = 19; width < 80; width++) {
		view_layout(&f.model, width, 24, &f.spans);
		assert_int_equal(role_at(&f.spans, 0, width - 19 < 61 ? width - 19 : 61),
				 VIEW_DEAD);
	}
	f.model.dead = false;
	f.model.pattern = "0123456789012345678901234567890123456789012345";
	view_layout(&f.model, 120, 2, &f.spans);
	assert_screen(
		&f, 120, 4,
		"kvm statistics - pid 1 (an-extremely-long-guest-name-of-a-very-thorough-...)\n"
		"                 regex filter: 01234567890123456789012345678901234567890123...\n"
		" Event                                         Total %Total\u25bc"
		"CurAvg/s\n"
		" No matching events reported yet\n");
	fixture_done(&f);
}

static void test_guests(void **state)
{
	struct rate rows[] = {
		{.name = "exits", .guest = 10, .total = 300, .delta = 3, .per_second = 1},
		{.name = "exits", .guest = 11, .total = 100, .delta = 9, .per_second = 3},
		{.name = "exits", .guest = 12, .total = 100, .delta = 1, .per_second = 0.4},
	};
	struct guest list[] = {{.pid = 10, .name = (char *)"web"},
			       {.pid = 11, .name = (char *)"\u6f22\u5b57"}};
	struct fixture f = fixture_new(rows, array_size(rows));

	(void)state;
	f.guests = (struct guests){.list = list, .count = array_size(list)};
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_RATE, false);
	f.model.only = "exits";
	f.model.kind = VIEW_GUESTS;
	f.model.pattern = "e";
	f.model.selected = 1;
	assert_screen(
		&f, 80, 8,
		"kvm statistics - summary\n"
		" event: exits    regex filter: e\n"
		" Guest Name                                    Total %Total\u25bc"
		"CurAvg/s\n"
		" \u6f22\u5b57                                            100   20.0        3\n"
		" web                                             300   60.0        1\n"
		" pid 12                                          100   20.0        0\n"
		" Total                                           500               4\n"
		"\n");
	assert_int_equal(role_at(&f.spans, 4, 1), VIEW_SELECTED);
	assert_int_equal(view_rows_find(&f.rows, "exits", NULL, 12, NULL), 2);
	fixture_done(&f);
}

static void test_vcpus(void **state)
{
	struct rate rows[] = {
		{.name = "kvm_exit",
		 .guest = 10,
		 .thread = {.tid = 101, .is_vcpu = true, .has_cpu = true, .cpu = 7},
		 .total = 300,
		 .delta = 3,
		 .per_second = 3},
		{.name = "kvm_exit",
		 .guest = 10,
		 .thread = {.tid = 102, .is_vcpu = true, .vcpu = 1, .has_cpu = true},
		 .total = 100,
		 .delta = 9,
		 .per_second = 9},
		{.name = "kvm_exit", .guest = 11, .thread = {.tid = 12345678}, .total = 100},
	};
	struct guest list[] = {{.pid = 10, .name = (char *)"web"}};
	struct fixture f = fixture_new(rows, array_size(rows));

	(void)state;
	f.guests = (struct guests){.list = list, .count = array_size(list)};
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_RATE, false);
	f.model.only = "kvm_exit";
	f.model.kind = VIEW_VCPUS;
	f.model.pid = 10;
	f.model.guest_name = "web";
	f.model.tid = 102;
	assert_screen(
		&f, 80, 8,
		"kvm statistics - pid 10 (web), thread 102\n"
		" event: kvm_exit\n"
		" Guest Name                vCPU      TID  CPU      Total %Total\u25bcCurAvg/s\n"
		" web                          1      102    0        100   20.0        9\n"
		" web                          0      101    7        300   60.0        3\n"
		" pid 11                       - 12345678             100   20.0        0\n"
		" Total                                               500              12\n"
		"\n");
	/* The vCPU's number and the rate stay longest. */
	assert_screen(&f, 30, 7,
		      "kvm statistics - pid 10 (web),\n"
		      " event: kvm_exit\n"
		      " Guest Name      vCPU\u25bcCurAvg/s\n"
		      " web                1        9\n"
		      " web                0        3\n"
		      " pid 11             -        0\n"
		      " Total                      12\n");
	assert_int_equal(view_rows_find(&f.rows, "kvm_exit", NULL, 10, &rows[0].thread), 1);
	assert_int_equal(view_rows_find(&f.rows, "kvm_exit", NULL, 10, NULL), VIEW_NO_ROW);
	fixture_done(&f);
}

/* 100 values of 1 us to 2 us each, or of a hundred times that. */
#define SPREAD(factor)                                                                             \
	{                                                                                          \
		.bucket_count = 40, .count = 100, .has_moments = true, .has_extremes = true,       \
		.sum = 150000ULL * (factor), .squares_low = 225000000ULL * (factor) * (factor),    \
		.min = 1024ULL * (factor), .max = 2000ULL * (factor), .buckets = {                 \
			[(factor) == 1 ? 11 : 18] = 100                                            \
		}                                                                                  \
	}

static void test_exits(void **state)
{
	static const struct distribution quick = SPREAD(1), slow = SPREAD(100);
	struct rate rows[] = {
		{.name = "kvm_exit", .total = 300, .delta = 300, .distribution = &quick},
		{.name = "kvm_exit(CPUID)",
		 .parent = "kvm_exit",
		 .total = 100,
		 .per_second = 100,
		 .distribution = &quick},
		{.name = "kvm_exit(HLT)",
		 .parent = "kvm_exit",
		 .total = 100,
		 .per_second = 100,
		 .distribution = &slow},
		{.name = "kvm_exit(IOIO)",
		 .parent = "kvm_exit",
		 .total = 100,
		 .per_second = 100,
		 .distribution = &slow},
		{.name = "kvm_exit(NPF)", .parent = "kvm_exit"},
	};
	struct fixture f = fixture_new(rows, array_size(rows));

	(void)state;
	f.model.kind = VIEW_EXITS;
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_RATE, true);
	assert_screen(
		&f, 92, 8,
		"kvm statistics - summary\n"
		"\n"
		" Exit reason                    Count  \u25bc%Time   Mean    p50    p99    Max "
		"CurAvg/s\n"
		" kvm_exit(IOIO)                   100    99.0  150us  166us  199us  200us "
		"     100\n"
		" kvm_exit(CPUID)                  100     1.0  1.5us  1.5us  2.0us  2.0us "
		"     100\n"
		" kvm_exit(HLT)                    100  halted  150us  166us  199us  200us "
		"     100\n"
		" Total without halts              200    15ms\n"
		"\n");
	fixture_done(&f);
}

static void assert_detail(struct fixture *f, int width, int height, const char *expected)
{
	char *screen;

	view_detail_layout(&f->model, width, height, &f->spans);
	screen = render(&f->spans);
	strip_line_ends(screen);
	assert_string_equal(screen, expected);
	free(screen);
}

static void test_detail(void **state)
{
	static const double speeds[] = {0, 4, 8, 2};
	struct distribution values = {
		.bucket_count = 40, .buckets = {[11] = 10, [12] = 40, [14] = 1}, .count = 51};
	struct rate rows[] = {{.name = "halt_wait_hist",
			       .kind = FIELD_HISTOGRAM,
			       .unit = UNIT_NANOSECONDS,
			       .total = 51,
			       .delta = 1,
			       .distribution = &values}};
	struct fixture f = fixture_new(rows, array_size(rows));
	const struct explanation *found[EXPLANATIONS_MAX];
	char *screen;
	size_t i;

	(void)state;
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_RATE, true);
	for (i = 0; i < array_size(speeds); i++) {
		rows[0].per_second = speeds[i];
		assert_int_equal(history_update(&f.history, &f.rates), 0);
	}
	f.model.selected = 0;
	f.model.utf8 = false;
	assert_detail(&f, 60, 13,
		      "halt_wait_hist\n"
		      "\n"
		      " now 2/s   highest 8/s   total 51\n"
		      "\n"
		      "                                                       .=@:\n"
		      "\n"
		      " 51 values   p50 2.8us   p99 12us\n"
		      "          1.0us - 2.0us         10 ######\n"
		      "          2.0us - 4.1us         40 ########################\n"
		      "          4.1us - 8.2us          0\n"
		      "           8.2us - 16us          1 #\n"
		      "\n"
		      " Up, Down: other rows   any other key: back\n");
	/* Too few lines: buckets share them, the last one is there. */
	assert_detail(&f, 60, 10,
		      "halt_wait_hist\n"
		      "\n"
		      " now 2/s   highest 8/s   total 51\n"
		      "\n"
		      "                                                       .=@:\n"
		      "\n"
		      " 51 values   p50 2.8us   p99 12us\n"
		      "          1.0us - 4.1us         50 ########################\n"
		      "           4.1us - 16us          1 #\n"
		      " Up, Down: other rows   any other key: back\n");
	rows[0] = (struct rate){.name = "kvm_pio", .total = 3, .delta = 3, .per_second = 3};
	view_detail_layout(&f.model, 200, 13, &f.spans);
	screen = render(&f.spans);
	assert_int_not_equal(explanations_find("kvm_pio", NULL, found), 0);
	assert_non_null(strstr(screen, found[0]->counts));
	free(screen);
	f.model.selected = 1; /* the row is gone */
	assert_detail(&f, 40, 2, " This row is gone\n\n");
	fixture_done(&f);
}

/* Name first, then percent, then total give way; the rate stays. */
static void test_narrow(void **state)
{
	struct rate rows[] = {
		{.name = "a_rather_long_event", .total = 900, .delta = 9, .per_second = 9},
		{.name = "exits", .total = 100},
	};
	struct fixture f = fixture_new(rows, array_size(rows));

	(void)state;
	f.model.utf8 = false;
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_TOTAL, false);
	assert_screen(&f, 38, 5,
		      "kvm statistics - summary\n"
		      "                                 1-1/2\n"
		      " Event          *Total %Total CurAvg/s\n"
		      " a_rathe...        900   90.0        9\n"
		      " Total            1000               9\n");
	assert_screen(&f, 30, 6,
		      "kvm statistics - summary\n"
		      "\n"
		      " Event         *Total CurAvg/s\n"
		      " a_rath...        900        9\n"
		      " exits            100        0\n"
		      " Total           1000        9\n");
	assert_screen(&f, 20, 3,
		      "kvm statistics - sum\n"
		      " Event      CurAvg/s\n"
		      " a_rathe...        9\n");
	assert_screen(&f, 10, 2,
		      "kvm statis\n"
		      "a        9\n");
	assert_screen(&f, 1, 1, "a\n");
	fixture_done(&f);
}

/* Beyond upstream's widths the columns grow instead of running into each other. */
static void test_wide_values(void **state)
{
	struct rate rows[] = {
		{.name = "kvm_nested_vmexit_inject(EXTERNAL_INTERRUPT)",
		 .total = 18446744073709551615U,
		 .delta = 1,
		 .per_second = 123456789012.0},
	};
	struct fixture f = fixture_new(rows, 1);

	(void)state;
	f.model.utf8 = false;
	fixture_set(&f, rows, 1, VIEW_SORT_TOTAL, false);
	assert_screen(&f, 100, 4,
		      "kvm statistics - summary\n"
		      "\n"
		      " Event                                                      *Total %Total"
		      "     CurAvg/s\n"
		      " kvm_nested_vmexit_inject(EXTERNAL_INTERRUPT) 18446744073709551615  100.0"
		      " 123456789012\n");
	fixture_done(&f);
}

/* From the end of "halt_ns" to that of its total, without the blank. */
#define NAME_TO_TOTAL (40 - 7 + 10)

static void test_time_units(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{1, "1ns"},           {999, "999ns"},
		{1000, "1.0us"},      {9949, "9.9us"},
		{9951, "10us"},       {350000000, "350ms"},
		{999499999, "999ms"}, {999500000, "1.0s"},
		{1200000000, "1.2s"}, {86400000000000, "86400s"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(cases); i++) {
		struct rate row = {.name = "halt_ns", .kind = FIELD_TIME, .total = cases[i].ns};
		struct fixture f = fixture_new(&row, 1);
		char text[128], *screen;

		fixture_set(&f, &row, 1, VIEW_SORT_RATE, false);
		view_layout(&f.model, 80, 4, &f.spans);
		screen = render(&f.spans);
		snprintf(text, sizeof(text), " halt_ns %*s ", NAME_TO_TOTAL, cases[i].text);
		assert_row(strstr(screen, text), cases[i].text);
		free(screen);
		fixture_done(&f);
	}
}

/* Counters as rates, states as they are, histograms by how many values are in them. */
static void test_kinds(void **state)
{
	struct rate rows[] = {
		{.name = "exits", .total = 400, .delta = 200, .per_second = 200},
		{.name = "longest", .kind = FIELD_PEAK, .unit = UNIT_NANOSECONDS, .total = 2500000},
		{.name = "max_depth", .kind = FIELD_PEAK, .total = 12, .delta = 2, .per_second = 2},
		{.name = "wait_hist",
		 .kind = FIELD_HISTOGRAM,
		 .unit = UNIT_NANOSECONDS,
		 .total = 1500,
		 .delta = 30,
		 .per_second = 30},
	};
	struct fixture f = fixture_new(rows, array_size(rows));

	(void)state;
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_RATE, false);
	assert_screen(&f, 80, 8,
		      "kvm statistics - summary\n"
		      "\n"
		      " Event                                         Total %Total\u25bc"
		      "CurAvg/s\n"
		      " exits                                           400  100.0      200\n"
		      " max_depth                                        12              +2\n"
		      " longest                                       2.5ms\n"
		      " wait_hist                                      1500              30\n"
		      " Total                                           400             200\n");
	fixture_done(&f);
}

static void type(struct prompt *prompt, const char *text)
{
	for (; *text; text++)
		assert_int_equal(prompt_key(prompt, (uint32_t)*text), PROMPT_TYPING);
}

static void test_prompt_editing(void **state)
{
	struct prompt prompt = {0};
	int i;

	(void)state;
	prompt_start(&prompt, PROMPT_FIELDS);
	type(&prompt, "exits");
	assert_int_equal(prompt_key(&prompt, SCREEN_KEY_BACKSPACE), PROMPT_TYPING);
	assert_string_equal(prompt.input, "exit");
	assert_int_equal(prompt_key(&prompt, SCREEN_KEY_CTRL('u')), PROMPT_TYPING);
	assert_string_equal(prompt.input, "");
	assert_int_equal(prompt_key(&prompt, SCREEN_KEY_BACKSPACE), PROMPT_TYPING);
	assert_int_equal(prompt_key(&prompt, 0xe9), PROMPT_TYPING);
	assert_int_equal(prompt_key(&prompt, 0x6f22), PROMPT_TYPING);
	assert_int_equal(prompt_key(&prompt, 0x1f600), PROMPT_TYPING);
	assert_string_equal(prompt.input, "\u00e9\u6f22\U0001f600");
	assert_int_equal(prompt_key(&prompt, SCREEN_KEY_BACKSPACE), PROMPT_TYPING);
	assert_string_equal(prompt.input, "\u00e9\u6f22");
	assert_int_equal(prompt_key(&prompt, 0x01), PROMPT_TYPING);
	assert_int_equal(prompt_key(&prompt, SCREEN_KEY_UP), PROMPT_TYPING);
	assert_int_equal(prompt_key(&prompt, SCREEN_KEY_OTHER), PROMPT_TYPING);
	assert_string_equal(prompt.input, "\u00e9\u6f22");
	for (i = 0; i < 2 * PROMPT_INPUT_MAX; i++)
		type(&prompt, "x");
	assert_int_equal(prompt.length, PROMPT_INPUT_MAX);
	assert_int_equal(prompt_key(&prompt, SCREEN_KEY_ENTER), PROMPT_ENTERED);
	assert_int_equal(prompt_key(&prompt, SCREEN_KEY_ESCAPE), PROMPT_CANCELLED);
	prompt_done(&prompt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_screen),         cmocka_unit_test(test_children),
		cmocka_unit_test(test_messages),       cmocka_unit_test(test_one_row_without_total),
		cmocka_unit_test(test_position),       cmocka_unit_test(test_dead_marker),
		cmocka_unit_test(test_guests),         cmocka_unit_test(test_vcpus),
		cmocka_unit_test(test_exits),          cmocka_unit_test(test_detail),
		cmocka_unit_test(test_narrow),         cmocka_unit_test(test_wide_values),
		cmocka_unit_test(test_time_units),     cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_prompt_editing),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
