/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "units/assignment.h"
#include "units/key.h"
#include "units/merge.h"
#include "units/substitute.h"

#define PATH "dir/x.in"

static struct sources sources;

static int teardown(void **state)
{
	(void)state;
	sources_free(&sources);
	return 0;
}

static int try_parse(const char *text, size_t length, enum unit_rules rules, struct unit *unit,
		     char **why)
{
	struct source *source;
	int r = source_take(&sources, PATH, text, length, &source, why);

	return r == 0 ? unit_parse(source, rules, unit, why) : r;
}

static struct unit parse(const char *text)
{
	struct unit unit;
	char *why = NULL;

	if (try_parse(text, strlen(text), UNIT_RULES_SYSTEMD, &unit, &why) < 0)
		fail_msg("%s", why);
	assert_null(why);
	return unit;
}

static char *print(const struct unit *unit)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	unit_write(unit, stream);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void assert_prints(const struct unit *unit, const char *expected)
{
	char *text = print(unit);

	assert_string_equal(text, expected);
	free(text);
}

static void lines_know_where_they_are_from(void **state)
{
	struct unit unit = parse("# a\n\n[Unit]\n\n  b\r\r\n[Service]\nc\n[Unit]\nd");
	struct unit_section *section = unit_section(&unit, "Unit");
	char *why;

	(void)state;
	assert_int_equal(section->count, 2);
	assert_string_equal(section->lines[0].text, "b");
	assert_int_equal(section->lines[0].number, 5);
	assert_string_equal(section->lines[1].text, "d");
	assert_int_equal(section->lines[1].number, 10);
	assert_string_equal(section->lines[1].source->path, PATH);
	why = unit_why(&section->lines[1], "%d apples", 3);
	assert_string_equal(why, PATH ":10: 3 apples");
	free(why);
	assert_null(unit_section(&unit, "Socket"));
	assert_null(unit_section(&unit, "X-A"));
	unit_free(&unit);
}

static void what_is_printed_is_read_the_same(void **state)
{
	static const char text[] =
		"[Unit]\n# c\nA=1 \\\n# d\n2\nB=\\ \nC=x \\\n\nD=1\n\n[X-Z]\nx\n";
	struct unit unit = parse(text);

	(void)state;
	assert_prints(&unit, text);
	unit_free(&unit);
}

static void errors_name_the_line(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		enum unit_rules rules;
		int error;
		const char *why;
	} rows[] = {
		{"a\0b", 3, 0, -EBADMSG, PATH ":1: it holds a NUL byte"},
		{"\r\n\r\n\xff", 5, 0, -EBADMSG, PATH ":3: it is not UTF-8"},
		{"\n[A]\n", 5, 0, -EBADMSG, PATH ":2: unknown section [A]"},
		{"[Path]\n", 7, UNIT_RULES_LIBVIRT, -EBADMSG, PATH ":1: unknown section [Path]"},
		{"x\n[Unit]\n", 9, 0, -EBADMSG, PATH ":1: outside of any section: x"},
		{"[Unit]\nx\\", 9, 0, -EBADMSG, PATH ":2: nothing follows that continues it: x\\"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct unit unit;
		char *why = NULL;

		assert_row(try_parse(rows[i].text, rows[i].length, rows[i].rules, &unit, &why) ==
				   rows[i].error,
			   rows[i].why);
		assert_string_equal(why, rows[i].why);
		free(why);
	}
}

static void sources_are_bounded_together(void **state)
{
	size_t size = SOURCE_TOTAL_MAX / 2 + 1;
	char *text = calloc(1, size);
	struct source *source;
	char *why = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', size);
	assert_int_equal(source_take(&sources, "a", text, size, &source, &why), 0);
	assert_int_equal(source_take(&sources, "b", text, size, &source, &why), -EFBIG);
	assert_string_equal(why, "b: with it there are more than 16 MiB to read");
	free(why);
	free(text);
}

