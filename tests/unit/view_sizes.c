/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

/* Screens of any size: nothing outside, nothing twice, everything within reach. */
#include <locale.h>

#include "host/text.h"
#include "kvm_stat/prompt.h"
#include "tests/unit/view_fixture.h"

#define MAX_WIDTHS  200
#define MAX_HEIGHTS 60

/* No span leaves the screen, is empty, lies about its width, or overlaps another. */
static void assert_sound(const struct view_spans *spans, int width, int height)
{
	static bool taken[MAX_HEIGHTS][MAX_WIDTHS];
	size_t i;

	memset(taken, 0, sizeof(taken));
	for (i = 0; i < spans->count; i++) {
		const struct view_span *span = &spans->list[i];
		int col;

		assert_in_range(span->row, 0, height - 1);
		assert_true(span->col >= 0 && span->width > 0);
		assert_true(span->col + span->width <= width);
		assert_int_equal(text_width(span->text), span->width);
		for (col = span->col; col < span->col + span->width; col++) {
			assert_false(taken[span->row][col]);
			taken[span->row][col] = true;
		}
	}
	assert_true(spans->cursor_row < height && spans->cursor_col < width);
}

/* What the kernel, users and guests may come up with. */
static const char *const hostile_names[] = {
	"",
	"x",
	"\033[2J\033]0;title\a",
	"a\nb\tc\r",
	"\u202egnp.exe",
	"\xff\xfe\xc3",
	"漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
	"e\u0301\u0302\u0303\u0304\u0305\u0306",
	"\u0301",
	"%s%n%1000d",
	"\U0001f600\U0001f600",
	"                                                                                       ",
};

/* Every size, or with `thin` every fifth, which is enough for a second look. */
static void sweep(struct view_model *model, int thin)
{
	struct view_spans spans = {0};
	int width, height;

	for (height = 1; height <= MAX_HEIGHTS; height += height < 9 ? 1 : thin)
		for (width = 1; width <= MAX_WIDTHS; width += thin) {
			view_layout(model, width, height, &spans);
			assert_sound(&spans, width, height);
			if (thin == 1) /* the list alone takes long enough */
				continue;
			view_detail_layout(model, width, height, &spans);
			assert_sound(&spans, width, height);
		}
	view_spans_done(&spans);
}

static void test_any_size(void **state)
{
	struct rate rows[2 * array_size(hostile_names)];
	struct guest list[array_size(hostile_names)];
	static const struct distribution values = {
		.bucket_count = 40,
		.buckets = {[0] = 1, [3] = UINT64_MAX / 2, [7] = 3, [39] = 2},
		.count = UINT64_MAX / 2 + 6,
		.has_moments = true,
		.sum = UINT64_MAX,
		.squares_high = UINT64_MAX,
		.has_extremes = true,
		.max = UINT64_MAX};
	struct fixture f = fixture_new(NULL, 0);
	size_t i, n = array_size(hostile_names);

	(void)state;
	fixture_set(&f, NULL, 0, VIEW_SORT_RATE, true);
	sweep(&f.model, 5);
	for (i = 0; i < n; i++) {
		list[i] = (struct guest){.pid = (pid_t)i, .name = text_clean(hostile_names[i])};
		rows[2 * i] = (struct rate){.name = hostile_names[i],
					    .total = 1ULL << 5 * i,
					    .delta = (int64_t)i,
					    .per_second = 1e18 / (double)(i + 1),
					    .guest = (pid_t)i};
		rows[2 * i + 1] = rows[2 * i];
		rows[2 * i + 1].parent = hostile_names[i];
		rows[2 * i + 1].kind = (enum field_kind)(i % 3);
	}
	f.guests = (struct guests){.list = list, .count = n};
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_RATE, true);
	f.model.pid = 2147483647;
	f.model.guest_name = list[6].name;
	f.model.dead = true;
	strcpy(f.model.position, "12:00:05 17/600 paused");
	f.model.pattern = "\xff\033\u6f22\u5b57.*";
	f.model.selected = 7;
	sweep(&f.model, 1);
	f.model.only = "\033exits";
	f.model.kind = VIEW_GUESTS;
	f.model.dead = false;
	f.model.first = SIZE_MAX;
	sweep(&f.model, 5);
	f.model.notice = list[6].name;
	sweep(&f.model, 5);
	f.model.kind = VIEW_VCPUS;
	sweep(&f.model, 5);
	f.model.kind = VIEW_EXITS;
	for (i = 0; i < array_size(rows); i++)
		rows[i].distribution = &values;
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_RATE, true);
	for (i = 0; i < HISTORY_MAX + 3; i++)
		assert_int_equal(history_update(&f.history, &f.rates), 0);
	sweep(&f.model, 5);
	for (i = 0; i < n; i++)
		free(list[i].name);
	fixture_done(&f);
}

