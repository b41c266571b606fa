/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The regular expression of -f: matched at the start of a field's name, case-sensitive. */
#pragma once

#include <stdbool.h>

#include "host/cleanup.h"

struct field_filter;

/*
 * Compiles `pattern` (PCRE2, the syntax closest to upstream's Python). An empty pattern matches
 * everything. Returns 0 and *ret_filter (field_filter_free()); or -EINVAL and *ret_why, a sentence
 * to be freed; or -ENOMEM.
 */
int field_filter_compile(const char *pattern, struct field_filter **ret_filter,
			 char **ret_why) must_check;

/* Frees a filter; NULL is fine. */
void field_filter_free(struct field_filter *filter);

/*
 * Whether `name` matches; a NULL filter matches everything. A pattern that needs more than a
 * bounded number of steps ("(a*)*b") does not match.
 */
bool field_filter_match(const struct field_filter *filter, const char *name);

/*
 * Whether `start`, followed by some number as in "0x40)", matches: one below 0x1000, or one that
 * the pattern spells out. A NULL filter matches everything.
 */
bool field_filter_match_some_number(const struct field_filter *filter, const char *start);

/* The pattern as it was given; "" for NULL. */
const char *field_filter_pattern(const struct field_filter *filter);
