/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/options.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "host/message.h"
#include "host/text.h"
#include "version.h"

enum {
	OPT_DEDUP = CHAR_MAX + 1,
	OPT_DEPFILE,
	OPT_EXTERNAL,
	OPT_JSON,
	OPT_LINT,
	OPT_LIST,
	OPT_OVERRIDE,
	OPT_STRICT_SECTIONS,
	OPT_VERSION
};

static const char short_options[] = "D:ho:";

static const struct option long_options[] = {
	{"dedup", no_argument, NULL, OPT_DEDUP},
	{"define", required_argument, NULL, 'D'},
	{"depfile", required_argument, NULL, OPT_DEPFILE},
	{"external", required_argument, NULL, OPT_EXTERNAL},
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, OPT_JSON},
	{"lint", no_argument, NULL, OPT_LINT},
	{"list", required_argument, NULL, OPT_LIST},
	{"output", required_argument, NULL, 'o'},
	{"override", no_argument, NULL, OPT_OVERRIDE},
	{"strict-sections", no_argument, NULL, OPT_STRICT_SECTIONS},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

static const char help_text[] =
	"Merges templates of systemd units: the lines of each EXTRA go behind those of\n"
	"BASE, section by section. Or tells what is wrong in a set of units.\n"
	"\n"
	"Options:\n"
	" -D, --define <name=value>  put the value in place of @name@\n"
	"     --override             later scalars win, empty values reset lists\n"
	"     --dedup                leave out what is said already\n"
	"     --strict-sections      sections and lines as libvirt's script has them\n"
	" -o, --output <file>        write this file, whole or not at all\n"
	"     --depfile <file>       tell make or Ninja what the file is made from\n"
	"     --list <file>          merge all units of this list, a line each\n"
	"     --lint                 merge nothing, say what is wrong in these units\n"
	"     --external <pattern>   such units are beside the set; with --lint\n"
	"     --json                 print what is wrong as JSON; with --lint\n"
	" -h, --help                 print this help\n"
	"     --version              print the version\n"
	"\n"
	"See systemd-unit-merge(1).\n";

static int print_version(void)
{
	printf("systemd-unit-merge from %s %s\n", PROJECT_NAME, PROJECT_VERSION);
	return 0;
}

static int print_help(void)
{
	printf("Usage: %s [options] BASE [EXTRA...]\n"
	       "   or: %s [options] --list FILE\n"
	       "   or: %s --lint [options] UNIT...\n\n%s",
	       message_program(), message_program(), message_program(), help_text);
	return 0;
}

/* Whether text from the command line can stand in a unit: no control characters but tabs, UTF-8. */
static bool is_value(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		uint32_t code;
		int length = text_decode(p, &code);

		if (!length || (code < 0x20 && code != '\t') || code == 0x7f)
			return false;
		p += length;
	}
	return true;
}

static int add_definition(struct options *options, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || !substitute_is_name(text, (size_t)(equals - text))) {
		message_error("\"%s\" is not name=value with a name of letters, digits, _ and -",
			      text);
		return message_try_help();
	}
	*equals = '\0';
	if (!is_value(equals + 1)) {
		message_error("the value of \"%s\" is not one line of UTF-8", text);
		return message_try_help();
	}
	options->definitions[options->definition_count++] =
		(struct definition){.name = text, .value = equals + 1};
	return -1;
}

/* Applies one option. Returns -1 to go on, else the exit status. */
static int apply(int option, struct options *options)
{
	switch (option) {
	case 'D':
		return add_definition(options, optarg);
	case OPT_DEDUP:
		options->dedup = true;
		return -1;
	case OPT_DEPFILE:
		options->depfile = optarg;
		return -1;
	case OPT_EXTERNAL:
		options->external[options->external_count++] = optarg;
		return -1;
	case OPT_JSON:
		options->json = true;
		return -1;
	case OPT_LINT:
		options->lint = true;
		return -1;
	case OPT_LIST:
		options->list = optarg;
		return -1;
	case 'o':
		options->output = optarg;
		return -1;
	case OPT_OVERRIDE:
		options->override = true;
		return -1;
	case OPT_STRICT_SECTIONS:
		options->rules = UNIT_RULES_LIBVIRT;
		return -1;
	case 'h':
		return print_help();
	case OPT_VERSION:
		return print_version();
	default: /* getopt has said what is wrong */
		return message_try_help();
	}
}

/* Options that go only with a mode, or not with it. Returns -1 or the exit status. */
static int check_mode(const struct options *options)
{
	const struct {
		bool given, for_lint;
		const char *name;
	} rows[] = {
		{options->definition_count > 0, false, "--define"},
		{options->dedup, false, "--dedup"},
		{options->depfile, false, "--depfile"},
		{options->list, false, "--list"},
		{options->output, false, "--output"},
		{options->override, false, "--override"},
		{options->rules == UNIT_RULES_LIBVIRT, false, "--strict-sections"},
		{options->external_count > 0, true, "--external"},
		{options->json, true, "--json"},
	};
	size_t i;

	for (i = 0; i < array_size(rows); i++) {
		if (rows[i].given && rows[i].for_lint != options->lint) {
			message_error(rows[i].for_lint ? "option %s needs --lint"
						       : "options %s and --lint exclude each other",
				      rows[i].name);
			return message_try_help();
		}
	}
	return -1;
}

static int compare_definitions(const void *a, const void *b)
{
	return strcmp(((const struct definition *)a)->name, ((const struct definition *)b)->name);
}

/* Sorts the definitions and refuses a name that is there twice. Returns -1 or the exit status. */
static int settle_definitions(struct options *options)
{
	size_t i;

	qsort(options->definitions, options->definition_count, sizeof(*options->definitions),
	      compare_definitions);
	for (i = 1; i < options->definition_count; i++) {
		const char *name = options->definitions[i].name;

		if (strcmp(name, options->definitions[i - 1].name) == 0) {
			message_error("\"%s\" is defined twice", name);
			return message_try_help();
		}
	}
	return -1;
}

/* Refuses what does not fit together. Returns -1 or the exit status. */
static int settle(struct options *options)
{
	int status = check_mode(options);

	if (status >= 0)
		return status;
	if (options->list && (options->output || options->depfile || options->file_count)) {
		message_error("option --list stands alone: the list names all files");
		return message_try_help();
	}
	if (!options->list && options->file_count == 0) {
		message_error(options->lint ? "no unit is named" : "no BASE is named");
		return message_try_help();
	}
	if (options->depfile && !options->output) {
		message_error(
			"option --depfile needs --output: it says what that file is made from");
		return message_try_help();
	}
	return settle_definitions(options);
}

int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status)
{
	struct options options = {.rules = UNIT_RULES_SYSTEMD};
	size_t room = argc > 0 ? (size_t)argc : 1;
	int option, status = -1;

	options.definitions = calloc(room, sizeof(*options.definitions));
	options.external = calloc(room, sizeof(const char *));
	if (!options.definitions || !options.external) {
		message_error("out of memory");
		status = 1;
	}
	optind = 0; /* glibc: start anew, also after an earlier call */
	if (argc > 0)
		argv[0] = (char *)message_program(); /* getopt's messages begin with it */
	while (status < 0 &&
	       (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		status = apply(option, &options);
	if (status < 0) {
		options.files = argv + optind;
		options.file_count = (size_t)(argc - optind);
		status = settle(&options);
	}
	if (status >= 0) {
		options_free(&options);
		*ret_status = status;
		return 0;
	}
	*ret_options = options;
	return 1;
}

void options_free(struct options *options)
{
	free(options->definitions);
	free(options->external);
	*options = (struct options){0};
}