/* At any height, walking down shows every row once selected, and the page is never left empty. */
static void test_scrolling_reaches_all(void **state)
{
	static char names[80][8];
	struct rate rows[80];
	struct fixture f = fixture_new(rows, array_size(rows));
	size_t i;
	int height;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		snprintf(names[i], sizeof(names[i]), "row%02zu", i);
		rows[i] = (struct rate){.name = names[i], .total = 1000 - i};
	}
	fixture_set(&f, rows, array_size(rows), VIEW_SORT_RATE, false);
	for (height = 1; height <= 100; height++) {
		for (i = 0; i < array_size(rows); i++) {
			char *screen;

			f.model.selected = i;
			f.model.first = view_first_row(&f.model, height);
			assert_true(f.model.first <= i);
			assert_true(i < f.model.first + view_page(&f.model, height));
			view_layout(&f.model, 80, height, &f.spans);
			screen = render(&f.spans);
			assert_non_null(strstr(screen, names[i]));
			free(screen);
		}
		f.model.selected = VIEW_NO_ROW;
		f.model.first = 1000;
		i = view_first_row(&f.model, height);
		assert_true(i + view_page(&f.model, height) == array_size(rows) || i == 0);
	}
	f.model.selected = 33;
	f.model.first = 12;
	assert_int_equal(view_first_row(&f.model, 24), 14);
	view_layout(&f.model, 80, 24, &f.spans);
	assert_int_equal(role_at(&f.spans, 1, 72), VIEW_PLAIN); /* "15-34/80" */
	assert_int_equal(role_at(&f.spans, 22, 1), VIEW_SELECTED);
	assert_int_equal(role_at(&f.spans, 23, 1), VIEW_TOTAL);
	fixture_done(&f);
}

static void test_pages_at_any_size(void **state)
{
	static const struct prompt_help help[] = {
		{"b", "something"}, {"PgUp, PgDn, more", "b"}, {"c", "\u6f22\u5b57"}};
	struct guest list[30];
	struct prompt_context context = {.pattern = "kvm_\033", .delay = 3};
	struct guests guests = {.list = list, .count = array_size(list)};
	struct view_spans spans = {0};
	struct prompt prompt = {0};
	int kind, typed, width, height;
	size_t i;

	(void)state;
	context.guests = &guests;
	for (i = 0; i < array_size(list); i++)
		list[i] = (struct guest){.pid = (pid_t)i, .name = text_clean(hostile_names[6])};
	for (kind = PROMPT_FIELDS; kind <= PROMPT_DELAY; kind++) {
		prompt_start(&prompt, (enum prompt_kind)kind);
		prompt_refuse(&prompt, "\"%s\": no", "\xff\n");
		for (typed = 0; typed < 2; typed++) {
			for (height = 1; height <= MAX_HEIGHTS; height += height < 12 ? 1 : 8)
				for (width = 1; width <= MAX_WIDTHS; width += width < 90 ? 1 : 9) {
					prompt_layout(&prompt, &context, width, height, &spans);
					assert_sound(&spans, width, height);
					assert_true(spans.cursor_row >= 0 && spans.cursor_col >= 0);
				}
			for (i = 0; i < 60; i++)
				assert_int_equal(prompt_key(&prompt, 0x6f22), PROMPT_TYPING);
		}
	}
	for (height = 1; height <= MAX_HEIGHTS; height++)
		for (width = 1; width <= MAX_WIDTHS; width++) {
			prompt_help_layout(help, array_size(help), width, height, &spans);
			assert_sound(&spans, width, height);
		}
	for (i = 0; i < array_size(list); i++)
		free(list[i].name);
	prompt_done(&prompt);
	view_spans_done(&spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_size),
		cmocka_unit_test(test_scrolling_reaches_all),
		cmocka_unit_test(test_pages_at_any_size),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
