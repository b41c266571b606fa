/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "host/message.h"
#include "host/number.h"
#include "kvm_stat/source.h"
#include "version.h"

enum {
	OPT_BY = CHAR_MAX + 1,
	OPT_COUNT,
	OPT_EXITS,
	OPT_EXPLAIN,
	OPT_FORMAT,
	OPT_LIMIT,
	OPT_RECORD,
	OPT_REPLAY,
	OPT_SOURCE,
	OPT_SYSROOT,
	OPT_VERSION,
	OPT_VIA
};

static const char short_options[] = "1cdf:g:hilL:o:p:s:tz";

static const struct option long_options[] = {
	{"once", no_argument, NULL, '1'},
	{"batch", no_argument, NULL, '1'},
	/* Prefixes that were unambiguous before the options of ours: --by, --count... */
	{"b", no_argument, NULL, '1'},
	{"o", no_argument, NULL, '1'},
	{"csv", no_argument, NULL, 'c'},
	{"c", no_argument, NULL, 'c'},
	{"debugfs", no_argument, NULL, 'd'},
	{"fields", required_argument, NULL, 'f'},
	{"f", required_argument, NULL, 'f'},
	{"guest", required_argument, NULL, 'g'},
	{"help", no_argument, NULL, 'h'},
	{"debugfs-include-past", no_argument, NULL, 'i'},
	{"log", no_argument, NULL, 'l'},
	{"log-to-file", required_argument, NULL, 'L'},
	{"output", required_argument, NULL, 'o'},
	{"pid", required_argument, NULL, 'p'},
	{"set-delay", required_argument, NULL, 's'},
	{"tracepoints", no_argument, NULL, 't'},
	{"skip-zero-records", no_argument, NULL, 'z'},
	{"by", required_argument, NULL, OPT_BY},
	{"count", required_argument, NULL, OPT_COUNT},
	{"exits", no_argument, NULL, OPT_EXITS},
	{"explain", required_argument, NULL, OPT_EXPLAIN},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"limit", required_argument, NULL, OPT_LIMIT},
	{"record", required_argument, NULL, OPT_RECORD},
	{"replay", required_argument, NULL, OPT_REPLAY},
	{"source", required_argument, NULL, OPT_SOURCE},
	{"sysroot", required_argument, NULL, OPT_SYSROOT},
	{"version", no_argument, NULL, OPT_VERSION},
	{"via", required_argument, NULL, OPT_VIA},
	{0},
};

static const char help_text[] =
	"Shows what KVM guests make this host do: counters, rates and exit reasons.\n"
	"\n"
	"Options:\n"
	" -1, --once, --batch         print the counts of one second and end\n"
	" -c, --csv                   log as CSV; needs -l or -L\n"
	" -d, --debugfs               count KVM's debugfs statistics\n"
	" -f, --fields <regex>        only fields that match from their start;\n"
	"                             \"help\" lists the fields there are\n"
	" -g, --guest <name>          only the guest of exactly this name\n"
	" -i, --debugfs-include-past  start with what debugfs counted before\n"
	" -l, --log                   log to standard output, one record per delay\n"
	" -L, --log-to-file <file>    log to a file, appending; waits for KVM;\n"
	"                             SIGHUP opens it anew\n"
	" -o, --output <file>         keep metrics in a file for node_exporter, each\n"
	"                             sample in place of the last; waits for KVM\n"
	" -p, --pid <pid>             only the guest of this process\n"
	" -s, --set-delay <seconds>   time between refreshes or records (0.1-25.5, 3)\n"
	" -t, --tracepoints           count KVM's tracepoints (the default)\n"
	" -z, --skip-zero-records     log no records that are all zero\n"
	"     --by guest|vcpu         one row for each guest or virtual CPU; with -1,\n"
	"                             -l, -L or -o\n"
	"     --count <n>             end after n records, refreshes or seconds of -1\n"
	"     --exits                 with -1: how long exits take\n"
	"     --explain <name>        say what a row means and what to try; \"help\"\n"
	"                             lists the names\n"
	"     --format <format>       text, csv, json, openmetrics or prometheus; with\n"
	"                             -1, -l, -L or -o\n"
	"     --limit <n>             at most n series of metrics (20000)\n"
	"     --record <file>         record samples of all guests into a new file\n"
	"     --replay <file>         show a recording as if it happened now\n"
	"     --source <list>         sources to use, of debugfs, stats, tracepoints\n"
	"     --sysroot <dir>         read /sys and /proc of another root\n"
	"     --via <name>            count tracepoints via bpf or perf only\n"
	" -h, --help                  print this help\n"
	"     --version               print the version\n"
	"\n"
	"Requirements: tracepoints need tracefs and either CAP_PERFMON or\n"
	"perf_event_paranoid below 1; debugfs statistics need debugfs, which\n"
	"is root's own; stats need CAP_SYS_PTRACE, and a VMM that keeps their\n"
	"descriptors (QEMU 8.1 or later).\n"
	"\n"
	"Keys:\n"
	" b guests    c clear filters      e exit latency      f filter by regex\n"
	" g, p guest  h help               o sort by total     q quit\n"
	" r reset     s delay              v vCPUs             x exit reasons\n"
	" Enter: more of the row; Backspace: back; arrows, Page Up, Page Down: move\n"
	" Any other key refreshes at once.\n"
	"\n"
	"See kvm_stat(1).\n";

