/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of systemd-unit-merge. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/cleanup.h"
#include "units/substitute.h"

struct options {
	bool lint;
	bool json;
	bool override;
	bool dedup;
	enum unit_rules rules;
	const char *list;               /* of units, instead of `output` and `files`; NULL: none */
	const char *output;             /* NULL: standard output */
	const char *depfile;            /* NULL: none */
	struct definition *definitions; /* sorted by name; without any, no @name@ is looked for */
	size_t definition_count;
	const char **external; /* units beside those that are linted, as patterns */
	size_t external_count;
	char *const *files; /* at least one without `list`, not owned */
	size_t file_count;
};

/*
 * Parses the command line. Returns 1 to go on with *ret_options, to be freed, or 0 when the program
 * is done (help, version, an error that was printed) with *ret_status to exit with.
 */
int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status) must_check;

void options_free(struct options *options);
