/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's "key=value,..." values of options, and the groups of its configuration files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/cleanup.h"

/* One "key=value"; `value` is NULL for a bare word, which switches its key on. "noKEY" is off. */
struct keyval {
	char *key, *value;
};

/* In the order of the text; a key may be there several times. */
struct keyvals {
	struct keyval *items;
	size_t count;
};

/*
 * Takes an option's value apart as QEMU does: a comma ends an element, two commas are one comma
 * of a value, and a first element without '=' is the value of `implied`. JSON, which begins with
 * '{', gives no elements. Returns 0 or -ENOMEM; *ret is to be freed with keyvals_free().
 */
int keyvals_parse(const char *text, const char *implied, struct keyvals *ret) must_check;

/* Adds a copy of one pair (`value` may be NULL). Returns 0 or -ENOMEM. */
int keyvals_add(struct keyvals *list, const char *key, const char *value) must_check;

/* The value of `key` that counts, which is the last one; NULL without one, or for a bare word. */
const char *keyvals_get(const struct keyvals *list, const char *key);

/* Whether `key` is there at all. */
bool keyvals_has(const struct keyvals *list, const char *key);

/* Whether the boolean `key` is on: on, yes, true, y or a bare word. */
bool keyvals_is_on(const struct keyvals *list, const char *key);

/* Releases the list; an empty one is fine. */
void keyvals_free(struct keyvals *list);
