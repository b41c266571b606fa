/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <math.h>

#include "kvm_stat/history.h"

static void update(struct history *history, struct rate *rows, size_t count)
{
	struct rates rates = {.rows = rows, .count = count};

	assert_int_equal(history_update(history, &rates), 0);
}

/* Rows come and go; each keeps its own values, and what was before it is not zero. */
static void test_rows_come_and_go(void **state)
{
	struct rate a = {.name = "a", .per_second = 1}, b = {.name = "b", .per_second = 10};
	struct rate vcpu = {.name = "b", .guest = 3, .thread = {.tid = 4}, .per_second = 100};
	struct rate gauge = {.name = "g", .kind = FIELD_GAUGE, .total = 7, .per_second = -1};
	struct history history = {0};

	(void)state;
	update(&history, (struct rate[]){a, gauge}, 2);
	update(&history, (struct rate[]){a, b, vcpu}, 3);
	b.per_second = 20;
	gauge.total = 8;
	update(&history, (struct rate[]){b, vcpu, gauge}, 3);
	assert_null(history_find(&history, &a));
	assert_true(history_value(&history, history_find(&history, &b), 0) == 20);
	assert_true(history_value(&history, history_find(&history, &b), 1) == 10);
	assert_true(isnan(history_value(&history, history_find(&history, &b), 2)));
	assert_true(isnan(history_value(&history, history_find(&history, &b), 3)));
	assert_true(history_value(&history, history_find(&history, &vcpu), 1) == 100);
	assert_true(history_value(&history, history_find(&history, &gauge), 0) == 8);
	assert_true(isnan(history_value(&history, history_find(&history, &gauge), 1)));
	history_clear(&history);
	assert_null(history_find(&history, &b));
}

static void test_ring(void **state)
{
	struct rate row = {.name = "a"};
	struct history history = {0};
	size_t i;

	(void)state;
	for (i = 0; i < HISTORY_MAX + 10; i++) {
		row.per_second = (double)i;
		update(&history, &row, 1);
	}
	for (i = 0; i < HISTORY_MAX; i++)
		assert_true(history_value(&history, history_find(&history, &row), i) ==
			    (double)(HISTORY_MAX + 9 - i));
	assert_true(isnan(history_value(&history, history_find(&history, &row), HISTORY_MAX)));
	history_clear(&history);
}

/* The first sample after a change has no rates. */
static void test_restart(void **state)
{
	struct rate row = {.name = "a", .per_second = 5};
	struct rates first = {.rows = &row, .count = 1, .first = true};
	struct history history = {0};

	(void)state;
	update(&history, &row, 1);
	assert_int_equal(history_update(&history, &first), 0);
	assert_int_equal(history.used, 0);
	assert_null(history_find(&history, &row));
	history_clear(&history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_come_and_go),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
