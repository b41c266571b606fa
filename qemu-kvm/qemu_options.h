/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a scanner of QEMU's command line must know of each option. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/cleanup.h"

enum qemu_option_kind {
	QEMU_OPTION_FLAG,        /* takes no value */
	QEMU_OPTION_VALUE,       /* the next argument is its value, whatever that looks like */
	QEMU_OPTION_HELP,        /* as VALUE; certain values make QEMU print a list and end */
	QEMU_OPTION_INFORMATION, /* no value; QEMU prints something and ends */
};

/* Which values of a HELP option ask for the list. "help" and "?" mean the same. */
enum qemu_help_form {
	QEMU_HELP_WHOLE,   /* "help" alone */
	QEMU_HELP_ELEMENT, /* "help" as any element between commas */
	QEMU_HELP_KEY,     /* only as the value of one of `help_keys` */
};

struct qemu_option {
	const char *name;
	enum qemu_option_kind kind;
	enum qemu_help_form help_form;
	const char
		*help_keys[2]; /* in each form "KEY=help" asks too, for these; NULL: no further */
};

/* All options, sorted by name as strcmp() does. */
const struct qemu_option *qemu_option_table(size_t *ret_count);

/* The kind of QEMU's option `name`, without its dashes, or -ENOENT when it is not in the table. */
int qemu_option_kind(const char *name) must_check;

/* Whether QEMU, given the option `name` with `value`, prints a list and ends. */
bool qemu_option_asks_for_help(const char *name, const char *value) must_check;
