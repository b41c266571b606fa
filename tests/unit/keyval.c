/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "qemu-kvm/keyval.h"

/* The list as text, to be freed: "key=value;", a bare word as "key;". */
static char *render(const struct keyvals *list)
{
	char *text = NULL;
	size_t length, i;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	for (i = 0; i < list->count; i++) {
		fputs(list->items[i].key, stream);
		if (list->items[i].value)
			fprintf(stream, "=%s", list->items[i].value);
		putc(';', stream);
	}
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void assert_parsed(const char *text, const char *implied, const char *expected)
{
	struct keyvals list;
	char *rendered;

	assert_int_equal(keyvals_parse(text, implied, &list), 0);
	rendered = render(&list);
	if (strcmp(rendered, expected) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", text, rendered, expected);
	free(rendered);
	keyvals_free(&list);
}

static void test_parse(void **state)
{
	static const struct {
		const char *text, *implied, *expected;
	} rows[] = {
		{"", NULL, ""},
		{"", "type", ""},
		{"q35", "type", "type=q35;"},
		{"q35,accel=tcg", "type", "type=q35;accel=tcg;"},
		{"accel=tcg,q35", "type", "accel=tcg;q35;"}, /* only the first is implied */
		{"type=q35", "type", "type=q35;"},
		{"q35", NULL, "q35;"},
		{"q35,usb=on", NULL, "q35;usb=on;"},
		/* What a key's value is made of. */
		{"a=", NULL, "a=;"},
		{"a=,b=1", NULL, "a=;b=1;"},
		{"a=b=c", NULL, "a=b=c;"},
		{"a==", NULL, "a==;"},
		{"=x", "type", "=x;"},
		{"a= x ", NULL, "a= x ;"},
		/* Two commas are one comma of a value, wherever they stand. */
		{"a=x,,y", NULL, "a=x,y;"},
		{"a=x,,y,b=z", NULL, "a=x,y;b=z;"},
		{"a=x,,", NULL, "a=x,;"},
		{"a=,,x", NULL, "a=,x;"},
		{"a=,,", NULL, "a=,;"},
		{"a=x,,,b=1", NULL, "a=x,;b=1;"},
		{"a=x,,,,b=1", NULL, "a=x,,b=1;"},
		{"none,,accel=tcg", "type", "type=none,accel=tcg;"},
		{"tcg,,x", "accel", "accel=tcg,x;"},
		{"file=a,,accel=kvm", NULL, "file=a,accel=kvm;"},
		/* A single one at an end ends an element and begins none. */
		{"a=1,", NULL, "a=1;"},
		{"q35,", "type", "type=q35;"},
		{",a=1", "type", "type=;a=1;"},
		/* In a key there is no escape. */
		{"a,,b", NULL, "a;;b;"},
		/* Several times. */
		{"accel=tcg,accel=kvm", "accel", "accel=tcg;accel=kvm;"},
		{"kvm,accel=tcg", "accel", "accel=kvm;accel=tcg;"},
		/* JSON. */
		{"{}", "type", ""},
		{"{\"type\":\"tap\",\"vhost\":true}", "type", ""},
		{" {}", "type", "type= {};"}, /* which it is at the very start only */
		{"a={}", NULL, "a={};"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_parsed(rows[i].text, rows[i].implied, rows[i].expected);
}

/* Nothing is cut off at a size of ours. */
static void test_long(void **state)
{
	enum { LENGTH = 100000 };
	char *text = malloc(LENGTH + 1);
	struct keyvals list;
	size_t i;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LENGTH);
	text[1] = '=';
	text[LENGTH] = '\0';
	assert_int_equal(keyvals_parse(text, NULL, &list), 0);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].value, text + 2);
	keyvals_free(&list);
	/* As many elements as there is room for. */
	for (i = 0; i < LENGTH; i++)
		text[i] = i % 2 ? ',' : 'k';
	assert_int_equal(keyvals_parse(text, NULL, &list), 0);
	assert_int_equal(list.count, LENGTH / 2);
	keyvals_free(&list);
	free(text);
}

static void test_get(void **state)
{
	static const struct {
		const char *text, *value; /* of "key" */
		bool has;
	} rows[] = {
		{"", NULL, false},
		{"key=a", "a", true},
		{"key=a,key=b", "b", true},
		{"key=a,other=b", "a", true},
		{"key=a,key", NULL, true},
		{"key,key=a", "a", true},
		{"key=", "", true},
		{"keys=a", NULL, false},
		{"Key=a", NULL, false},
		{"ke=a,y=b", NULL, false},
		{"other=key=a", NULL, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct keyvals list;
		const char *value;

		assert_int_equal(keyvals_parse(rows[i].text, NULL, &list), 0);
		value = keyvals_get(&list, "key");
		assert_row(keyvals_has(&list, "key") == rows[i].has, rows[i].text);
		assert_row(!value == !rows[i].value, rows[i].text);
		if (value)
			assert_string_equal(value, rows[i].value);
		keyvals_free(&list);
	}
}

static void test_is_on(void **state)
{
	static const struct {
		const char *text;
		bool on; /* "vhost" */
	} rows[] = {
		{"", false},
		{"vhost=on", true},
		{"vhost=yes", true},
		{"vhost=true", true},
		{"vhost=y", true},
		{"vhost", true},
		{"vhost=off", false},
		{"vhost=no", false},
		{"vhost=false", false},
		{"vhost=n", false},
		/* QEMU takes these for mistakes. */
		{"vhost=", false},
		{"vhost=ON", false},
		{"vhost=1", false},
		{"vhost=on ", false},
		{"vhost=maybe", false},
		{"vhost=off,vhost=on", true},
		{"vhost=on,vhost=off", false},
		{"vhost=off,vhost", true},
		{"vhosts=on", false},
		{"x=on", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct keyvals list;

		assert_int_equal(keyvals_parse(rows[i].text, NULL, &list), 0);
		assert_row(keyvals_is_on(&list, "vhost") == rows[i].on, rows[i].text);
		keyvals_free(&list);
	}
}

/* QEMU's old short form, with a warning since 6.0: "novhost" is "vhost=off". */
static void test_negated_word(void **state)
{
	struct keyvals list;

	(void)state;
	assert_int_equal(keyvals_parse("tap,vhost=on,novhost", "type", &list), 0);
	assert_false(keyvals_is_on(&list, "vhost"));
	keyvals_free(&list);
}

static void test_add(void **state)
{
	struct keyvals list = {0};
	char key[] = "key", value[] = "value";
	char *rendered;

	(void)state;
	assert_int_equal(keyvals_add(&list, key, value), 0);
	assert_int_equal(keyvals_add(&list, key, NULL), 0);
	assert_int_equal(keyvals_add(&list, "", ""), 0);
	/* They are copies. */
	memset(key, 'x', sizeof(key) - 1);
	memset(value, 'x', sizeof(value) - 1);
	rendered = render(&list);
	assert_string_equal(rendered, "key=value;key;=;");
	free(rendered);
	keyvals_free(&list);
	assert_int_equal(list.count, 0);
	keyvals_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_long),
		cmocka_unit_test(test_get),   cmocka_unit_test(test_is_on),
		cmocka_unit_test(test_add),   cmocka_unit_test(test_negated_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
