/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. */
#pragma once

#include <stdbool.h>

#include "host/cleanup.h"

struct options {
	bool json;
	bool quiet;
	bool with_guests;
	const char *report;  /* file to write the support report to, "-" for stdout, or NULL */
	const char *sysroot; /* or NULL: this host */
};

/*
 * Parses the command line; the strings stay argv's. Returns 1 to go on, or 0 when the program is
 * done: --help, --version, or an error that was printed; then *ret_status is its exit status.
 */
int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status) must_check;
