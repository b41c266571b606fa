/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/request_rows.h"

static void put_configs(void)
{
	static const char *const files[][2] = {
		{"machine-tcg", "[machine]\naccel = \"tcg\"\n"},
		{"machine-kvm", "[machine]\ntype = \"q35\"\naccel = \"kvm\"\n"},
		{"machine-both", "[machine]\naccel = \"kvm:tcg\"\n"},
		{"machine-two", "[machine]\naccel = \"kvm\"\n[machine]\naccel = \"tcg\"\n"},
		{"machine-usb", "[machine]\nusb = \"on\"\n"},
		{"none", "[machine]\ntype = \"none\"\n"},
		{"xen", "[machine]\ntype = \"xenfv\"\n"},
		{"accel-kvm", "[accel \"a\"]\naccel = \"kvm\"\n"},
		{"accel-tcg", "[accel]\naccel = \"tcg\"\nthread = \"single\"\n"},
		{"accel-two", "[accel]\naccel = \"kvm\"\n[accel]\naccel = \"tcg\"\n"},
		{"accel-empty", "[accel]\n"},
		{"memory", "[memory]\nsize = \"64M\"\naccel = \"kvm\"\n"},
		{"comment", "# [accel]\n#accel = \"kvm\"\n"},
		{"nogroup", "accel = \"kvm\"\n"},
		{"tap", "[netdev \"n\"]\ntype = \"tap\"\nvhost = \"on\"\n"},
		{"tap-fd", "[netdev \"n\"]\ntype = \"tap\"\nvhost = \"on\"\nvhostfd = \"3\"\n"},
		{"vsock", "[device \"v\"]\ndriver = \"vhost-vsock-pci\"\nguest-cid = \"3\"\n"},
		{"args", "-accel kvm\n"},
	};
	char path[64];
	size_t i;

	for (i = 0; i < array_size(files); i++) {
		snprintf(path, sizeof(path), "conf/%s", files[i][0]);
		tree_put(&tree, path, files[i][1]);
	}
	tree_link(&tree, "conf/link", "accel-kvm");
	tree_fifo(&tree, "conf/fifo");
	tree_dir(&tree, "conf/directory");
}

static void test_readconfig(void **state)
{
	static const struct row rows[] = {
		{"-readconfig|@/conf/machine-tcg", CHOICE},
		{"--readconfig|@/conf/machine-kvm", CHOICE | KVM},
		{"-readconfig|@/conf/machine-both", CHOICE},
		{"-readconfig|@/conf/machine-two", CHOICE},
		{"-readconfig|@/conf/machine-usb", NOTHING},
		{"-readconfig|@/conf/accel-kvm", CHOICE | KVM},
		{"-readconfig|@/conf/link", CHOICE | KVM},
		{"-readconfig|@/conf/accel-tcg", CHOICE},
		{"-readconfig|@/conf/accel-two", CHOICE},
		{"-readconfig|@/conf/accel-empty", CHOICE},
		{"-readconfig|@/conf/xen", CHOICE},
		{"-readconfig|@/conf/none", INFO},
		{"-readconfig|@/conf/memory", NOTHING},
		{"-readconfig|@/conf/comment", NOTHING},
		{"-readconfig|@/conf/nogroup", NOTHING},
		{"-readconfig|@/conf/args", NOTHING},
		{"-readconfig|@/conf/tap", NET},
		{"-readconfig|@/conf/tap-fd", NOTHING},
		{"-readconfig|@/conf/vsock", VSOCK},
		/* In the order of the command line. */
		{"-readconfig|@/conf/machine-kvm|-machine|accel=tcg", CHOICE},
		{"-machine|accel=tcg|-readconfig|@/conf/machine-kvm", CHOICE | KVM},
		{"-enable-kvm|-readconfig|@/conf/machine-tcg", CHOICE},
		{"-readconfig|@/conf/machine-tcg|-enable-kvm", CHOICE | KVM},
		{"-readconfig|@/conf/machine-kvm|-readconfig|@/conf/machine-tcg", CHOICE},
		{"-readconfig|@/conf/accel-kvm|-accel|tcg", CHOICE},
		{"-readconfig|@/conf/accel-kvm|-readconfig|@/conf/accel-kvm", CHOICE | KVM},
		{"-readconfig|@/conf/none|-M|pc", NOTHING},
		{"-M|pc|-readconfig|@/conf/none", INFO},
		{"-readconfig|@/conf/xen|-M|pc", NOTHING},
		{"-M|none|-readconfig|@/conf/machine-kvm", CHOICE | KVM}, /* q35 */
		/* QEMU will complain. */
		{"-readconfig|@/conf/nonexistent", NOTHING},
		{"-readconfig|", NOTHING},
		{"-readconfig|@/conf/directory", NOTHING},
		{"-readconfig|@/conf/fifo|-accel|kvm", CHOICE | KVM},
		{"-readconfig|/dev/null", NOTHING},
		{"-readconfig=@/conf/accel-kvm", NOTHING},
		/* Nobody reads this one. */
		{"-name|-readconfig|@/conf/accel-kvm", NOTHING},
		{"@/conf/accel-kvm", NOTHING},
	};

	(void)state;
	put_configs();
	assert_rows(rows, array_size(rows));
}

