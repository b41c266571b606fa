/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What writer and reader of a recording agree on: kvm_stat-recording(5). The limits bound what a
 * reader of any file needs; the writer keeps within them.
 */
#pragma once

#include <errno.h>

#include "kvm_stat/source.h"

/* To be changed when what is there changes its meaning or goes; new members do not count. */
#define RECORDING_SCHEMA "kvm_stat-recording/1"

#define RECORDING_SEGMENT        60 /* samples; each segment can be read without those before */
#define RECORDING_GZIP_WINDOW    (15 + 16) /* zlib: the largest window, in gzip's frame */
#define RECORDING_LINE_MAX       (1024U * 1024)
#define RECORDING_LIST_MAX       16384U /* numbers in one line: at most 21 characters each */
#define RECORDING_TEXT_MAX       1024U  /* bytes of a name */
#define RECORDING_CLEAN_TEXT_MAX (6 * RECORDING_TEXT_MAX) /* of one made clean, as it is told */
#define RECORDING_NAMES_MAX      16384U
#define RECORDING_OWNERS_MAX     (128U * 1024)
#define RECORDING_ROWS_MAX       (512U * 1024)
#define RECORDING_SHAPES_MAX     1024U
#define RECORDING_GUESTS_MAX     16384U
#define RECORDING_SOURCES_MAX    4U
#define RECORDING_ID_MAX         INT32_MAX /* of processes and threads */

/* The members that tell what a line has: written and read in the files that are named. */
#define RECORDING_KEY           "key"           /* recording_writer.c, recording_reader.c */
#define RECORDING_CLOSED        "closed"        /* recording_writer.c, recording_reader.c */
#define RECORDING_ENDED         "ended"         /* recording_guests.c */
#define RECORDING_GUESTS        "guests"        /* recording_guests.c */
#define RECORDING_NAMES         "names"         /* recording_names.c */
#define RECORDING_OWNERS        "owners"        /* recording_rows.c */
#define RECORDING_ROWS          "rows"          /* recording_rows.c */
#define RECORDING_GONE          "gone"          /* recording_rows.c */
#define RECORDING_CPUS          "cpus"          /* recording_rows.c */
#define RECORDING_VALUES        "values"        /* recording_rows.c */
#define RECORDING_SHAPES        "shapes"        /* recording_distributions.c */
#define RECORDING_DISTRIBUTIONS "distributions" /* recording_distributions.c */
#define RECORDING_SAMPLE        "sample"        /* recording_moment.c */
#define RECORDING_END           "end"           /* recording_moment.c */

/* What a recording says of itself. Strings are owned by who made the head. */
struct recording_head {
	char *host; /* NULL: unknown */
	char *kernel, *program;
	char *sources[RECORDING_SOURCES_MAX];
	size_t source_count;
	enum selection_by by; /* what its rows are of, at the finest */
	double interval;      /* seconds between samples, as was asked for; finite, 0: unknown */
};

/* What a sample has beside its rows. */
struct recording_moment {
	uint64_t monotonic_ns;
	struct timespec time; /* CLOCK_REALTIME */
	bool partial;
	size_t unreadable[RECORDING_SOURCES_MAX]; /* fields of each source */
};

/* Says why something read is damaged: text that is not freed. Returns -EBADMSG. */
static inline int recording_damage(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}
