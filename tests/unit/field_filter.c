/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "kvm_stat/field_filter.h"

static void test_match(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} rows[] = {
		{"", "kvm_exit", true},
		{"kvm_exit", "kvm_exit", true},
		/* At the start, but not to the end. */
		{"kvm", "kvm_exit", true},
		{"exit", "kvm_exit", false},
		{".*exit", "kvm_exit", true},
		{"kvm_exit$", "kvm_exit", true},
		{"kvm_exit$", "kvm_exit(HLT)", false},
		{"a|kvm_p", "kvm_pio", true},
		{"pio|kvm_e", "kvm_pio", false},
		{"(?:x|kvm)_", "kvm_pio", true},
		{"^kvm", "kvm_exit", true},
		/* Case matters, unless the pattern says otherwise. */
		{"KVM", "kvm_exit", false},
		{"(?i)KVM", "kvm_exit", true},
		{"kvm_exit\\(HLT\\)", "kvm_exit(HLT)", true},
		{"kvm_exit(HLT)", "kvm_exit(HLT)", false},
		{"[hi]", "halt_exits", true},
		{"(?!kvm)", "kvm_exit", false},
		{"(?!kvm)", "halt", true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct field_filter *filter = NULL;
		char *why = NULL;

		assert_int_equal(field_filter_compile(rows[i].pattern, &filter, &why), 0);
		assert_row(field_filter_match(filter, rows[i].name) == rows[i].matches,
			   rows[i].pattern);
		assert_string_equal(field_filter_pattern(filter), rows[i].pattern);
		field_filter_free(filter);
	}
	assert_true(field_filter_match(NULL, "anything"));
	assert_true(field_filter_match_some_number(NULL, "anything("));
	assert_string_equal(field_filter_pattern(NULL), "");
	field_filter_free(NULL);
}

static void test_match_some_number(void **state)
{
	static const struct {
		const char *pattern;
		bool matches;
	} rows[] = {
		{"kvm_exit", true},
		{"kvm_exit$", false},
		{"kvm_exit\\(0x4", true},
		{"kvm_exit\\(0x40\\)$", true},
		{"kvm_exit\\([0-9a-fx]+\\)", true},
		{"kvm_exit\\(IO", false},
		{"kvm_entry|.*9", true},
		{"0x", false},
		/* Large ones where they are spelt out. */
		{"kvm_exit\\(0x80000405\\)", true},
		{"kvm_entry\\(0x1|kvm_exit\\((0x99999|0x80000405)\\)", true},
		{"kvm_exit\\(0xffffffffffffffffff\\)", false},
		{"kvm_exit\\(0x\\)", false},
		/* Others are not asked for. */
		{".*mmio", false},
		{"(?!.*exit).*", false},
		{".*NPF", false},
		{"(.*)*(.*)*(.*)*X", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct field_filter *filter = NULL;
		char *why = NULL;

		assert_int_equal(field_filter_compile(rows[i].pattern, &filter, &why), 0);
		assert_row(field_filter_match_some_number(filter, "kvm_exit(") == rows[i].matches,
			   rows[i].pattern);
		field_filter_free(filter);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *pattern, *why;
	} rows[] = {
		{"(", "missing closing parenthesis at position 1"},
		{"[", "missing terminating ] for character class at position 1"},
		{"*", "quantifier does not follow a repeatable item at position 0"},
		{"a\\", "\\ at end of pattern at position 2"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct field_filter *filter = NULL;
		char *why = NULL;

		assert_int_equal(field_filter_compile(rows[i].pattern, &filter, &why), -EINVAL);
		assert_null(filter);
		assert_string_equal(why, rows[i].why);
		free(why);
	}
}

/* A pattern that would take for ever ends, and does not match. */
static void test_catastrophic(void **state)
{
	static const char *const patterns[] = {"(a*)*b", "(a|aa)+$", "(.*)*(.*)*(.*)*x"};
	char name[4001];
	size_t i;

	(void)state;
	memset(name, 'a', sizeof(name) - 2);
	name[sizeof(name) - 2] = '!';
	name[sizeof(name) - 1] = '\0';
	for (i = 0; i < array_size(patterns); i++) {
		struct field_filter *filter = NULL;
		char *why = NULL;

		assert_int_equal(field_filter_compile(patterns[i], &filter, &why), 0);
		assert_row(!field_filter_match(filter, name), patterns[i]);
		field_filter_free(filter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_match_some_number),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_catastrophic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
