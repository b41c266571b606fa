/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's command line, argument by argument: what is an option, what is an option's value. */
#pragma once

#include <stdbool.h>

#include "host/cleanup.h"

/* One option with its value, or a disk image. It points into argv. */
struct argument {
	const char *name;  /* without its dashes; NULL: a disk image */
	const char *value; /* NULL: it has none */
	int index;         /* of the option in argv; the value stands behind it */
	int kind;          /* enum qemu_option_kind, or -ENOENT for an option nobody knows */
};

/*
 * Takes the next argument from a NULL-terminated argv; *position starts as 1 and is moved on.
 * "--name" is the same as "-name". The argument behind an option that takes a value is its value,
 * whatever it looks like. Behind an unknown option it is the value unless it begins with '-'.
 * Returns false at the end.
 */
bool argument_next(char *const argv[], int *position, struct argument *ret) must_check;
