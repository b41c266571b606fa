/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "host/config.h"
#include "tests/unit/tree.h"

#define FILE_MAX (64 * 1024)
#define UNKNOWN  "unknown key \"x\"; there are accel and modules"
#define MODULES  "there are vhost_net, vhost_vsock and tun"
#define TWICE    "accel is set a second time"
#define NO_LINE  "it is not \"key = value\""
#define X10      "xxxxxxxxxx"
#define X100     X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static struct tree tree;

static int setup(void **state)
{
	(void)state;
	tree_make(&tree);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

/* Before each test: no configuration. */
static int forget_files(void **state)
{
	(void)state;
	tree_delete(&tree, "etc");
	tree_delete(&tree, "usr");
	return 0;
}

/* Reads what must be fine. */
static void assert_accel(const char *what, enum accel_policy accel, const char *source)
{
	struct config config;
	char *why = (char *)"untouched";
	int r = config_read(&tree.root, &config, &why);

	if (r < 0)
		fail_msg("%s: %s", what, why);
	assert_null(why);
	assert_row(config.accel == accel, what);
	assert_row(!config.accel_source == !source, what);
	if (source)
		assert_string_equal(config.accel_source, source);
}

static void assert_refused(const char *what, int result, const char *expected)
{
	struct config config = {.accel = ACCEL_OFF, .accel_source = "untouched"};
	char *why = NULL;
	int r = config_read(&tree.root, &config, &why);

	if (r != result)
		fail_msg("%s: %d instead of %d", what, r, result);
	assert_non_null(why);
	if (strcmp(why, expected) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", what, why, expected);
	assert_string_equal(config.accel_source, "untouched");
	free(why);
}

static void test_policies(void **state)
{
	enum accel_policy policy = ACCEL_PREFER;

	(void)state;
	assert_int_equal(accel_policy_parse("require", &policy), 0);
	assert_int_equal(policy, ACCEL_REQUIRE);
	assert_int_equal(accel_policy_parse("prefer", &policy), 0);
	assert_int_equal(policy, ACCEL_PREFER);
	assert_int_equal(accel_policy_parse("off", &policy), 0);
	assert_int_equal(policy, ACCEL_OFF);
	assert_int_equal(accel_policy_parse("", &policy), -EINVAL);
	assert_int_equal(accel_policy_parse("of", &policy), -EINVAL);
	assert_int_equal(accel_policy_parse("offf", &policy), -EINVAL);
	assert_int_equal(accel_policy_parse("OFF", &policy), -EINVAL);
	assert_int_equal(accel_policy_parse(" off", &policy), -EINVAL);
	assert_int_equal(policy, ACCEL_OFF);
	assert_string_equal(accel_policy_name(ACCEL_REQUIRE), "require");
	assert_string_equal(accel_policy_name(ACCEL_PREFER), "prefer");
	assert_string_equal(accel_policy_name(ACCEL_OFF), "off");
	assert_string_equal(accel_policy_names(), "require, prefer or off");
}

static void test_good(void **state)
{
	static const struct {
		const char *text;
		bool is_set; /* to off */
	} rows[] = {
		{"", false},
		{"\n", false},
		{"\n \n\t\n\r\n", false},
		{"# accel = prefer\n", false},
		{"  # indented\n", false},
		{"#", false},
		{"accel = off\n", true},
		{"accel = off", true},
		{"accel=off\n", true},
		{"  accel  =  off  \n", true},
		{"\taccel\t=\toff\t\n", true},
		{"accel = off\r\n", true},
		{"\r\naccel = off\r\n\r\n", true},
		{"# one\n\n# two = three\naccel = off\n# accel = prefer\n\n", true},
		{"accel = off\n  # indented\n", true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		tree_put(&tree, CONFIG_FILE, rows[i].text);
		assert_accel(rows[i].text, rows[i].is_set ? ACCEL_OFF : ACCEL_REQUIRE,
			     rows[i].is_set ? CONFIG_FILE : NULL);
	}
}

/* Reads what must be fine. */
static void assert_modules(const char *what, unsigned int modules, const char *source)
{
	struct config config;
	char *why = NULL;
	int r = config_read(&tree.root, &config, &why);

	if (r < 0)
		fail_msg("%s: %s", what, why);
	assert_row(config.modules == modules, what);
	assert_row(!config.modules_source == !source, what);
	if (source)
		assert_string_equal(config.modules_source, source);
}

static void test_modules(void **state)
{
	static const struct {
		const char *text;
		unsigned int modules;
	} rows[] = {
		{"modules = vhost_net", CONFIG_VHOST_NET},
		{"modules=tun\n", CONFIG_TUN},
		{"modules =\n", 0},
		{"modules = \t\r\n", 0},
		{"modules = vhost_vsock\ttun\n", CONFIG_VHOST_VSOCK | CONFIG_TUN},
		{"modules =  tun   vhost_net  vhost_vsock \r\n",
		 CONFIG_VHOST_NET | CONFIG_VHOST_VSOCK | CONFIG_TUN},
		{"accel = off\nmodules = tun\n", CONFIG_TUN},
	};
	enum config_module module = CONFIG_TUN;
	size_t i;

	(void)state;
	assert_modules("no file", CONFIG_VHOST_NET, NULL);
	for (i = 0; i < array_size(rows); i++) {
		tree_put(&tree, CONFIG_FILE, rows[i].text);
		assert_modules(rows[i].text, rows[i].modules, CONFIG_FILE);
	}
	tree_put(&tree, CONFIG_VENDOR_FILE, "modules = vhost_net vhost_vsock\n");
	tree_put(&tree, CONFIG_FILE, "modules = tun\n");
	assert_modules("both: not added up", CONFIG_TUN, CONFIG_FILE);
	tree_put(&tree, CONFIG_FILE, "accel = off\n");
	assert_modules("vendor", CONFIG_VHOST_NET | CONFIG_VHOST_VSOCK, CONFIG_VENDOR_FILE);

	assert_int_equal(config_module_parse("vhost_net", &module), 0);
	assert_int_equal(module, CONFIG_VHOST_NET);
	assert_int_equal(config_module_parse("vhost-net", &module), -EINVAL);
	assert_int_equal(config_module_parse("", &module), -EINVAL);
	assert_string_equal(config_module_name(CONFIG_VHOST_NET), "vhost_net");
	assert_string_equal(config_module_name(CONFIG_VHOST_VSOCK), "vhost_vsock");
	assert_string_equal(config_module_name(CONFIG_TUN), "tun");
	assert_string_equal(config_module_names(), "vhost_net, vhost_vsock and tun");
}

/* The line that is named is the first bad one, and the key stands in it. */
static void test_bad(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *why;
	} rows[] = {
		{"x = 1\n", 1, UNKNOWN},
		{"\n# c\n\nx = 1\n", 4, UNKNOWN},
		{"accel = off\nx = 1\ny = 2\n", 2, UNKNOWN},
		{"x = 1\naccel = junk\n", 1, UNKNOWN},
		{"accel = junk\nx = 1\n", 1, "accel is \"junk\", must be require, prefer or off"},
		{"accel = Off\n", 1, "accel is \"Off\", must be require, prefer or off"},
		{"accel =\n", 1, "accel is \"\", must be require, prefer or off"},
		{"accel = off off\n", 1, "accel is \"off off\", must be require, prefer or off"},
		{"accel = \"off\"\n", 1, "accel is \"\"off\"\", must be require, prefer or off"},
		{"accel = off # c\n", 1, "accel is \"off # c\", must be require, prefer or off"},
		{"accel = = off\n", 1, "accel is \"= off\", must be require, prefer or off"},
		{"accel = off\naccel = off\n", 2, TWICE},
		{"accel = off\n\n\naccel = prefer\n", 4, TWICE},
		{"accel = off\r\naccel = prefer\r\n", 2, TWICE},
		{"modules = kvm\n", 1, "modules has \"kvm\"; " MODULES},
		{"modules = vhost-net\n", 1, "modules has \"vhost-net\"; " MODULES},
		{"modules = vhost_net, tun\n", 1, "modules has \"vhost_net,\"; " MODULES},
		{"modules = TUN\n", 1, "modules has \"TUN\"; " MODULES},
		{"modules = # none\n", 1, "modules has \"#\"; " MODULES},
		{"modules = tun vhost_net tun\n", 1, "modules has tun a second time"},
		{"modules =\nmodules =\n", 2, "modules is set a second time"},
		{"modules = tun\naccel = off\nmodules = tun\n", 3, "modules is set a second time"},
		{"modules\n", 1, NO_LINE},
		{"module = tun\n", 1, "unknown key \"module\"; there are accel and modules"},
		{"Accel = off\n", 1, "unknown key \"Accel\"; there are accel and modules"},
		{"accelerator = off\n", 1,
		 "unknown key \"accelerator\"; there are accel and modules"},
		{"= off\n", 1, NO_LINE},
		{" = off\n", 1, NO_LINE},
		{"=\n", 1, NO_LINE},
		/* A byte order mark is no blank. */
		{"\xef\xbb\xbf"
		 "accel = off\n",
		 1,
		 "unknown key \"\xef\xbb\xbf"
		 "accel\"; there are accel and modules"},
		{"\xef\xbb\xbf# c\n", 1, NO_LINE},
		{"\vaccel = off\n", 1, "unknown key \"\vaccel\"; there are accel and modules"},
		{"accel = off\f\n", 1, "accel is \"off\f\", must be require, prefer or off"},
		{"accel = off\raccel = off\n", 1,
		 "accel is \"off\raccel = off\", must be require, prefer or off"},
		{"accel\n", 1, NO_LINE},
		{"off\n", 1, NO_LINE},
		{"accel off\n", 1, NO_LINE},
		{"accel = off\njunk\n", 2, NO_LINE},
		{"accel = off\njunk", 2, NO_LINE},
		{"\xff\xfe\n", 1, NO_LINE},
		{"\na\xef\xbb\xbf\n", 2, NO_LINE},
		/* There are no sections, nor anything else that such files may have elsewhere. */
		{"[accel]\n", 1, NO_LINE},
		{"accel = off\n[x]\n", 2, NO_LINE},
		{" \t[x]\naccel = off\n", 1, NO_LINE},
		{"[\n", 1, NO_LINE},
		{"[a=b]\n", 1, "unknown key \"[a\"; there are accel and modules"},
		{"\xef\xbb\xbf[x]\naccel = off\n", 1, NO_LINE},
		{"\v[x]\naccel = off\n", 1, NO_LINE},
		{"accel: off\n", 1, NO_LINE},
		{"accel: = off\n", 1, "unknown key \"accel:\"; there are accel and modules"},
		{"; comment\n", 1, NO_LINE},
		{"accel = off ; c\n", 1, "accel is \"off ; c\", must be require, prefer or off"},
		{"accel = off\n  prefer\n", 2, NO_LINE},
		{"accel =\n  off\n", 1, "accel is \"\", must be require, prefer or off"},
		{"accel = off\\\n\n", 1, "accel is \"off\\\", must be require, prefer or off"},
	};
	char expected[256];
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		snprintf(expected, sizeof(expected), CONFIG_FILE ":%d: %s", rows[i].line,
			 rows[i].why);
		tree_put(&tree, CONFIG_FILE, rows[i].text);
		assert_refused(rows[i].text, -EBADMSG, expected);
		snprintf(expected, sizeof(expected), CONFIG_VENDOR_FILE ":%d: %s", rows[i].line,
			 rows[i].why);
		tree_delete(&tree, CONFIG_FILE);
		tree_put(&tree, CONFIG_VENDOR_FILE, rows[i].text);
		assert_refused(rows[i].text, -EBADMSG, expected);
		tree_delete(&tree, CONFIG_VENDOR_FILE);
	}
}

static void test_nul(void **state)
{
	static const struct {
		const char *data;
		size_t length;
		int line;
	} rows[] = {
#define BYTES(data) data, sizeof(data) - 1
		{BYTES("\0"), 1},
		{BYTES("accel = off\0\n"), 1},
		{BYTES("accel = off\n\0"), 2},
		{BYTES("accel = off\n\n#\0\nx = 1\n"), 3},
		{BYTES("x\0 = 1\n"), 1},
		{BYTES("# \0\n"), 1},
#undef BYTES
	};
	char expected[128];
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		snprintf(expected, sizeof(expected), CONFIG_FILE ":%d: it holds a NUL byte",
			 rows[i].line);
		tree_write(&tree, CONFIG_FILE, 0644, rows[i].data, rows[i].length);
		assert_refused(rows[i].data, -EBADMSG, expected);
	}
}

