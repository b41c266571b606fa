/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/qemu_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * The options of QEMU 5.2 to 11.1, which are the same in the emulators of all architectures, and
 * three older ones. No option has changed between taking a value and taking none. A name that QEMU
 * has dropped stays: it is QEMU that refuses it.
 */

/* Many to a line, to be read as a table. */
/* clang-format off */
#define FLAG(name)        {name, QEMU_OPTION_FLAG, QEMU_HELP_WHOLE, {NULL, NULL}}
#define VALUE(name)       {name, QEMU_OPTION_VALUE, QEMU_HELP_WHOLE, {NULL, NULL}}
#define INFORMATION(name) {name, QEMU_OPTION_INFORMATION, QEMU_HELP_WHOLE, {NULL, NULL}}
#define HELP(name, form, key1, key2) \
	{name, QEMU_OPTION_HELP, QEMU_HELP_##form, {key1, key2}}

static const struct qemu_option options[] = {
	VALUE("D"),
	HELP("L", WHOLE, NULL, NULL),
	HELP("M", ELEMENT, NULL, NULL),
	FLAG("S"),
	HELP("accel", WHOLE, "accel", NULL),
	VALUE("acpitable"), VALUE("action"), VALUE("add-fd"),
	FLAG("alt-grab"), /* until 7.0 */
	VALUE("append"),
	FLAG("async-teardown"), /* 7.2 to 8.2 */
	HELP("audio", ELEMENT, "driver", "model"), /* since 7.1 */
	INFORMATION("audio-help"), /* until 8.1 */
	HELP("audiodev", WHOLE, NULL, NULL), /* 5.2 and 6.x print no list, but fail */
	VALUE("balloon"), /* until 3.0 */
	VALUE("bios"), VALUE("blockdev"),
	HELP("boot", ELEMENT, NULL, NULL), /* until 7.0 no list, but failure */
	VALUE("cdrom"),
	HELP("chardev", WHOLE, "backend", NULL),
	VALUE("chroot"), /* until 8.2 */
	VALUE("compat"),
	HELP("cpu", WHOLE, NULL, NULL),
	FLAG("ctrl-grab"), FLAG("curses"), /* until 7.0 */
	HELP("d", ELEMENT, NULL, NULL), /* ends with 1 after its list */
	FLAG("daemonize"), VALUE("debugcon"),
	HELP("device", ELEMENT, "driver", NULL),
	VALUE("dfilter"),
	HELP("display", WHOLE, NULL, NULL),
	HELP("drive", KEY, "format", NULL),
	VALUE("dtb"),
	VALUE("dump-vmstate"), /* sets the machine up, writes the file and ends */
	VALUE("echr"),
	FLAG("enable-fips"), /* until 7.0 */
	FLAG("enable-hax"), /* before 4.2 */
	FLAG("enable-kvm"), FLAG("enable-sync-profile"), VALUE("fda"), VALUE("fdb"),
	VALUE("fsdev"), FLAG("full-screen"), VALUE("fw_cfg"), VALUE("g"), VALUE("gdb"),
	VALUE("global"),
	INFORMATION("h"),
	VALUE("hda"), VALUE("hdb"), VALUE("hdc"), VALUE("hdd"),
	INFORMATION("help"),
	VALUE("icount"), VALUE("incoming"), VALUE("initrd"), VALUE("iscsi"),
	FLAG("jitdump"), /* since 8.0 */
	VALUE("k"), VALUE("kernel"), VALUE("loadvm"), VALUE("m"),
	HELP("machine", ELEMENT, NULL, NULL),
	VALUE("mem-path"), FLAG("mem-prealloc"), VALUE("mon"), VALUE("monitor"), VALUE("msg"),
	VALUE("mtdblock"), VALUE("name"),
	HELP("net", KEY, "model", NULL),
	HELP("netdev", WHOLE, "type", NULL),
	HELP("nic", WHOLE, "model", "type"), /* 7.2 fails where later versions list the types */
	FLAG("no-acpi"), /* until 8.2 */
	FLAG("no-fd-bootchk"),
	FLAG("no-hpet"), /* until 8.2 */
	FLAG("no-quit"), /* until 6.2 */
	FLAG("no-reboot"), FLAG("no-shutdown"), FLAG("no-user-config"), FLAG("nodefaults"),
	FLAG("nodefconfig"), /* until 3.0 */
	FLAG("nographic"), VALUE("numa"),
	HELP("object", ELEMENT, "qom-type", NULL),
	FLAG("old-param"), /* until 10.x */
	FLAG("only-migratable"), VALUE("option-rom"), VALUE("overcommit"), VALUE("parallel"),
	FLAG("perfmap"), /* since 8.0 */
	VALUE("pflash"), VALUE("pidfile"),
	HELP("plugin", WHOLE, "file", NULL), /* up to 8.2 it looks for a file "help" and fails */
	FLAG("portrait"), /* until 9.1 */
	FLAG("preconfig"), VALUE("prom-env"), VALUE("qmp"), VALUE("qmp-pretty"), VALUE("qtest"),
	VALUE("qtest-log"), VALUE("readconfig"),
	VALUE("realtime"), /* until 5.2 */
	VALUE("rotate"), /* until 9.1 */
	VALUE("rtc"),
	VALUE("run-with"), /* since 8.1 */
	VALUE("runas"), /* until 9.2 */
	FLAG("s"), VALUE("sandbox"), VALUE("sd"),
	FLAG("sdl"), /* until 7.0 */
	VALUE("seed"), FLAG("semihosting"), VALUE("semihosting-config"), VALUE("serial"),
	VALUE("set"),
	VALUE("shim"), /* since 10.0 */
	FLAG("show-cursor"), /* until 5.2 */
	FLAG("singlestep"), /* until 8.2 */
	VALUE("smbios"),
	HELP("smp", ELEMENT, NULL, NULL), /* 5.2 prints no list, but fails */
	FLAG("snapshot"),
	HELP("soundhw", WHOLE, NULL, NULL), /* until 7.0 */
	VALUE("spice"),
	VALUE("tb-size"), /* until 5.2 */
	HELP("tpmdev", WHOLE, NULL, NULL), /* up to 10.0 it ends with 1 after its list */
	HELP("trace", WHOLE, "enable", NULL),
	FLAG("usb"), VALUE("usbdevice"), VALUE("uuid"),
	INFORMATION("version"),
	HELP("vga", WHOLE, NULL, NULL), /* fails for "?" */
	VALUE("virtfs"), VALUE("vnc"),
	HELP("watchdog", WHOLE, NULL, NULL), /* until 7.1 */
	VALUE("watchdog-action"), FLAG("win2k-hack"),
	VALUE("writeconfig"), /* until 7.0 */
	FLAG("xen-attach"), VALUE("xen-domid"), FLAG("xen-domid-restrict"),
};
/* clang-format on */

static int compare_options(const void *key, const void *member)
{
	const struct qemu_option *option = member;

	return strcmp(key, option->name);
}

static const struct qemu_option *find_option(const char *name)
{
	return bsearch(name, options, array_size(options), sizeof(*options), compare_options);
}

const struct qemu_option *qemu_option_table(size_t *ret_count)
{
	*ret_count = array_size(options);
	return options;
}

int qemu_option_kind(const char *name)
{
	const struct qemu_option *option = find_option(name);

	return option ? (int)option->kind : -ENOENT;
}

static bool is_help(const char *text, size_t length)
{
	return (length == 4 && memcmp(text, "help", 4) == 0) || (length == 1 && *text == '?');
}

/* The length of the element at `text`; two commas are one comma of its text. */
static size_t element_length(const char *text)
{
	size_t length = 0;

	while (text[length] && (text[length] != ',' || text[length + 1] == ','))
		length += text[length] == ',' ? 2 : 1;
	return length;
}

/* Where the element is "KEY=VALUE" of a help key, its `asks` becomes whether VALUE asks. */
static void look_for_help_key(const struct qemu_option *option, const char *text, size_t length,
			      bool asks[])
{
	size_t i;

	for (i = 0; i < array_size(option->help_keys) && option->help_keys[i]; i++) {
		size_t key = strlen(option->help_keys[i]);

		if (length > key && memcmp(text, option->help_keys[i], key) == 0 &&
		    text[key] == '=') {
			asks[i] = is_help(text + key + 1, length - key - 1);
			return;
		}
	}
}

bool qemu_option_asks_for_help(const char *name, const char *value)
{
	const struct qemu_option *option = find_option(name);
	const char *p = value;
	bool asks[array_size(option->help_keys)] = {
		false}; /* of a key's values the last one counts */

	if (!option || option->kind != QEMU_OPTION_HELP || *value == '{')
		return false; /* JSON has neither elements nor help */
	if (option->help_form != QEMU_HELP_KEY && is_help(value, strlen(value)))
		return true;
	for (;;) {
		size_t length = element_length(p);

		if (option->help_form == QEMU_HELP_ELEMENT && is_help(p, length))
			return true;
		look_for_help_key(option, p, length, asks);
		if (!p[length])
			return asks[0] || asks[1];
		p += length + 1;
	}
}
