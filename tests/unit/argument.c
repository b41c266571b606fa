/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "qemu-kvm/argument.h"
#include "qemu-kvm/qemu_options.h"

#define WORDS_MAX 32

/*
 * What is found in a command line whose words are separated by '|', as text to be freed: for each
 * argument " INDEX:name", with "=value" where it has one, or " INDEX:image".
 */
static char *scan(const char *line)
{
	char *words = strdup(line), *rest = words, *text = NULL;
	char *argv[WORDS_MAX] = {(char *)"qemu-kvm"};
	struct argument argument;
	size_t length;
	int argc = 1, position = 1;
	FILE *stream = open_memstream(&text, &length);

	assert_true(words && stream);
	while (*line && rest) {
		assert_true(argc < WORDS_MAX - 1);
		argv[argc++] = strsep(&rest, "|");
	}
	while (argument_next(argv, &position, &argument)) {
		fprintf(stream, " %d:%s", argument.index, argument.name ? argument.name : "image");
		if (argument.value)
			fprintf(stream, "=%s", argument.value);
		/* They point into argv. */
		assert_true(!argument.value || argument.value == argv[argument.index + 1]);
	}
	assert_int_equal(position, argc);
	assert_false(argument_next(argv, &position, &argument));
	assert_int_equal(position, argc);
	assert_int_equal(fclose(stream), 0);
	free(words);
	return text;
}

static void test_next(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		/* Options with and without a value. */
		{"-m|512", " 1:m=512"},
		{"-enable-kvm", " 1:enable-kvm"},
		{"-enable-kvm|disk", " 1:enable-kvm 2:image"},
		{"-m|512|-enable-kvm|-smp|2", " 1:m=512 3:enable-kvm 4:smp=2"},
		{"-h|-version", " 1:h 2:version"},
		{"-snapshot|-S|-s", " 1:snapshot 2:S 3:s"},
		/* One dash or two are the same, three are none of QEMU's. */
		{"--accel|kvm", " 1:accel=kvm"},
		{"--enable-kvm|x", " 1:enable-kvm 2:image"},
		{"---accel|kvm", " 1:-accel=kvm"},
		{"---accel|-m|1", " 1:-accel 2:m=1"},
		/* A value is never an option. */
		{"-name|-accel", " 1:name=-accel"},
		{"-name|-accel|kvm", " 1:name=-accel 3:image"},
		{"-append|-M none", " 1:append=-M none"},
		{"-kernel|-version", " 1:kernel=-version"},
		{"-accel|-accel|-accel", " 1:accel=-accel 3:accel"},
		{"-device|-device|-device|-device", " 1:device=-device 3:device=-device"},
		{"-append|--|-m|1", " 1:append=-- 3:m=1"},
		{"-append||-m|1", " 1:append= 3:m=1"},
		{"-cpu|help|-h", " 1:cpu=help 3:h"},
		{"-no-kvm|-pcidevice|-no-kvm", " 1:no-kvm 2:pcidevice=-no-kvm"},
		/* What lacks its value has none. */
		{"-accel", " 1:accel"},
		{"-m|1|-accel", " 1:m=1 3:accel"},
		{"-kvm-shadow-memory", " 1:kvm-shadow-memory"},
		/* Disk images: whatever does not begin with a dash. */
		{"disk.img", " 1:image"},
		{"disk.img|disk2.img", " 1:image 2:image"},
		{"accel|kvm", " 1:image 2:image"},
		{"|disk", " 1:image 2:image"},
		{" -m|1", " 1:image 2:image"},
		{"\342\200\220m|1", " 1:image 2:image"}, /* U+2010, a hyphen */
		/* The name must be whole, as it is written: QEMU abbreviates nothing. */
		{"-acce|kvm", " 1:acce=kvm"},
		{"-Accel|kvm", " 1:Accel=kvm"},
		{"-accel=kvm|kvm", " 1:accel=kvm=kvm"},
		{"-accel=kvm|-m|1", " 1:accel=kvm 2:m=1"},
		{"-machine |x", " 1:machine =x"},
		/* Unknown ones: the next is their value unless it looks like an option. */
		{"-frobnicate|3", " 1:frobnicate=3"},
		{"-frobnicate|-m|3", " 1:frobnicate 2:m=3"},
		{"-frobnicate", " 1:frobnicate"},
		{"-frobnicate||x", " 1:frobnicate= 3:image"},
		{"-frobnicate|--m|3", " 1:frobnicate 2:m=3"},
		{"-frobnicate|-", " 1:frobnicate 2:"},
		/* Nothing but dashes. */
		{"-", " 1:"},
		{"--", " 1:"},
		{"-|--|-m|1", " 1: 2: 3:m=1"},
		{"-|x", " 1:=x"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		char *found = scan(rows[i][0]);

		if (strcmp(found, rows[i][1]) != 0)
			fail_msg("%s:%s instead of%s", rows[i][0], found, rows[i][1]);
		free(found);
	}
}

static void test_kind(void **state)
{
	static const struct {
		const char *word;
		int kind;
	} rows[] = {
		{"-enable-kvm", QEMU_OPTION_FLAG},
		{"-daemonize", QEMU_OPTION_FLAG},
		{"-name", QEMU_OPTION_VALUE},
		{"--name", QEMU_OPTION_VALUE},
		{"-readconfig", QEMU_OPTION_VALUE},
		{"-machine", QEMU_OPTION_HELP},
		{"-M", QEMU_OPTION_HELP},
		{"-accel", QEMU_OPTION_HELP},
		{"-h", QEMU_OPTION_INFORMATION},
		{"--help", QEMU_OPTION_INFORMATION},
		{"-version", QEMU_OPTION_INFORMATION},
		{"-no-kvm", QEMU_OPTION_FLAG},
		{"-pcidevice", QEMU_OPTION_VALUE},
		{"-kvm-shadow-memory", QEMU_OPTION_VALUE},
		{"-frobnicate", -ENOENT},
		{"-m512", -ENOENT},
		{"-", -ENOENT},
		{"image", -ENOENT},
		{"", -ENOENT},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		char *argv[] = {(char *)"qemu-kvm", (char *)rows[i].word, NULL};
		struct argument argument;
		int position = 1;

		assert_true(argument_next(argv, &position, &argument));
		assert_row(argument.kind == rows[i].kind, rows[i].word);
		assert_row(!argument.name == (*rows[i].word != '-'), rows[i].word);
		assert_null(argument.value);
	}
}

/* Every option of the table, followed by what looks like another one. */
static void test_each_option(void **state)
{
	size_t count, i;
	const struct qemu_option *table = qemu_option_table(&count);

	(void)state;
	for (i = 0; i < count; i++) {
		char word[64];
		char *argv[] = {(char *)"qemu-kvm", word, (char *)"-version", NULL};
		bool takes_value = table[i].kind == QEMU_OPTION_VALUE ||
				   table[i].kind == QEMU_OPTION_HELP;
		struct argument argument;
		int position = 1;

		snprintf(word, sizeof(word), "--%s", table[i].name);
		assert_true(argument_next(argv, &position, &argument));
		assert_string_equal(argument.name, table[i].name);
		assert_row(argument.kind == (int)table[i].kind, word);
		assert_row(!!argument.value == takes_value, word);
		assert_row(position == (takes_value ? 3 : 2), word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_kind),
		cmocka_unit_test(test_each_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