static void merging_moves_lines(void **state)
{
	struct unit base = parse("[Unit]\na\n[Install]\nz\n");
	struct unit extra = parse("[Install]\ny\n[Unit]\nb\n"), other = parse("[Socket]\nc\n");
	char *why;

	(void)state;
	assert_int_equal(merge_unit(&base, &extra, &why), 0);
	assert_prints(&base, "[Unit]\na\nb\n\n[Install]\nz\ny\n");
	assert_int_equal(merge_unit(&base, &other, &why), -EBADMSG);
	assert_string_equal(why,
			    PATH ":2: section [Socket] is not in the base, but this is in it: c");
	free(why);
	unit_free(&base);
	unit_free(&extra);
	unit_free(&other);
}

static void assignments_span_lines(void **state)
{
	struct unit unit = parse("[Unit]\n A = 1 \\\n# c\n 2 = 3 \\\n\nnone\n= \nB==x\\\\\n");
	struct assignments list;

	(void)state;
	assert_int_equal(assignments_read(unit_section(&unit, "Unit"), &list), 0);
	assert_int_equal(list.count, 4);
	assert_string_equal(list.items[0].key, "A");
	assert_string_equal(list.items[0].value, "1  2 = 3");
	assert_int_equal(list.items[0].first, 0);
	assert_int_equal(list.items[0].last, 3);
	assert_string_equal(list.items[1].key, "none");
	assert_null(list.items[1].value);
	assert_string_equal(list.items[2].key, "");
	assert_string_equal(list.items[2].value, "");
	assert_string_equal(list.items[3].value, "=x\\\\");
	assignments_free(&list);
	unit_free(&unit);
}

static void backslashes_that_continue(void **state)
{
	(void)state;
	assert_true(unit_text_continues("\\"));
	assert_true(unit_text_continues("a\\\\\\"));
	assert_false(unit_text_continues("a\\\\"));
	assert_false(unit_text_continues("\\ "));
	assert_false(unit_text_continues(""));
}

static void values_take_the_place_of_names(void **state)
{
	struct definition definitions[] = {
		{"a", "1", false}, {"ab", "@a@", false}, {"c", "", false}};
	struct unit unit = parse("[Unit]\nx=@a@@ab@ @@a@ @ @-@\n");
	char *why;

	(void)state;
	assert_int_equal(substitute_unit(&unit, definitions, 3, &why), -EBADMSG);
	assert_string_equal(why, PATH ":2: @-@ has no value: x=@a@@ab@ @@a@ @ @-@");
	free(why);
	unit_free(&unit);
	unit = parse("[Unit]\nx=@a@@ab@ @@a@ @ @\n");
	assert_int_equal(substitute_unit(&unit, definitions, 3, &why), 0);
	assert_prints(&unit, "[Unit]\nx=1@a@ @1 @ @\n");
	assert_true(definitions[0].used && definitions[1].used && !definitions[2].used);
	unit_free(&unit);
}

static void keys_are_of_a_kind(void **state)
{
	unsigned length;

	(void)state;
	/* The first and the last of the sorted table, and what is beside them. */
	assert_true(key_is_scalar("Accept"));
	assert_true(key_is_scalar("Writable"));
	assert_false(key_is_scalar("After"));
	assert_false(key_is_scalar(""));
	assert_false(key_is_scalar("restart"));
	assert_true(key_is_set("Unit", "After"));
	assert_false(key_is_set("Service", "After"));
	assert_true(key_is_set("Install", "WantedBy"));
	assert_string_equal(key_reset_group("Unit", "ConditionHost", &length), "Condition");
	assert_int_equal(length, 9);
	assert_string_equal(key_reset_group("Service", "ConditionHost", &length), "ConditionHost");
	assert_string_equal(key_reset_group("Timer", "OnClockChange", &length), "OnClockChange");
	assert_string_equal(key_reset_group("Timer", "OnCalendar", &length), "On");
	assert_int_equal(length, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(lines_know_where_they_are_from, teardown),
		cmocka_unit_test_teardown(what_is_printed_is_read_the_same, teardown),
		cmocka_unit_test_teardown(errors_name_the_line, teardown),
		cmocka_unit_test_teardown(sources_are_bounded_together, teardown),
		cmocka_unit_test_teardown(merging_moves_lines, teardown),
		cmocka_unit_test_teardown(assignments_span_lines, teardown),
		cmocka_unit_test(backslashes_that_continue),
		cmocka_unit_test_teardown(values_take_the_place_of_names, teardown),
		cmocka_unit_test(keys_are_of_a_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
