/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of kvm_stat. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/cleanup.h"
#include "kvm_stat/source.h"

#define DELAY_DEFAULT 3.0 /* seconds */
#define DELAY_MIN     0.1
#define DELAY_MAX     25.5 /* upstream's curses counts tenths of a second in a byte */

enum mode {
	MODE_SCREEN,
	MODE_BATCH,       /* -1 */
	MODE_LOG,         /* -l, -L */
	MODE_EXPORT,      /* -o */
	MODE_RECORD,      /* --record */
	MODE_LIST_FIELDS, /* -f help */
	MODE_EXPLAIN,     /* --explain */
};

enum format {
	FORMAT_TEXT,
	FORMAT_CSV,         /* -c */
	FORMAT_JSON,        /* one object on each line, see kvm_stat-json(5) */
	FORMAT_OPENMETRICS, /* OpenMetrics 1.0, see kvm_stat-metrics(5) */
	FORMAT_PROMETHEUS,  /* the same in Prometheus' text format 0.0.4 */
};

#define LIMIT_DEFAULT 20000 /* series */

struct options {
	enum mode mode;
	enum format format; /* --format, -c */
	bool format_given;
	bool short_csv;       /* -c itself, which as upstream's needs -l or -L */
	enum selection_by by; /* --by */
	bool skip_zero;       /* -z */
	bool include_past;    /* -i */
	bool waits_for_kvm;   /* -L, -o: these may start before kvm is loaded */
	enum counter {
		COUNTER_BEST, /* bpf, else perf */
		COUNTER_BPF,
		COUNTER_PERF,
	} counter;            /* what counts tracepoints */
	unsigned int sources; /* set of enum source_kind that the user insists on; 0: the best */
	bool exits;           /* --exits */
	const char *fields;   /* -f; "" for all */
	const char *guest;    /* -g; NULL when -p came later or neither was given */
	pid_t pid;            /* -p; 0 for all */
	bool logs;            /* -l or -L */
	const char *log_file; /* -L; NULL: stdout */
	const char *explain;  /* --explain; NULL without it */
	const char *output;   /* -o; NULL: none */
	const char *record;   /* --record; NULL: none */
	const char *replay;   /* --replay; NULL: the host itself */
	uint64_t limit;       /* --limit: series of metrics; 0: not given */
	const char *sysroot;  /* NULL: this host */
	double delay;         /* -s, seconds */
	bool delay_given;
	uint64_t count; /* --count: samples, records or refreshes; 0: without end */
};

/*
 * Parses the command line. Returns 1 to go on with *ret_options, or 0 when the program is done
 * (help, version, an error that was printed) with *ret_status to exit with: as with upstream, 2 for
 * what cannot be parsed and 1 for values that are refused.
 */
int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status) must_check;

/* Checks a delay in seconds: returns NULL or the sentence that says why it is refused. */
const char *options_delay_error(double delay);
