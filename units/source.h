/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that a run reads. They stay until its end: lines of units point into them. */
#pragma once

#include <stddef.h>

#include "host/cleanup.h"

#define SOURCE_FILE_MAX  ((size_t)1024 * 1024)      /* systemd's own limit for one line */
#define SOURCE_TOTAL_MAX ((size_t)16 * 1024 * 1024) /* of all files, and of what is made of them */

struct source {
	const char *path; /* as the caller named it, not owned */
	char *data;       /* valid UTF-8 without NULs but the one behind it */
	size_t length;
};

struct sources {
	struct source **items;
	size_t count;
	size_t total; /* bytes */
};

/*
 * Reads a regular file, at most `limit` bytes, and SOURCE_TOTAL_MAX with those before it.
 * Returns 0 and the source, which `sources` owns, or -errno with *ret_why (to be freed, NULL
 * without memory), which begins with the path and, where there is one, the line.
 */
int source_read(struct sources *sources, const char *path, size_t limit, struct source **ret_source,
		char **ret_why) must_check;

/* As source_read(), of text at hand instead of a file: for tests. */
int source_take(struct sources *sources, const char *path, const void *data, size_t length,
		struct source **ret_source, char **ret_why) must_check;

/* Releases all of them. */
void sources_free(struct sources *sources);
