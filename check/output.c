/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/output.h"

#include <errno.h>
#include <json-c/json.h>

#include "host/text.h"

static const char *colour_of(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_PASS:
		return "\033[32m";
	case VERDICT_WARN:
		return "\033[33m";
	case VERDICT_FAIL:
		return "\033[1;31m";
	case VERDICT_SKIP:
	case VERDICT_UNKNOWN:
		break;
	}
	return "\033[36m";
}

static int print_result(FILE *stream, const struct result *result, bool colour)
{
	cleanup_free char *line = text_format("%s: %s%s%s", result->cause, result->text,
					      result->advice ? "; " : "",
					      result->advice ? result->advice : "");
	cleanup_free char *clean = line ? text_clean(line) : NULL;

	if (!clean)
		return -ENOMEM;
	fprintf(stream, "%s%-7s%s %-15s %s\n", colour ? colour_of(result->verdict) : "",
		verdict_name(result->verdict), colour ? "\033[0m" : "", result->name, clean);
	return 0;
}

int output_text(FILE *stream, const struct result *results, size_t count, bool colour)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++)
		r = print_result(stream, &results[i], colour);
	return r;
}

/* JSON is UTF-8, and text may come from the files of a host: what is not becomes \xNN. */
static int add_string(struct json_object *object, const char *key, const char *text)
{
	cleanup_free char *clean = text ? text_clean(text) : NULL;
	struct json_object *value = clean ? json_object_new_string(clean) : NULL;

	if (text && !value)
		return -ENOMEM;
	if (json_object_object_add(object, key, value) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static int add_result(struct json_object *list, const struct result *result)
{
	struct json_object *object = json_object_new_object();
	int r;

	if (!object)
		return -ENOMEM;
	r = add_string(object, "name", result->name);
	if (r == 0)
		r = add_string(object, "verdict", verdict_name(result->verdict));
	if (r == 0)
		r = add_string(object, "cause", result->cause);
	if (r == 0)
		r = add_string(object, "text", result->text);
	if (r == 0)
		r = add_string(object, "advice", result->advice);
	if (r == 0 && json_object_array_add(list, object) < 0)
		r = -ENOMEM;
	if (r < 0)
		json_object_put(object);
	return r;
}

int output_json(FILE *stream, const struct result *results, size_t count, bool usable)
{
	struct json_object *top = json_object_new_object();
	struct json_object *list = json_object_new_array();
	const char *text;
	size_t i;
	int r = top && list ? 0 : -ENOMEM;

	for (i = 0; r == 0 && i < count; i++)
		r = add_result(list, &results[i]);
	if (r == 0 && json_object_object_add(top, "usable", json_object_new_boolean(usable)) < 0)
		r = -ENOMEM;
	if (r == 0) {
		r = json_object_object_add(top, "checks", list) < 0 ? -ENOMEM : 0;
		if (r == 0)
			list = NULL; /* it is the object's now */
	}
	text = r == 0 ? json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY |
								    JSON_C_TO_STRING_NOSLASHESCAPE)
		      : NULL;
	if (text)
		fprintf(stream, "%s\n", text);
	else
		r = -ENOMEM;
	json_object_put(list);
	json_object_put(top);
	return r;
}
