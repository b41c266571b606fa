/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/json_get.h"

#include <string.h>

struct json_object *json_get(struct json_object *object, const char *key, enum json_type type)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *json_get_text(struct json_object *object, const char *key)
{
	struct json_object *value = json_get(object, key, json_type_string);
	const char *text = value ? json_object_get_string(value) : NULL;

	return text && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

bool json_get_bool(struct json_object *object, const char *key)
{
	struct json_object *value = json_get(object, key, json_type_boolean);

	return value && json_object_get_boolean(value);
}

bool json_to_number(struct json_object *value, int64_t *ret_number)
{
	if (!json_object_is_type(value, json_type_int))
		return false;
	*ret_number = json_object_get_int64(value);
	return *ret_number != INT64_MAX && *ret_number != INT64_MIN;
}

bool json_get_number(struct json_object *object, const char *key, int64_t min, int64_t max,
		     int64_t *ret_number)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) &&
	       json_to_number(value, ret_number) && *ret_number >= min && *ret_number <= max;
}

int json_get_word(struct json_object *object, const char *key, const char *const *words)
{
	const char *text = json_get_text(object, key);
	int i;

	for (i = 0; text && words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -1;
}
