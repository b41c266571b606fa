/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>

#include "host/message.h"
#include "version.h"

enum { OPT_JSON = CHAR_MAX + 1, OPT_REPORT, OPT_SYSROOT, OPT_VERSION, OPT_WITH_GUESTS };

static const char short_options[] = "hq";

static const struct option long_options[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"report", required_argument, NULL, OPT_REPORT},
	{"with-guests", no_argument, NULL, OPT_WITH_GUESTS},
	{"sysroot", required_argument, NULL, OPT_SYSROOT},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

static const char help_text[] =
	"Checks whether this host can run KVM guests for this user; if not, tells why\n"
	"and what to do.\n"
	"\n"
	"Options:\n"
	"     --json           print the results as JSON\n"
	" -q, --quiet          print nothing; the exit status tells\n"
	"     --report <file>  write a report for support, without secrets;\n"
	"                      - is standard output\n"
	"     --with-guests    let the report have guests' names and command lines\n"
	"     --sysroot <dir>  check a copy of another host's files\n"
	" -h, --help           print this help\n"
	"     --version        print the version\n"
	"\n"
	"Exit status: 0 KVM is usable, 1 it is not or the check failed, 2 usage.\n"
	"\n"
	"See kvm-check(1).\n";

static int print_help(void)
{
	printf("Usage: %s [options]\n\n%s", message_program(), help_text);
	return 0;
}

static int print_version(void)
{
	printf("kvm-check from %s %s\n", PROJECT_NAME, PROJECT_VERSION);
	return 0;
}

/* Applies one option. Returns -1 to go on, else the exit status. */
static int apply(int option, struct options *options)
{
	switch (option) {
	case 'h':
		return print_help();
	case 'q':
		options->quiet = true;
		break;
	case OPT_JSON:
		options->json = true;
		break;
	case OPT_REPORT:
		options->report = optarg;
		break;
	case OPT_SYSROOT:
		options->sysroot = optarg;
		break;
	case OPT_VERSION:
		return print_version();
	case OPT_WITH_GUESTS:
		options->with_guests = true;
		break;
	default: /* getopt has said what is wrong */
		return message_try_help();
	}
	return -1;
}

/* Refuses what does not fit together. Returns -1 or the exit status. */
static int settle(const struct options *options)
{
	if ((options->json && options->quiet) || (options->report && options->json) ||
	    (options->report && options->quiet)) {
		message_error("of --json, --quiet and --report only one can be had");
		return message_try_help();
	}
	if (options->with_guests && !options->report) {
		message_error("option --with-guests requires --report");
		return message_try_help();
	}
	return -1;
}

int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status)
{
	struct options options = {0};
	int option, status = -1;

	optind = 0; /* glibc: start anew, also after an earlier call */
	if (argc > 0)
		argv[0] = (char *)message_program(); /* getopt's messages begin with it */
	while (status < 0 &&
	       (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		status = apply(option, &options);
	if (status < 0 && optind < argc) {
		message_error("unexpected argument \"%s\"", argv[optind]);
		status = message_try_help();
	}
	if (status < 0)
		status = settle(&options);
	if (status >= 0) {
		*ret_status = status;
		return 0;
	}
	*ret_options = options;
	return 1;
}
