/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of kvm-modprobe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/cleanup.h"

#define MODULES_MAX 8 /* that there are to name */

enum mode {
	MODE_LOAD,
	MODE_CHECK,
	MODE_DRY_RUN,
	MODE_LIST,
};

struct options {
	enum mode mode;
	bool boot;
	bool json;
	bool verbose;
	const char *sysroot;              /* NULL: this host */
	const char *modules_dir;          /* NULL: that of the running kernel */
	const char *modules[MODULES_MAX]; /* with underscores, each once; none: as configured */
	size_t module_count;
};

/* Whether the name is that of a module that is KVM, by itself or with this CPU's. */
bool module_is_kvm(const char *name);

/* The name of a mode, as its option has it. */
const char *mode_name(enum mode mode);

/*
 * Parses the command line. Returns 1 to go on with *ret_options, or 0 when the program is done
 * (help, version, an error that was printed) with *ret_status to exit with.
 */
int options_parse(int argc, char *argv[], struct options *ret_options, int *ret_status) must_check;
