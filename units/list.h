/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of units to merge, a line each: the file to write, BASE, and each EXTRA, apart by tabs.
 * Empty lines are none. Paths with tabs or line ends cannot be listed.
 */
#pragma once

#include "units/source.h"

struct list_unit {
	const char *output;
	char *const *files; /* BASE and each EXTRA */
	size_t file_count;
};

struct list {
	struct list_unit *units;
	size_t count;
	char **fields; /* memory of all `files` */
};

/*
 * Reads a list, whose text stays in `sources`. Returns 0 and a list to be freed, or -errno with
 * *ret_why (to be freed, NULL without memory), which begins with the path and, where there is one,
 * the line. That a file is to be written twice is an error, too.
 */
int list_read(struct sources *sources, const char *path, struct list *ret_list,
	      char **ret_why) must_check;

void list_free(struct list *list);
