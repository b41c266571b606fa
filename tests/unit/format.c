/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "kvm_stat/format.h"

static void test_time(void **state)
{
	static const struct {
		double ns;
		const char *suffix, *text;
	} rows[] = {
		{0, "", "0ns"},          {0.4, "", "0ns"},         {1, "", "1ns"},
		{999.4, "", "999ns"},    {999.5, "", "1.0us"},     {1000, "", "1.0us"},
		{9949, "", "9.9us"},     {9950, "", "10us"},       {999499, "", "999us"},
		{999500, "", "1.0ms"},   {350e6, "", "350ms"},     {1.25e9, "", "1.2s"},
		{999.5e9, "", "1000s"}, /* there is no unit above */
		{86400e9, "", "86400s"}, {2.5e3, "/s", "2.5us/s"},
	};
	char text[FORMAT_TIME_SIZE], small[4];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		format_time(text, sizeof(text), rows[i].ns, rows[i].suffix);
		assert_string_equal(text, rows[i].text);
	}
	format_time(text, sizeof(text), NAN, "/s");
	assert_string_equal(text, "-");
	format_time(small, sizeof(small), 86400e9, "");
	assert_string_equal(small, "864");
	/* The longest time that a counter holds, 584 years. */
	format_time(text, sizeof(text), 0x1p64, "");
	assert_string_equal(text, "18446744074s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_time)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
