/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "qemu-kvm/qemu_options.h"

static void test_sorted(void **state)
{
	size_t count, i;
	const struct qemu_option *table = qemu_option_table(&count);

	(void)state;
	assert_true(count > 100);
	for (i = 1; i < count; i++)
		assert_row(strcmp(table[i - 1].name, table[i].name) < 0, table[i].name);
}

static void test_all_found(void **state)
{
	size_t count, i;
	const struct qemu_option *table = qemu_option_table(&count);

	(void)state;
	for (i = 0; i < count; i++)
		assert_row(qemu_option_kind(table[i].name) == (int)table[i].kind, table[i].name);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *name;
		int kind;
	} rows[] = {
		{"D", QEMU_OPTION_VALUE},
		{"S", QEMU_OPTION_FLAG},
		{"d", QEMU_OPTION_HELP},
		{"s", QEMU_OPTION_FLAG},
		{"enable-kvm", QEMU_OPTION_FLAG},
		{"name", QEMU_OPTION_VALUE},
		{"version", QEMU_OPTION_INFORMATION},
		{"xen-domid-restrict", QEMU_OPTION_FLAG},
		/* Who looks up takes the dashes off. */
		{"-enable-kvm", -ENOENT},
		{"--enable-kvm", -ENOENT},
		{"", -ENOENT},
		{"-", -ENOENT},
		{"enable-kv", -ENOENT},
		{"enable-kvm ", -ENOENT},
		{"Enable-KVM", -ENOENT},
		{"zzz", -ENOENT},
		{"\xff", -ENOENT},
		/* Options of the old qemu-kvm are not QEMU's. */
		{"no-kvm", -ENOENT},
		{"tdf", -ENOENT},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_row(qemu_option_kind(rows[i].name) == rows[i].kind, rows[i].name);
}

static void test_help(void **state)
{
	static const struct {
		const char *name, *value;
		bool help;
	} rows[] = {
		/* As any element. */
		{"device", "help", true},
		{"device", "?", true},
		{"device", "e1000,help", true},
		{"device", "e1000,?", true},
		{"device", "e1000,mac=x,help,id=y", true},
		{"device", "driver=help", true},
		{"device", "driver=?,id=x", true},
		{"device", "", false},
		{"device", ",", false},
		{"device", ",help", true},
		{"device", "help,", true},
		{"device", "helper", false},
		{"device", "hel", false},
		{"device", "??", false},
		{"device", "e1000,id=help", false},
		{"device", "e1000,xdriver=help", false},
		{"device", "e1000,driver=helper", false},
		{"device", "e1000,driver=", false},
		{"device", "e1000,driver", false},
		/* Two commas are one of the text. */
		{"device", "e1000,,help", false},
		{"device", "a,,,help", true},
		{"device", "a,,,,help", false},
		{"device", "a,,", false},
		{"device", "{\"driver\": \"e1000\", \"id\": \"a,help,b\"}", false},
		/* Only as a whole, or of a key. */
		{"L", "help", true},
		{"L", "?", true},
		{"L", "help,x", false},
		{"L", "x,help", false},
		{"L", "x=help", false},
		{"nic", "help", true},
		{"nic", "user,model=help", true},
		{"nic", "type=?,id=x", true},
		{"nic", "user,help", false},
		{"drive", "help", false},
		{"drive", "?", false},
		{"drive", "format=help", true},
		{"drive", "file=a,,format=help", false},
		{"drive", "file=a,format=?", true},
		/* Never. */
		{"name", "help", false},
		{"icount", "help", false},
		{"S", "help", false},
		{"h", "help", false},
		{"unknown", "help", false},
		{"-device", "help", false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		if (qemu_option_asks_for_help(rows[i].name, rows[i].value) != rows[i].help)
			fail_msg("-%s %s", rows[i].name, rows[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_all_found),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
