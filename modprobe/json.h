/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What JSON of this program is made of. */
#pragma once

#include <json-c/json.h>

#include "host/cleanup.h"

/*
 * Adds `value` (a new reference, NULL: without memory) to an object or, without a key, to an array.
 * It is released when it cannot be added. Returns 0 or -ENOMEM.
 */
int json_put(struct json_object *parent, const char *key, struct json_object *value) must_check;

/* As json_put(), for text, cleaned as for a terminal: JSON is UTF-8, files may hold anything. */
int json_put_text(struct json_object *parent, const char *key, const char *text) must_check;

/* Prints the object and a newline. Returns 0 or -ENOMEM. */
int json_print(struct json_object *object) must_check;

static inline void cleanup_json_fn(struct json_object **object)
{
	json_object_put(*object);
}

#define cleanup_json cleanup(cleanup_json_fn)
