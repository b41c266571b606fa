/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <locale.h>

#include "host/number.h"

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int result;
		uint64_t value;
	} rows[] = {
		{"0", 0, UINT64_MAX, 0, 0},
		{"007", 0, UINT64_MAX, 0, 7},
		{"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
		{"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
		{"18446744073709551620", 0, UINT64_MAX, -ERANGE, 0},
		{"99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
		{"1", 1, 3, 0, 1},
		{"3", 1, 3, 0, 3},
		{"0", 1, 3, -ERANGE, 0},
		{"4", 1, 3, -ERANGE, 0},
		{"", 0, 9, -EINVAL, 0},
		{"-0", 0, 9, -EINVAL, 0},
		{"+1", 0, 9, -EINVAL, 0},
		{" 1", 0, 9, -EINVAL, 0},
		{"1 ", 0, 9, -EINVAL, 0},
		{"1\n", 0, 9, -EINVAL, 0},
		{"0x1", 0, 9, -EINVAL, 0},
		{"1e1", 0, 99, -EINVAL, 0},
		/* Not a number at all, however large it begins. */
		{"99999999999999999999999999x", 0, 9, -EINVAL, 0},
		{"\xd9\xa1", 0, 9, -EINVAL, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		uint64_t value = 42;

		assert_row(number_parse_u64(rows[i].text, rows[i].min, rows[i].max, &value) ==
				   rows[i].result,
			   rows[i].text);
		assert_row(value == (rows[i].result ? 42 : rows[i].value), rows[i].text);
	}
}

static void check_doubles(void)
{
	static const struct {
		const char *text;
		int result;
		double value;
	} rows[] = {
		{"0", 0, 0},
		{"3", 0, 3},
		{"0.25", 0, 0.25},
		{".5", 0, 0.5},
		{"5.", 0, 5},
		{"1e1", 0, 10},
		{"1E-1", 0, 0.1},
		{"-1", 0, -1},
		{"+2.5", 0, 2.5},
		{"", -EINVAL, 0},
		{"1,5", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"nan", -EINVAL, 0},
		{"1e999", -EINVAL, 0},
		{"-1e999", -EINVAL, 0},
		{"0x1p3", -EINVAL, 0},
		{"1e", -EINVAL, 0},
		{"e1", -EINVAL, 0},
		{".", -EINVAL, 0},
		{"1.2.3", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{"1s", -EINVAL, 0},
	};
	size_t i;

	for (i = 0; i < array_size(rows); i++) {
		double value = 42;

		assert_row(number_parse_double(rows[i].text, &value) == rows[i].result,
			   rows[i].text);
		assert_row(value == (rows[i].result ? 42 : rows[i].value), rows[i].text);
	}
}

static void test_double(void **state)
{
	(void)state;
	check_doubles();
}

/* Where there is a locale with a decimal comma, it changes nothing, and stays as it was. */
static void test_double_elsewhere(void **state)
{
	static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(names) && !setlocale(LC_ALL, names[i]); i++)
		;
	check_doubles();
	if (i < array_size(names))
		assert_string_equal(localeconv()->decimal_point, ",");
	setlocale(LC_ALL, "C");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_double),
		cmocka_unit_test(test_double_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
