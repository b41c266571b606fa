/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The units that are linted together, in a form in which they can be asked about each other. */
#pragma once

#include "units/assignment.h"

/* One name in the value of a key that names units, such as After=. */
struct lint_name {
	const char *key;
	const char *name; /* with specifiers replaced that are known, and no alias of the set */
	const struct unit_line *line;
	bool owned; /* the name is memory of its own */
};

/* One address of a socket. */
struct lint_address {
	const char *kind;  /* the key */
	const char *space; /* in which paths are of one only: "" for files, else the key */
	char *path;        /* begins with '/' or, in the abstract name space, '@' */
	const struct unit_line *line;
	const struct lint_unit *unit;
};

struct lint_unit {
	const char *name; /* the last part of the path */
	const char *type; /* what follows its last dot */
	char *link_to;    /* the other name of which this is a link, else NULL */
	bool merged;      /* the unit of that name is in the set: this is but an alias */
	const struct source *source;
	struct unit unit;
	struct assignments assignments[UNIT_SECTIONS_MAX]; /* of the unit's sections */
	struct lint_name *names;                           /* sorted by key and name */
	size_t name_count;
	struct lint_address *addresses; /* in order of the file; local ones only */
	size_t address_count;
	char *activates; /* sockets, timers, paths: the unit that they start; else NULL */
	bool default_dependencies;
};

/* Another name of a unit: by Alias=, or by a link. */
struct lint_alias {
	const char *name;
	const struct lint_unit *unit;
};

struct lint_set {
	struct lint_unit **units; /* sorted by name */
	size_t count;
	struct lint_alias *aliases; /* sorted by name */
	size_t alias_count;
	const struct lint_address **addresses; /* of all, sorted by kind and path, then unit */
	size_t address_count;
	const char *const *external; /* patterns of units beside the set, not owned */
	size_t external_count;
};

/*
 * Reads the units; those that are masked, by a link to /dev/null, are left out. Returns 0 and a set
 * to be freed, or -errno with *ret_why (to be freed, NULL without memory): files that are no units,
 * or cannot be parsed, or have the same name.
 */
int lint_set_read(struct sources *sources, char *const *paths, size_t count,
		  struct lint_set *ret_set, char **ret_why) must_check;

void lint_set_free(struct lint_set *set);

/* The unit of that name or alias, or the template of that instance; NULL when there is none. */
const struct lint_unit *lint_set_find(const struct lint_set *set, const char *name);

/* The names of that key: the first of *ret_count, in order of their names. */
const struct lint_name *lint_names(const struct lint_unit *unit, const char *key,
				   size_t *ret_count);

/* Whether the value of the key has that name. */
bool lint_has(const struct lint_unit *unit, const char *key, const char *name);

/* The last assignment of a key, NULL without one. */
const struct assignment *lint_setting(const struct lint_unit *unit, const char *section,
				      const char *key);

/* Whether the value of a boolean key is true, or `fallback` when there is none. */
bool lint_is_true(const struct lint_unit *unit, const char *section, const char *key,
		  bool fallback);

/* The first line of the section, NULL when the unit has none in it. */
const struct unit_line *lint_section_line(const struct lint_unit *unit, const char *section);
