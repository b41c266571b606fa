/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values in place of @name@. */
#pragma once

#include "units/unit_file.h"

struct definition {
	const char *name;
	const char *value;
	bool used;
};

/* Whether the text of that length can be a name: letters, digits, '_' and '-'. */
bool substitute_is_name(const char *text, size_t length);

/*
 * Puts values in place of every @name@ of the unit, comments included. `definitions` are sorted by
 * name; of those that were needed `used` is set. A name that is not among them is an error, and so
 * is a value that would make another line of what it stands in: a header, or one that continues.
 * Returns 0 or -errno with *ret_why (to be freed, NULL without memory).
 */
int substitute_unit(struct unit *unit, struct definition *definitions, size_t count,
		    char **ret_why) must_check;
