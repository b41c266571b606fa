/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/lint_output.h"

#include <errno.h>
#include <json-c/json.h>

#include "host/message.h"
#include "host/text.h"

int lint_output_text(const struct lint *lint)
{
	size_t i;

	for (i = 0; i < lint->count; i++) {
		const struct lint_finding *finding = &lint->findings[i];
		cleanup_free char *line = text_format("%s:%u: %s: %s", finding->unit->source->path,
						      finding->line, finding->rule->code,
						      finding->text);
		cleanup_free char *clean = line ? text_clean(line) : NULL;

		if (!clean)
			return -ENOMEM;
		puts(clean);
	}
	if (lint->total > lint->count)
		message_warning("%zu more findings are not shown", lint->total - lint->count);
	return 0;
}

/* Adds a new reference, NULL without memory; it is released when it cannot be added. */
static int put(struct json_object *parent, const char *key, struct json_object *value)
{
	int r = -1;

	if (value)
		r = key ? json_object_object_add(parent, key, value)
			: json_object_array_add(parent, value);
	if (r < 0)
		json_object_put(value);
	return r < 0 ? -ENOMEM : 0;
}

/* JSON is UTF-8, the names of files may be anything. */
static int put_text(struct json_object *parent, const char *key, const char *text)
{
	cleanup_free char *clean = text_clean(text);

	return clean ? put(parent, key, json_object_new_string(clean)) : -ENOMEM;
}

static int put_finding(struct json_object *list, const struct lint_finding *finding)
{
	struct json_object *object = json_object_new_object();
	int r = object ? 0 : -ENOMEM;

	if (r == 0)
		r = put_text(object, "code", finding->rule->code);
	if (r == 0)
		r = put_text(object, "unit", finding->unit->name);
	if (r == 0)
		r = put_text(object, "file", finding->unit->source->path);
	if (r == 0)
		r = put(object, "line", json_object_new_int64(finding->line));
	if (r == 0)
		r = put_text(object, "message", finding->text);
	if (r == 0)
		return put(list, NULL, object);
	json_object_put(object);
	return r;
}

static int put_all(struct json_object *top, const struct lint *lint)
{
	struct json_object *list = json_object_new_array();
	size_t i;
	int r = put(top, "units", json_object_new_int64((int64_t)lint->set->count));

	if (r == 0)
		r = put(top, "total", json_object_new_int64((int64_t)lint->total));
	if (r < 0) {
		json_object_put(list);
		return r;
	}
	r = put(top, "findings", list);
	for (i = 0; r == 0 && i < lint->count; i++)
		r = put_finding(list, &lint->findings[i]);
	return r;
}

int lint_output_json(const struct lint *lint)
{
	struct json_object *top = json_object_new_object();
	const char *text = NULL;
	int r = top ? put_all(top, lint) : -ENOMEM;

	if (r == 0)
		text = json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY |
								   JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		puts(text);
	json_object_put(top);
	return text ? 0 : -ENOMEM;
}
