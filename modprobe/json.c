/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/json.h"

#include <errno.h>

#include "host/text.h"

int json_put(struct json_object *parent, const char *key, struct json_object *value)
{
	int r = -1;

	if (value)
		r = key ? json_object_object_add(parent, key, value)
			: json_object_array_add(parent, value);
	if (r < 0)
		json_object_put(value);
	return r < 0 ? -ENOMEM : 0;
}

int json_put_text(struct json_object *parent, const char *key, const char *text)
{
	cleanup_free char *clean = text_clean(text);

	return clean ? json_put(parent, key, json_object_new_string(clean)) : -ENOMEM;
}

int json_print(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		return -ENOMEM;
	puts(text);
	return 0;
}