const char *options_delay_error(double delay)
{
	if (!(delay >= DELAY_MIN)) /* also for what is no number */
		return "delay must be >= 0.1";
	if (delay > DELAY_MAX)
		return "delay must be <= 25.5";
	return NULL;
}

static int usage_error(void)
{
	return message_try_help();
}

static int parse_delay(const char *text, struct options *options)
{
	/* Whether it is within limits is asked of the last one only, as upstream does. */
	options->delay_given = true;
	if (number_parse_double(text, &options->delay) == 0)
		return 0;
	message_error("invalid delay \"%s\": not a number", text);
	return usage_error();
}

static int parse_pid(const char *text, struct options *options)
{
	uint64_t pid;
	int r = number_parse_u64(text, 0, INT_MAX, &pid);

	if (r == -ERANGE) {
		message_error("process %s does not exist", text);
		return 1;
	}
	if (r < 0) {
		message_error("invalid pid \"%s\": not a process number", text);
		return usage_error();
	}
	options->pid = (pid_t)pid;
	options->guest = NULL; /* of -g and -p the later one counts */
	return 0;
}

static int parse_count(const char *text, struct options *options)
{
	if (number_parse_u64(text, 1, UINT32_MAX, &options->count) == 0)
		return 0;
	message_error("invalid count \"%s\": not a number from 1 to %u", text, UINT32_MAX);
	return usage_error();
}

static int parse_sources(const char *text, struct options *options)
{
	static const enum source_kind kinds[] = {SOURCE_DEBUGFS, SOURCE_TRACEPOINTS, SOURCE_STATS};
	const char *p = text;

	for (;;) {
		size_t length = strcspn(p, ",");
		size_t i;

		for (i = 0; i < array_size(kinds); i++) {
			const char *name = source_name(kinds[i]);

			if (strlen(name) == length && strncmp(p, name, length) == 0)
				break;
		}
		if (i == array_size(kinds)) {
			message_error("unknown source in \"%s\": there are debugfs, stats and "
				      "tracepoints",
				      text);
			return usage_error();
		}
		options->sources |= kinds[i];
		if (!p[length])
			return 0;
		p += length + 1;
	}
}

static int parse_via(const char *text, struct options *options)
{
	if (strcmp(text, "bpf") == 0) {
		options->counter = COUNTER_BPF;
	} else if (strcmp(text, "perf") == 0) {
		options->counter = COUNTER_PERF;
	} else {
		message_error("invalid value \"%s\" of --via: there are bpf and perf", text);
		return usage_error();
	}
	return 0;
}

static int parse_limit(const char *text, struct options *options)
{
	if (number_parse_u64(text, 1, UINT32_MAX, &options->limit) == 0)
		return 0;
	message_error("invalid limit \"%s\": not a number from 1 to %u", text, UINT32_MAX);
	return usage_error();
}

/* Returns the index of `text` in `words`, or -1 when it is none of them. */
static int find_word(const char *const *words, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(words[i], text) == 0)
			return (int)i;
	}
	return -1;
}

static int parse_by(const char *text, struct options *options)
{
	static const char *const words[] = {
		[BY_FIELD] = "field", [BY_GUEST] = "guest", [BY_VCPU] = "vcpu"};
	int by = find_word(words, array_size(words), text);

	if (by < 0) {
		message_error("cannot show rows by \"%s\": there are guest and vcpu", text);
		return usage_error();
	}
	options->by = (enum selection_by)by;
	return 0;
}

static int set_format(enum format format, struct options *options)
{
	if (options->format_given && options->format != format) {
		message_error("options ask for two formats");
		return 1;
	}
	options->format = format;
	options->format_given = true;
	return 0;
}