/* What is relative is relative to where we are, not to the host that is looked at. */
static void test_readconfig_is_relative(void **state)
{
	static const struct row inside[] = {{"-readconfig|conf/accel-kvm", CHOICE | KVM}};
	static const struct row outside[] = {{"-readconfig|conf/accel-kvm", NOTHING},
					     {"-readconfig|/conf/accel-kvm", NOTHING}};
	char *before = getcwd(NULL, 0);

	(void)state;
	put_configs();
	assert_non_null(before);
	assert_rows(outside, array_size(outside));
	assert_int_equal(chdir(tree.path), 0);
	assert_rows(inside, array_size(inside));
	assert_int_equal(chdir(before), 0);
	free(before);
}

static void test_default_config(void **state)
{
	static const struct row rows[] = {
		{"", CHOICE},
		{"-m|512|disk", CHOICE},
		{"-enable-kvm", CHOICE | KVM}, /* read before the command line */
		{"-machine|accel=kvm", CHOICE | KVM},
		{"-no-user-config", NOTHING},
		{"--no-user-config", NOTHING},
		{"-nodefconfig", NOTHING},
		{"-m|512|-no-user-config", NOTHING},
		{"disk|-no-user-config|-accel|kvm", CHOICE | KVM},
		{"-frobnicate|-no-user-config", NOTHING},
		/* Not that option. */
		{"-name|-no-user-config", CHOICE},
		{"-nodefaults", CHOICE},
		{"no-user-config", CHOICE},
		{"-no-user-configs", CHOICE},
		{"-M|none", CHOICE | INFO},
	};
	static const struct row none[] = {{"", INFO}, {"-M|pc", NOTHING}};
	static const struct row nothing[] = {{"", NOTHING}, {"-enable-kvm", CHOICE | KVM}};
	char *choice;

	(void)state;
	tree_put(&tree, "etc/qemu/qemu.conf", "[machine]\naccel = \"tcg\"\n");
	assert_rows(rows, array_size(rows));
	assert_int_equal(read_line("", &choice), CHOICE);
	assert_string_equal(choice, "accel=tcg in /etc/qemu/qemu.conf");
	free(choice);
	tree_put(&tree, "etc/qemu/qemu.conf", "[machine]\ntype = \"none\"\n");
	assert_rows(none, array_size(none));
	/* One that cannot be read. */
	tree_fifo(&tree, "etc/qemu/qemu.conf");
	assert_rows(nothing, array_size(nothing));
	tree_delete(&tree, "etc/qemu/qemu.conf");
	tree_dir(&tree, "etc/qemu/qemu.conf");
	assert_rows(nothing, array_size(nothing));
	tree_delete(&tree, "etc/qemu");
	tree_put(&tree, "etc/qemu", "");
	assert_rows(nothing, array_size(nothing));
	tree_delete(&tree, "etc");
	assert_rows(nothing, array_size(nothing));
}

/* Its links mean the host that is looked at. */
static void test_default_config_link(void **state)
{
	static const struct row rows[] = {{"", CHOICE}};

	(void)state;
	tree_delete(&tree, "etc");
	tree_put(&tree, "usr/share/qemu.conf", "[machine]\naccel = \"tcg\"\n");
	tree_link(&tree, "etc/qemu/qemu.conf", "/usr/share/qemu.conf");
	assert_rows(rows, array_size(rows));
	tree_delete(&tree, "etc");
}

static void test_default_config_directory_link(void **state)
{
	static const struct row rows[] = {{"", CHOICE}};

	(void)state;
	tree_delete(&tree, "etc");
	tree_put(&tree, "usr/share/qemu.conf", "[machine]\naccel = \"tcg\"\n");
	tree_link(&tree, "etc/qemu", "/usr/share");
	assert_rows(rows, array_size(rows));
	tree_delete(&tree, "etc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readconfig),
		cmocka_unit_test(test_readconfig_is_relative),
		cmocka_unit_test(test_default_config),
		cmocka_unit_test(test_default_config_link),
		cmocka_unit_test(test_default_config_directory_link),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
