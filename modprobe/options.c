/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/options.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "host/message.h"
#include "version.h"

enum {
	OPT_BOOT = CHAR_MAX + 1,
	OPT_CHECK,
	OPT_JSON,
	OPT_LIST,
	OPT_MODULES_DIR,
	OPT_SYSROOT,
	OPT_VERSION
};

static const char short_options[] = "hnv";

static const struct option long_options[] = {
	{"boot", no_argument, NULL, OPT_BOOT},
	{"check", no_argument, NULL, OPT_CHECK},
	{"dry-run", no_argument, NULL, 'n'},
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, OPT_JSON},
	{"list", no_argument, NULL, OPT_LIST},
	{"modules-dir", required_argument, NULL, OPT_MODULES_DIR},
	{"sysroot", required_argument, NULL, OPT_SYSROOT},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

static const char help_text[] =
	"Loads the modules that KVM guests need: that of this CPU, and where it worked\n"
	"those that are configured.\n"
	"\n"
	"Modules: kvm (this CPU's), kvm_intel, kvm_amd, kvm_hv, kvm_pr, vhost_net,\n"
	"vhost_vsock, tun. Without any: kvm and those of qemu-kvm.conf.\n"
	"\n"
	"Options:\n"
	"     --boot               a host without virtualisation is no failure\n"
	"     --check              load nothing, say whether they are loaded\n"
	" -n, --dry-run            load nothing, say what would be loaded\n"
	"     --list               print the parameters that are in effect\n"
	"     --json               print the result as JSON\n"
	" -v, --verbose            say what is loaded, and what was there before\n"
	"     --sysroot <dir>      read another root; loads nothing\n"
	"     --modules-dir <dir>  take the modules of this directory\n"
	" -h, --help               print this help\n"
	"     --version            print the version\n"
	"\n"
	"See kvm-modprobe(8).\n";

static const char *const kvm_modules[] = {"kvm", "kvm_intel", "kvm_amd", "kvm_hv", "kvm_pr"};
static const char *const other_modules[] = {"vhost_net", "vhost_vsock", "tun"};

static const char *const mode_names[] = {
	[MODE_LOAD] = "load",
	[MODE_CHECK] = "check",
	[MODE_DRY_RUN] = "dry-run",
	[MODE_LIST] = "list",
};

const char *mode_name(enum mode mode)
{
	return mode_names[mode];
}

/* Whether both name the same module: dashes and underscores are the same. */
static bool is_same(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		if (*a != *b && !(*a == '-' && *b == '_'))
			return false;
	}
	return *a == *b;
}

static const char *find_name(const char *const *names, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (is_same(text, names[i]))
			return names[i];
	}
	return NULL;
}

bool module_is_kvm(const char *name)
{
	return find_name(kvm_modules, array_size(kvm_modules), name) != NULL;
}

static int print_version(void)
{
	printf("kvm-modprobe from %s %s\n", PROJECT_NAME, PROJECT_VERSION);
	return 0;
}

static int print_help(void)
{
	printf("Usage: %s [options] [module...]\n\n%s", message_program(), help_text);
	return 0;
}

static int set_mode(struct options *options, enum mode mode)
{
	if (options->mode != MODE_LOAD && options->mode != mode) {
		message_error("options --%s and --%s exclude each other", mode_name(options->mode),
			      mode_name(mode));
		return message_try_help();
	}
	options->mode = mode;
	return -1;
}

/* Applies one option. Returns -1 to go on, else the exit status. */
static int apply(int option, struct options *options)
{
	switch (option) {
	case OPT_BOOT:
		options->boot = true;
		return -1;
	case OPT_CHECK:
		return set_mode(options, MODE_CHECK);
	case 'n':
		return set_mode(options, MODE_DRY_RUN);
	case OPT_LIST:
		return set_mode(options, MODE_LIST);
	case OPT_JSON:
		options->json = true;
		return -1;
	case OPT_MODULES_DIR:
		options->modules_dir = optarg;
		return -1;
	case OPT_SYSROOT:
		options->sysroot = optarg;
		return -1;
	case 'v':
		options->verbose = true;
		return -1;
	case 'h':
		return print_help();
	case OPT_VERSION:
		return print_version();
	default: /* getopt has said what is wrong */
		return message_try_help();
	}
}

static int add_module(struct options *options, const char *text)
{
	const char *name = find_name(kvm_modules, array_size(kvm_modules), text);
	size_t i;

	if (!name)
		name = find_name(other_modules, array_size(other_modules), text);
	if (!name) {
		message_error("unknown module \"%s\"; it loads only those that KVM needs", text);
		return message_try_help();
	}
	for (i = 0; i < options->module_count; i++) {
		if (options->modules[i] == name)
			return -1;
	}
	options->modules[options->module_count++] = name;
	return -1;
}

/* Refuses what does not fit together. Returns -1 or the exit status. */
static int settle(const struct options *options)
{
	if (options->mode == MODE_LIST && options->module_count > 0) {
		message_error("option --list takes no module");
		return message_try_help();
	}
	if (options->mode == MODE_LOAD && options->sysroot) {
		message_error("option --sysroot needs --check, --dry-run or --list: modules are "
			      "loaded only into this host's kernel");
		return message_try_help();
	}
	return -1;
}

int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status)
{
	struct options options = {.mode = MODE_LOAD};
	int option, status = -1;

	optind = 0; /* glibc: start anew, also after an earlier call */
	if (argc > 0)
		argv[0] = (char *)message_program(); /* getopt's messages begin with it */
	while (status < 0 &&
	       (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		status = apply(option, &options);
	for (; status < 0 && optind < argc; optind++)
		status = add_module(&options, argv[optind]);
	if (status < 0)
		status = settle(&options);
	if (status >= 0) {
		*ret_status = status;
		return 0;
	}
	*ret_options = options;
	return 1;
}
