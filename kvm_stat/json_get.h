/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members of JSON objects, whatever they hold: what has another type is as if it were not there. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* The member `key` if it is of this type, else NULL. */
struct json_object *json_get(struct json_object *object, const char *key, enum json_type type);

/* A text, which the object owns; NULL where there is none, or one with a zero byte. */
const char *json_get_text(struct json_object *object, const char *key);

bool json_get_bool(struct json_object *object, const char *key);

/* An integer from `min` to `max`. Returns whether there is one, in *ret_number. */
bool json_get_number(struct json_object *object, const char *key, int64_t min, int64_t max,
		     int64_t *ret_number);

/* The index of a text in `words`, which end with NULL; -1: it is none of them. */
int json_get_word(struct json_object *object, const char *key, const char *const *words);

/*
 * Whether a value is an integer, in *ret_number. The two ends of 64 bits are none: json-c makes
 * them of what lies beyond.
 */
bool json_to_number(struct json_object *value, int64_t *ret_number);