static int parse_format(const char *text, struct options *options)
{
	static const char *const words[] = {[FORMAT_TEXT] = "text",
					    [FORMAT_CSV] = "csv",
					    [FORMAT_JSON] = "json",
					    [FORMAT_OPENMETRICS] = "openmetrics",
					    [FORMAT_PROMETHEUS] = "prometheus"};
	int format = find_word(words, array_size(words), text);

	if (format < 0) {
		message_error("unknown format \"%s\": there are text, csv, json, openmetrics and "
			      "prometheus",
			      text);
		return usage_error();
	}
	return set_format((enum format)format, options);
}

static int print_version(void)
{
	printf("kvm_stat from %s %s\n", PROJECT_NAME, PROJECT_VERSION);
	return 0;
}

static int print_help(void)
{
	printf("Usage: %s [options]\n\n%s", message_program(), help_text);
	return 0;
}

/*
 * The value of an option: as with upstream's argparse, "-f=RE" means the same as "-fRE". Only an
 * option that stands alone is meant, since "=" could begin a file name after "-dL".
 */
static const char *option_value(char *argv[])
{
	const char *word = argv[optind - 1];

	if (word[0] == '-' && word[1] != '-' && word[1] && optarg == word + 2 && *optarg == '=')
		return optarg + 1;
	return optarg;
}

/* Applies one option. Returns -1 to go on, else the exit status. */
static int apply(int option, char *argv[], struct options *options)
{
	const char *value = optarg ? option_value(argv) : "";
	int status = 0;

	switch (option) {
	case '1':
		options->mode = MODE_BATCH;
		break;
	case 'c':
		options->short_csv = true;
		status = set_format(FORMAT_CSV, options);
		break;
	case 'd':
		options->sources |= SOURCE_DEBUGFS;
		break;
	case 'f':
		options->fields = value;
		break;
	case 'g':
		options->guest = value;
		options->pid = 0;
		break;
	case 'h':
		return print_help();
	case 'i':
		options->include_past = true;
		break;
	case 'l':
		options->logs = true;
		break;
	case 'L':
		options->logs = true;
		options->log_file = value;
		break;
	case 'o':
		options->output = value;
		break;
	case 'p':
		status = parse_pid(value, options);
		break;
	case 's':
		status = parse_delay(value, options);
		break;
	case 't':
		options->sources |= SOURCE_TRACEPOINTS;
		break;
	case 'z':
		options->skip_zero = true;
		break;
	case OPT_BY:
		status = parse_by(value, options);
		break;
	case OPT_COUNT:
		status = parse_count(value, options);
		break;
	case OPT_EXITS:
		options->exits = true;
		break;
	case OPT_EXPLAIN:
		options->explain = value;
		break;
	case OPT_FORMAT:
		status = parse_format(value, options);
		break;
	case OPT_LIMIT:
		status = parse_limit(value, options);
		break;
	case OPT_RECORD:
		options->record = value;
		break;
	case OPT_REPLAY:
		options->replay = value;
		break;
	case OPT_VIA:
		status = parse_via(value, options);
		break;
	case OPT_SOURCE:
		status = parse_sources(value, options);
		break;
	case OPT_SYSROOT:
		options->sysroot = value;
		break;
	case OPT_VERSION:
		return print_version();
	default: /* getopt has said what is wrong */
		return usage_error();
	}
	return status ? status : -1;
}

static bool is_metrics(const struct options *options)
{
	return options->format == FORMAT_OPENMETRICS || options->format == FORMAT_PROMETHEUS;
}

/* What belongs to a mode that was not asked for. Returns the sentence, or NULL. */
static const char *missing_mode(const struct options *options)
{
	bool prints = options->mode == MODE_BATCH || options->logs || options->output;

	if (options->short_csv && !options->logs)
		return "option -c/--csv requires -l/--log or -L/--log-to-file";
	if (options->skip_zero && !options->logs)
		return "option -z/--skip-zero-records requires -l/--log or -L/--log-to-file";
	if (options->format_given && !prints)
		return "option --format requires -1/--once, -l/--log, -L/--log-to-file or "
		       "-o/--output";
	if (options->exits && !prints)
		return "option --exits requires -1/--once, -l/--log, -L/--log-to-file or "
		       "-o/--output";
	if (options->by != BY_FIELD && !prints)
		return "option --by requires -1/--once, -l/--log, -L/--log-to-file or -o/--output";
	return NULL;
}

