/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A unit as sections of lines, each of which knows where it came from. Blank lines and the blanks
 * at both ends of a line are no part of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "units/source.h"

#define UNIT_SECTIONS_MAX 64 /* with those named X-..., which are anybody's */

enum unit_rules {
	/* All sections of units; lines that continue others are systemd's matter, as it reads them. */
	UNIT_RULES_SYSTEMD,
	/* libvirt's script to the byte: its four sections, and every line by itself. */
	UNIT_RULES_LIBVIRT,
};

struct unit_line {
	char *text; /* NULL: was dropped */
	const struct source *source;
	uint32_t number;
	bool owned; /* the text is memory of its own, else it is in the source */
};

struct unit_section {
	const char *name; /* in the table of sections, or in a source */
	struct unit_line *lines;
	size_t count;
	size_t room;
};

struct unit {
	struct unit_section sections[UNIT_SECTIONS_MAX]; /* in the order of output */
	size_t section_count;
};

/*
 * Takes the source apart, changing its data. Returns 0, or -errno with *ret_why (to be freed, NULL
 * without memory), which begins with "path:line: ".
 */
int unit_parse(struct source *source, enum unit_rules rules, struct unit *ret_unit,
	       char **ret_why) must_check;

/* Releases what the unit holds. */
void unit_free(struct unit *unit);

/* The section of that name, NULL when the unit has no line in it. */
struct unit_section *unit_section(struct unit *unit, const char *name);

/* As unit_section(), which is made when there is none; NULL (-ENOMEM, -E2BIG) is in *ret_error. */
struct unit_section *unit_add_section(struct unit *unit, const char *name,
				      int *ret_error) must_check;

/* Makes room for `more` lines. Returns 0 or -ENOMEM. */
int unit_section_reserve(struct unit_section *section, size_t more) must_check;

/* Puts another text, which the line then owns, in place of the line's. */
void unit_line_set(struct unit_line *line, char *text);

/* The line is no longer there. */
void unit_line_drop(struct unit_line *line);

/* Whether the text is a comment. */
bool unit_text_is_comment(const char *text);

/* Whether the text is "[...]". */
bool unit_text_is_header(const char *text);

/* Whether the next line that is no comment continues this one, itself no comment. */
bool unit_text_continues(const char *text);

/* Cuts a text that is too long to be read where messages go, between two characters. */
void unit_text_cut(char *text);

/* "path:line: " and the formatted text, cut, to be freed; NULL without memory. */
char *unit_why(const struct unit_line *line, const char *format, ...) printf_like(2, 3) must_check;

/* Writes the unit: sections apart by an empty line. The stream's error says whether it worked. */
void unit_write(const struct unit *unit, FILE *stream);
