/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/options.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "host/message.h"
#include "host/number.h"
#include "version.h"

#define TIMEOUT_MAX 86400.0

enum { OPT_CREATE = CHAR_MAX + 1, OPT_JSON, OPT_SYSROOT, OPT_TIMEOUT, OPT_VERSION };

static const char short_options[] = "hn";

static const struct option long_options[] = {
	{"create", no_argument, NULL, OPT_CREATE},
	{"dry-run", no_argument, NULL, 'n'},
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, OPT_JSON},
	{"root", required_argument, NULL, OPT_SYSROOT},
	{"sysroot", required_argument, NULL, OPT_SYSROOT},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

static const char help_text[] =
	"Shows and repairs who may open /dev/kvm, /dev/vhost-net and /dev/vhost-vsock.\n"
	"\n"
	"Commands:\n"
	" status   show the nodes, the policy, and whether this user may open them\n"
	"          (the default)\n"
	" apply    bring the nodes to the policy: by udevd where it runs, else directly\n"
	" wait     wait until this user can open /dev/kvm\n"
	" monitor  print VMs as they are created and destroyed\n"
	"\n"
	"Options:\n"
	"     --create         apply: create nodes that are missing\n"
	" -n, --dry-run        apply: say what would be done and do nothing\n"
	"     --json           status, monitor: print JSON\n"
	"     --root <dir>     the same as --sysroot\n"
	"     --sysroot <dir>  status, apply: another root, such as an image\n"
	"     --timeout <s>    apply, wait: give up after so many seconds\n"
	" -h, --help           print this help\n"
	"     --version        print the version\n"
	"\n"
	"See kvm-device(8).\n";

static const struct {
	const char *name;
	const char *options; /* that it takes, apart from --help and --version */
} commands[] = {
	[COMMAND_STATUS] = {"status", "json sysroot root"},
	[COMMAND_APPLY] = {"apply", "create dry-run sysroot root timeout"},
	[COMMAND_WAIT] = {"wait", "timeout"},
	[COMMAND_MONITOR] = {"monitor", "json"},
};

/* The options that were given, as indices into long_options. */
struct given {
	bool options[array_size(long_options)];
};

static int print_version(void)
{
	printf("kvm-device from %s %s\n", PROJECT_NAME, PROJECT_VERSION);
	return 0;
}

static int print_help(void)
{
	printf("Usage: %s [command] [options]\n\n%s", message_program(), help_text);
	return 0;
}

static int parse_timeout(const char *text, struct options *options)
{
	double value;

	if (number_parse_double(text, &value) == 0 && value >= 0 && value <= TIMEOUT_MAX) {
		options->timeout = value;
		return -1;
	}
	message_error("invalid timeout \"%s\": not a number of seconds from 0 to %g", text,
		      TIMEOUT_MAX);
	return message_try_help();
}

/* Applies one option. Returns -1 to go on, else the exit status. */
static int apply(int option, struct options *options)
{
	switch (option) {
	case OPT_CREATE:
		options->create = true;
		return -1;
	case 'n':
		options->dry_run = true;
		return -1;
	case OPT_JSON:
		options->json = true;
		return -1;
	case OPT_SYSROOT:
		options->sysroot = optarg;
		return -1;
	case OPT_TIMEOUT:
		return parse_timeout(optarg, options);
	case 'h':
		return print_help();
	case OPT_VERSION:
		return print_version();
	default: /* getopt has said what is wrong */
		return message_try_help();
	}
}

static int take_command(const char *word, struct options *options)
{
	size_t i;

	for (i = 0; i < array_size(commands); i++) {
		if (strcmp(word, commands[i].name) == 0) {
			options->command = (enum command)i;
			return -1;
		}
	}
	message_error("unknown command \"%s\"; there are status, apply, wait and monitor", word);
	return message_try_help();
}

static bool has_word(const char *words, const char *word)
{
	size_t length = strlen(word);
	const char *p;

	for (p = words; p && *p; p = strchr(p, ' '), p = p ? p + 1 : NULL) {
		if (strncmp(p, word, length) == 0 && (!p[length] || p[length] == ' '))
			return true;
	}
	return false;
}

/* Refuses options that the command does not take. Returns -1 or the exit status. */
static int settle(const struct options *options, const struct given *given)
{
	size_t i;

	for (i = 0; long_options[i].name; i++) {
		if (!given->options[i] ||
		    has_word(commands[options->command].options, long_options[i].name))
			continue;
		message_error("option --%s is not for the command %s", long_options[i].name,
			      commands[options->command].name);
		return message_try_help();
	}
	return -1;
}

static void note(int option, int index, struct given *given)
{
	if (option == 'n') /* short or long */
		for (index = 0; long_options[index].val != 'n';)
			index++;
	if (index >= 0)
		given->options[index] = true;
}

int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status)
{
	struct options options = {.command = COMMAND_STATUS, .timeout = TIMEOUT_NONE};
	struct given given = {0};
	int option, index = -1, status = -1;

	optind = 0; /* glibc: start anew, also after an earlier call */
	if (argc > 0)
		argv[0] = (char *)message_program(); /* getopt's messages begin with it */
	while (status < 0 &&
	       (option = getopt_long(argc, argv, short_options, long_options, &index)) != -1) {
		status = apply(option, &options);
		note(option, index, &given);
		index = -1;
	}
	if (status < 0 && optind < argc)
		status = take_command(argv[optind++], &options);
	if (status < 0 && optind < argc) {
		message_error("unexpected argument \"%s\"", argv[optind]);
		status = message_try_help();
	}
	if (status < 0)
		status = settle(&options, &given);
	if (status >= 0) {
		*ret_status = status;
		return 0;
	}
	*ret_options = options;
	return 1;
}
