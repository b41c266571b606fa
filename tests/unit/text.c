/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <locale.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "host/text.h"
#include "tests/unit/tree.h"

#define RANDOM_WORDS 500

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

static void test_format(void **state)
{
	char long_text[5000];
	char *text = text_format("%s: %d%%, %c", "a\nb", -3, 'x');

	(void)state;
	assert_string_equal(text, "a\nb: -3%, x");
	free(text);
	text = text_format("%s", "");
	assert_string_equal(text, "");
	free(text);
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	text = text_format("%s%s", long_text, long_text);
	assert_int_equal(strlen(text), 2 * (sizeof(long_text) - 1));
	free(text);
}

/* What is harmless stays as it is; nothing that a shell might take for something does. */
static void test_shell_quote(void **state)
{
	static const char *const rows[][2] = {
		{"", "''"},
		{"-m", "-m"},
		{"accel=kvm,thread=single", "accel=kvm,thread=single"},
		{"/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-x86_64"},
		{"a b", "'a b'"},
		{"it's", "'it'\\''s'"},
		{"'", "''\\'''"},
		{"$HOME", "'$HOME'"},
		{"`id`", "'`id`'"},
		{"a\\b", "'a\\b'"},
		{"*", "'*'"},
		{"~", "'~'"},
		{"{a,b}", "'{a,b}'"},
		{"!x", "'!x'"},
		{"#", "'#'"},
		{"\xc3\xa9", "'\xc3\xa9'"},
		/* What a terminal might take for something. */
		{"a\nb", "$'a\\x0ab'"},
		{"\033[31m", "$'\\x1b[31m'"},
		{"it's\n", "$'it\\'s\\x0a'"},
		{"\\n\n", "$'\\\\n\\x0a'"},
		{"\xff", "$'\\xff'"},
		{"\xc3", "$'\\xc3'"},
		{"\xe2\x80\xae", "$'\\xe2\\x80\\xae'"},
		{"\xc3\xa9\n", "$'\xc3\xa9\\x0a'"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		cleanup_free char *quoted = text_shell_quote(rows[i][0]);

		assert_string_equal(quoted, rows[i][1]);
	}
}

/* Words for the round trip: each byte alone and between others, and what the dice say. */
struct words {
	char *list[2 * 255 + RANDOM_WORDS];
	size_t count;
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static char *random_word(uint32_t *state)
{
	static const char *const parts[] = {
		"'", "\\", "\"", "$", "`",        "\n",           " ",        "x0a",   "\\x",
		"0", "f",  "$'", "!", "\xc3\xa9", "\xe2\x80\xae", "\xc2\x9b", "\033[", "-",
		"=",
	};
	size_t left = next_random(state) % 20;
	char *word = calloc(1, 4 * left + 1);

	assert_non_null(word);
	while (left--) {
		char byte[2] = {(char)(next_random(state) % 255 + 1)};

		strcat(word, next_random(state) % 2 ? parts[next_random(state) % array_size(parts)]
						    : byte);
	}
	return word;
}

static void make_words(struct words *words)
{
	uint32_t random = 20120229;
	unsigned int byte, i;

	for (byte = 1; byte < 256; byte++) {
		char alone[] = {(char)byte, '\0'};
		char between[] = {'a', (char)byte, '1', '\0'};

		words->list[words->count++] = strdup(alone);
		words->list[words->count++] = strdup(between);
	}
	for (i = 0; i < RANDOM_WORDS; i++)
		words->list[words->count++] = random_word(&random);
}

/* Has bash write down what it makes of the quoted words, each ended by NUL. */
static void run_bash(const struct words *words, const struct tree *tree)
{
	char *argv[] = {(char *)"bash", (char *)"--norc", NULL, NULL};
	char *script = NULL;
	size_t length, i;
	FILE *stream = open_memstream(&script, &length);
	int status;
	pid_t pid;

	assert_non_null(stream);
	fputs("printf '%s\\0'", stream);
	for (i = 0; i < words->count; i++) {
		cleanup_free char *quoted = text_shell_quote(words->list[i]);

		/* It is one line, and no terminal does anything but show it. */
		assert_clean(quoted, quoted);
		fprintf(stream, " %s", quoted);
	}
	fprintf(stream, " >'%s/out'\n", tree->path);
	assert_int_equal(fclose(stream), 0);
	tree_write(tree, "script", 0644, script, length);
	free(script);
	argv[2] = tree_path(tree, "script");
	assert_int_equal(posix_spawnp(&pid, "bash", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free(argv[2]);
}

static void test_shell_quote_round_trip(void **state)
{
	static struct words words;
	struct tree tree;
	char *out = NULL, *p;
	ssize_t length;
	size_t i;

	(void)state;
	tree_make(&tree);
	make_words(&words);
	run_bash(&words, &tree);
	length = host_read_alloc(tree.root.fd, "out", 1 << 20, &out);
	assert_true(length > 0);
	for (i = 0, p = out; i < words.count; i++, p += strlen(p) + 1) {
		assert_true(p < out + length);
		assert_string_equal(p, words.list[i]);
		free(words.list[i]);
	}
	assert_ptr_equal(p, out + length);
	free(out);
	tree_remove(&tree);
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
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_shell_quote),
		cmocka_unit_test(test_shell_quote_round_trip),
		cmocka_unit_test(test_width_in_c_locale),
	};

	if (!setlocale(LC_ALL, "C.UTF-8")) {
		puts("SKIP: no-locale: C.UTF-8 is not installed");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
