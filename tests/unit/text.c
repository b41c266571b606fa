/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <locale.h>
#include <string.h>

#include "host/text.h"

static void assert_clean(const char *text, const char *expected)
{
	cleanup_free char *clean = text_clean(text);

	assert_string_equal(clean, expected);
}

static void test_clean(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"plain text", "plain text"},
		{"back\\slash", "back\\slash"},
		{"tab\there", "tab\\x09here"},
		{"a\nb\r", "a\\x0ab\\x0d"},
		{"\033[31mred", "\\x1b[31mred"},
		{"\177", "\\x7f"},
		/* Whole characters of two, three and four bytes. */
		{"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80", "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80"},
		/* C1 controls, as characters and as bytes. */
		{"\xc2\x80\xc2\x9b\xc2\x9f", "\\u0080\\u009b\\u009f"},
		{"\x80\x9b\xff\xfe", "\\x80\\x9b\\xff\\xfe"},
		{"\xc2\xa0", "\xc2\xa0"},
		/* Truncated at the end and amid text. */
		{"\xc3", "\\xc3"},
		{"\xe6\xbc", "\\xe6\\xbc"},
		{"\xf0\x9f\x98", "\\xf0\\x9f\\x98"},
		{"\xe6\xbcz", "\\xe6\\xbcz"},
		{"\xc3\xc3\xa9", "\\xc3\xc3\xa9"},
		/* Overlong: '/' and NUL and ESC in more bytes than they need. */
		{"\xc0\xaf", "\\xc0\\xaf"},
		{"\xc0\x80", "\\xc0\\x80"},
		{"\xe0\x80\x9b", "\\xe0\\x80\\x9b"},
		{"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
		{"\xf0\x80\x80\x9b", "\\xf0\\x80\\x80\\x9b"},
		{"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"},
		/* Surrogates, beyond U+10FFFF, and lengths that there are not. */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"\xed\xbf\xbf", "\\xed\\xbf\\xbf"},
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
		{"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		/* Direction, separators, invisible ones, tags. */
		{"\xd8\x9c", "\\u061c"},
		{"a\xe2\x80\xae"
		 "b",
		 "a\\u202eb"},
		{"\xe2\x80\x8b\xe2\x80\x8f", "\\u200b\\u200f"},
		{"\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"},
		{"\xe2\x81\xa6\xe2\x81\xa9", "\\u2066\\u2069"},
		{"\xef\xbb\xbf", "\\ufeff"},
		{"\xf3\xa0\x80\x81", "\\U0e0001"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_clean(rows[i][0], rows[i][1]);
}

/* Each control is shown, whichever it is; clean text stays as it is. */
static void test_clean_all_controls(void **state)
{
	unsigned int code;

	(void)state;
	for (code = 1; code < 0xa0; code++) {
		char text[3] = {(char)code}, expected[8];

		if (code >= 0x20 && code < 0x7f)
			continue;
		snprintf(expected, sizeof(expected), "\\x%02x", code);
		assert_clean(text, expected);
		if (code < 0x80)
			continue;
		text[0] = (char)(0xc0 | code >> 6);
		text[1] = (char)(0x80 | (code & 0x3f));
		snprintf(expected, sizeof(expected), "\\u%04x", code);
		assert_clean(text, expected);
	}
}

static void test_clean_twice(void **state)
{
	char text[256];
	unsigned int i;
	cleanup_free char *once = NULL;

	(void)state;
	for (i = 0; i < 255; i++)
		text[i] = (char)(i + 1);
	text[255] = '\0';
	once = text_clean(text);
	assert_clean(once, once);
}

static const struct {
	const char *text;
	int width, bytes_width; /* in a UTF-8 locale, and in C */
} widths[] = {
	{"", 0, 0},
	{"abc", 3, 3},
	{"\xc3\xa9", 1, 1},
	{"e\xcc\x81", 1, 2},                /* e and a combining acute */
	{"\xe6\xbc\xa2\xe5\xad\x97", 4, 2}, /* wide */
	{"\xf0\x9f\x98\x80", 2, 1},
	{"\xff", 1, 1},
};

static void test_width(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < array_size(widths); i++)
		assert_row(text_width(widths[i].text) == widths[i].width, widths[i].text);
}

static void test_fit(void **state)
{
	static const struct {
		const char *text;
		int columns;
		size_t bytes;
		int width;
	} rows[] = {
		{"abc", 0, 0, 0},
		{"abc", 2, 2, 2},
		{"abc", 3, 3, 3},
		{"abc", 9, 3, 3},
		{"abc", -1, 0, 0},
		{"\xe6\xbc\xa2\xe5\xad\x97", 1, 0, 0},
		{"\xe6\xbc\xa2\xe5\xad\x97", 2, 3, 2},
		{"\xe6\xbc\xa2\xe5\xad\x97", 3, 3, 2},
		{"\xe6\xbc\xa2\xe5\xad\x97", 4, 6, 4},
		{"e\xcc\x81x", 1, 3, 1}, /* what combines comes along */
		{"\xc3\xa9x", 1, 2, 1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		int width = -1;

		assert_row(text_fit(rows[i].text, rows[i].columns, &width) == rows[i].bytes,
			   rows[i].text);
		assert_int_equal(width, rows[i].width);
		assert_int_equal(text_fit(rows[i].text, rows[i].columns, NULL), rows[i].bytes);
	}
}

static void assert_csv(const char *text, const char *expected)
{
	char *written = NULL;
	size_t length;
	FILE *stream = open_memstream(&written, &length);

	assert_int_equal(text_csv_write(stream, text), 0);
	assert_int_equal(fclose(stream), 0);
	assert_string_equal(written, expected);
	free(written);
}

static void test_csv(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"kvm_exit(HLT)", "kvm_exit(HLT)"},
		{"a,b", "\"a,b\""},
		{"say \"x\"", "\"say \"\"x\"\"\""},
		{"\"", "\"\"\"\""},
		{"\033[0m\t", "\\x1b[0m\\x09"},
		{"\xc3\xa9", "\xc3\xa9"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_csv(rows[i][0], rows[i][1]);
}

/* However a line end is written, it must not end the record. */
static void test_csv_line_end(void **state)
{
	char *written = NULL;
	size_t length;
	FILE *stream = open_memstream(&written, &length);

	(void)state;
	assert_int_equal(text_csv_write(stream, "a\r\nb"), 0);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(written[0], '"');
	assert_int_equal(written[length - 1], '"');
	free(written);
}

static void test_csv_full_disk(void **state)
{
	FILE *stream = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(stream);
	setbuf(stream, NULL);
	assert_true(text_csv_write(stream, "a") < 0);
	fclose(stream);
}

static void test_width_in_c_locale(void **state)
{
	size_t i;

	(void)state;
	assert_non_null(setlocale(LC_ALL, "C"));
	/* Whatever the locale cannot show counts one: there is no column 0 or -1. */
	for (i = 0; i < array_size(widths); i++)
		assert_row(text_width(widths[i].text) >= widths[i].bytes_width, widths[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_clean_all_controls),
		cmocka_unit_test(test_clean_twice),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_csv_line_end),
		cmocka_unit_test(test_csv_full_disk),
		cmocka_unit_test(test_width_in_c_locale),
	};

	if (!setlocale(LC_ALL, "C.UTF-8")) {
		puts("SKIP: no-locale: C.UTF-8 is not installed");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