/* However long a line is, no part of it becomes a line of its own. */
static void test_long_lines(void **state)
{
	(void)state;
	tree_put(&tree, CONFIG_FILE, "#" X100 X100 "accel = prefer\naccel = off\n");
	assert_accel("comment", ACCEL_OFF, CONFIG_FILE);
	tree_put(&tree, CONFIG_FILE, "accel = off\n#" X100 X100 X100 X100 X100 "\n");
	assert_accel("comment behind", ACCEL_OFF, CONFIG_FILE);
	tree_put(&tree, CONFIG_FILE, "\naccel = " X100 X100 "\naccel = off\n");
	assert_refused("value", -EBADMSG,
		       CONFIG_FILE ":2: accel is \"" X100 X100
				   "\", must be require, prefer or off");
	tree_put(&tree, CONFIG_FILE, X100 X100 X100 " = off");
	assert_refused("key", -EBADMSG,
		       CONFIG_FILE ":1: unknown key \"" X100 X100 X100
				   "\"; there are accel and modules");
	tree_put(&tree, CONFIG_FILE, X100 X100 X100 "\n");
	assert_refused("neither", -EBADMSG, CONFIG_FILE ":1: " NO_LINE);
}

static void put_size(size_t size)
{
	static const char accel[] = "accel = off\n";
	char *text = malloc(size);

	assert_non_null(text);
	memset(text, '\n', size);
	memcpy(text, accel, sizeof(accel) - 1);
	tree_write(&tree, CONFIG_FILE, 0644, text, size);
	free(text);
}

