/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of kvm-device(8). */
#pragma once

#include <stdbool.h>

enum command { COMMAND_STATUS, COMMAND_APPLY, COMMAND_WAIT, COMMAND_MONITOR };

#define TIMEOUT_NONE (-1.0)

struct options {
	enum command command;
	bool json;
	bool dry_run;
	bool create;
	double timeout;      /* in seconds, TIMEOUT_NONE where none was given */
	const char *sysroot; /* NULL: this host */
};

/*
 * Parses the command line. Returns 1 with *ret_options, or 0 with *ret_status when the program is
 * to end, as after --help or an error, which has been told.
 */
int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status);