/* What a recording leaves open, and what it does not. Returns the sentence, or NULL. */
static const char *misfit_of_recording(const struct options *options)
{
	if (options->record && (options->logs || options->mode == MODE_BATCH || options->output))
		return "option --record is a mode of its own: leave out -1, -l, -L and -o";
	if (options->record && options->replay)
		return "options --record and --replay do not go together";
	if (options->record && (options->by != BY_FIELD || options->exits || options->format_given))
		return "option --record records everything: choose what to see with --replay";
	if (options->replay && options->output)
		return "option -o/--output is for what happens now: use -l --format openmetrics";
	if (options->replay && (options->sources || options->counter != COUNTER_BEST ||
				options->include_past || options->sysroot))
		return "option --replay reads a recording: -d, -t, -i, --source, --via and "
		       "--sysroot were for recording it";
	return NULL;
}

/* Formats and modes that are no sense together. Returns the sentence, or NULL. */
static const char *misfit(const struct options *options)
{
	if (options->output && (options->logs || options->mode == MODE_BATCH))
		return "option -o/--output is a mode of its own: leave out -1, -l and -L";
	if (options->output && !is_metrics(options))
		return "option -o/--output writes metrics: --format prometheus or openmetrics";
	if (options->log_file && is_metrics(options))
		return "metrics are no log: use -o/--output instead of -L/--log-to-file";
	if (options->skip_zero && is_metrics(options))
		return "option -z/--skip-zero-records is not for metrics";
	if ((options->sources & SOURCE_DEBUGFS) && (options->sources & SOURCE_STATS))
		return "sources debugfs and stats have the same counters: use one of them";
	if (options->counter != COUNTER_BEST && options->sources &&
	    !(options->sources & SOURCE_TRACEPOINTS))
		return "option --via is about tracepoints, which are not among the sources";
	if (options->exits && (options->sources & (SOURCE_DEBUGFS | SOURCE_STATS) ||
			       options->counter == COUNTER_PERF))
		return "option --exits counts tracepoints via BPF: it goes neither with other sources "
		       "nor with --via perf";
	if (options->exits && options->format == FORMAT_TEXT &&
	    (options->mode != MODE_BATCH || options->logs))
		return "option --exits needs -1/--once, or --format json, openmetrics or "
		       "prometheus";
	if (options->exits && options->format == FORMAT_CSV)
		return "option --exits is not for CSV: try --format json";
	if (options->exits && options->format == FORMAT_TEXT && options->by != BY_FIELD)
		return "options --exits and --by go together with --format json, openmetrics or "
		       "prometheus only";
	if (options->limit && !is_metrics(options))
		return "option --limit is for metrics: --format openmetrics, prometheus or "
		       "-o/--output";
	return NULL;
}

/* Settles the mode and refuses what does not fit together. Returns -1 or the exit status. */
static int settle(struct options *options)
{
	const char *why = options_delay_error(options->delay);

	if (why) {
		message_error("refused delay \"%g\": %s", options->delay, why);
		return 1;
	}
	if (options->output && !options->format_given)
		options->format = FORMAT_PROMETHEUS; /* which is what node_exporter reads */
	why = missing_mode(options);
	if (!why)
		why = misfit_of_recording(options);
	if (!why)
		why = misfit(options);
	if (why) {
		message_error("%s", why);
		return 1;
	}
	if (!options->limit)
		options->limit = LIMIT_DEFAULT;
	/* Who says how tracepoints are to be counted wants them, not whatever works. */
	if (!options->sources && !options->replay &&
	    (options->exits || options->counter != COUNTER_BEST))
		options->sources = SOURCE_TRACEPOINTS;
	if (options->explain)
		options->mode = MODE_EXPLAIN;
	else if (strcmp(options->fields, "help") == 0)
		options->mode = MODE_LIST_FIELDS;
	else if (options->logs)
		options->mode = MODE_LOG;
	else if (options->output)
		options->mode = MODE_EXPORT;
	else if (options->record)
		options->mode = MODE_RECORD;
	options->waits_for_kvm = options->mode == MODE_EXPORT ||
				 (options->mode == MODE_LOG && options->log_file);
	return -1;
}

int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status)
{
	struct options options = {.fields = "", .delay = DELAY_DEFAULT};
	int option, status = -1;

	optind = 0; /* glibc: start anew, also after an earlier call */
	if (argc > 0)
		argv[0] = (char *)message_program(); /* getopt's messages begin with it */
	while (status < 0 &&
	       (option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		status = apply(option, argv, &options);
	if (status < 0 && optind < argc) {
		message_error("unexpected argument \"%s\"", argv[optind]);
		status = usage_error();
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