static void test_size(void **state)
{
	(void)state;
	put_size(FILE_MAX - 1);
	assert_accel("below 64 KiB", ACCEL_OFF, CONFIG_FILE);
	put_size(FILE_MAX + 1);
	assert_refused("over 64 KiB", -EFBIG, CONFIG_FILE ": File too large");
	put_size(4 * FILE_MAX);
	assert_refused("256 KiB", -EFBIG, CONFIG_FILE ": File too large");
	put_size(FILE_MAX);
	assert_accel("64 KiB", ACCEL_OFF, CONFIG_FILE);
}

static void test_layers(void **state)
{
	(void)state;
	assert_accel("no file", ACCEL_REQUIRE, NULL);
	tree_put(&tree, CONFIG_VENDOR_FILE, "accel = prefer\n");
	assert_accel("vendor", ACCEL_PREFER, CONFIG_VENDOR_FILE);
	tree_put(&tree, CONFIG_FILE, "# nothing\n");
	assert_accel("vendor, and an empty one", ACCEL_PREFER, CONFIG_VENDOR_FILE);
	tree_put(&tree, CONFIG_FILE, "accel = off\n");
	assert_accel("both", ACCEL_OFF, CONFIG_FILE);
	tree_put(&tree, CONFIG_FILE, "accel = require\n");
	assert_accel("the default, said", ACCEL_REQUIRE, CONFIG_FILE);
	tree_put(&tree, CONFIG_FILE, "accel = junk\n");
	assert_refused("bad over good", -EBADMSG,
		       CONFIG_FILE ":1: accel is \"junk\", must be require, prefer or off");
	tree_put(&tree, CONFIG_FILE, "accel = off\n");
	tree_put(&tree, CONFIG_VENDOR_FILE, "x = 1\n");
	assert_refused("good over bad", -EBADMSG, CONFIG_VENDOR_FILE ":1: " UNKNOWN);
}

