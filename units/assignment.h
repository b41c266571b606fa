/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines of a section as systemd reads them: "key=value", with the lines that continue it. */
#pragma once

#include "units/unit_file.h"

struct assignment {
	char *key;   /* the memory of both; what is no assignment is all key */
	char *value; /* NULL: there is no '='; else lines joined by blanks, none at the ends */
	size_t first, last; /* lines of the section; comments may be between */
};

struct assignments {
	struct assignment *items;
	size_t count;
};

/* Reads all of a section, in order. Returns 0 or -ENOMEM. To be freed. */
int assignments_read(const struct unit_section *section,
		     struct assignments *ret_assignments) must_check;

void assignments_free(struct assignments *assignments);

/*
 * Takes the next word of a value, which is cut up: words are apart by blanks, quotes are not known.
 * Returns NULL at the end.
 */
char *assignment_next_word(char **rest);
