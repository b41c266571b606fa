/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON under construction, and the words that all that is written as JSON has in common. */
#pragma once

#include <json-c/json.h>
#include <stdio.h>

#include "kvm_stat/guests.h"
#include "kvm_stat/source.h"

/*
 * Without memory `failed` is set and all that follows does nothing, so that only the end is to be
 * checked.
 */
struct json {
	bool failed;
};

/* Puts a value, which is taken over, into an object, or with a NULL key into an array. */
void json_put(struct json *json, struct json_object *parent, const char *key,
	      struct json_object *value);

void json_put_text(struct json *json, struct json_object *parent, const char *key,
		   const char *text);

/* Text that others control: JSON is UTF-8, and those bytes may be anything. */
void json_put_foreign(struct json *json, struct json_object *parent, const char *key,
		      const char *text);

void json_put_bool(struct json *json, struct json_object *parent, const char *key, bool value);

void json_put_int(struct json *json, struct json_object *parent, const char *key, int64_t value);

/* As a number of JSON it may have any digits; json-c before 0.14 has no type for them. */
void json_put_unsigned(struct json *json, struct json_object *parent, const char *key,
		       uint64_t value);

/* With so many decimals; what is no number has no member. */
void json_put_decimal(struct json *json, struct json_object *parent, const char *key, double value,
		      int decimals);

/* RFC 3339, UTC, with milliseconds. */
void json_put_time(struct json *json, struct json_object *parent, const char *key,
		   const struct timespec *time);

/*
 * Puts the name as people see it everywhere as "name"; where that is not the name itself, its bytes
 * as "name_bytes".
 */
void json_put_guest_name(struct json *json, struct json_object *parent, const struct guest *guest);

/* Writes an object, which is released, without its last `less` characters. */
void json_write(struct json *json, FILE *stream, struct json_object *object, size_t less);

/* Writes an object, which is released, and ends the line. */
void json_write_line(struct json *json, FILE *stream, struct json_object *object);

/* The words for kinds, units and what rows are of; NULL behind the last one. */
extern const char *const json_kind_names[], *const json_unit_names[], *const json_by_names[];