/* None of these may make us wait. */
static void test_other_files(void **state)
{
	(void)state;
	tree_dir(&tree, CONFIG_FILE);
	assert_refused("directory", -EISDIR, CONFIG_FILE ": Is a directory");
	tree_fifo(&tree, CONFIG_FILE);
	assert_refused("FIFO", -EINVAL, CONFIG_FILE ": not a regular file");
	tree_link(&tree, CONFIG_FILE, "fifo");
	tree_fifo(&tree, "etc/fifo");
	assert_refused("link to a FIFO", -EINVAL, CONFIG_FILE ": not a regular file");
	tree_link(&tree, CONFIG_FILE, "qemu-kvm.conf");
	assert_refused("loop", -ELOOP, CONFIG_FILE ": Too many levels of symbolic links");
	tree_delete(&tree, "etc");
	tree_put(&tree, "etc", "");
	assert_refused("no directory above", -ENOTDIR, CONFIG_FILE ": Not a directory");
	tree_delete(&tree, "etc");
	tree_fifo(&tree, CONFIG_VENDOR_FILE);
	assert_refused("vendor's FIFO", -EINVAL, CONFIG_VENDOR_FILE ": not a regular file");
}

static void test_links(void **state)
{
	(void)state;
	tree_put(&tree, "etc/other", "accel = off\n");
	tree_link(&tree, CONFIG_FILE, "other");
	assert_accel("link", ACCEL_OFF, CONFIG_FILE);
	tree_link(&tree, CONFIG_FILE, "/etc/other"); /* of the host that is looked at */
	assert_accel("absolute link", ACCEL_OFF, CONFIG_FILE);
	tree_link(&tree, CONFIG_FILE, "../../../../etc/other");
	assert_accel("climbing link", ACCEL_OFF, CONFIG_FILE);
	tree_link(&tree, CONFIG_FILE, "/etc/passwd");
	assert_accel("link to what only this host has", ACCEL_REQUIRE, NULL);
	tree_link(&tree, CONFIG_FILE, "nowhere");
	assert_accel("dangling link", ACCEL_REQUIRE, NULL);
}

/* In a process without root's right to read everything. */
static int read_without_rights(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};
	struct config config;
	char *why = NULL;

	if (syscall(SYS_capset, &header, none) < 0)
		return 1;
	if (config_read(&tree.root, &config, &why) != -EACCES || !why)
		return 2;
	return strcmp(why, CONFIG_FILE ": Permission denied") == 0 ? 0 : 3;
}

static void test_unreadable(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	tree_write(&tree, CONFIG_FILE, 0, "accel = off\n", 12);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(read_without_rights());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_policies, forget_files),
		cmocka_unit_test_setup(test_good, forget_files),
		cmocka_unit_test_setup(test_modules, forget_files),
		cmocka_unit_test_setup(test_bad, forget_files),
		cmocka_unit_test_setup(test_nul, forget_files),
		cmocka_unit_test_setup(test_long_lines, forget_files),
		cmocka_unit_test_setup(test_size, forget_files),
		cmocka_unit_test_setup(test_layers, forget_files),
		cmocka_unit_test_setup(test_other_files, forget_files),
		cmocka_unit_test_setup(test_links, forget_files),
		cmocka_unit_test_setup(test_unreadable, forget_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
