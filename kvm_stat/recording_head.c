/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/text.h"
#include "kvm_stat/json_get.h"

void recording_head_write(struct json *json, FILE *stream, const struct recording_head *head)
{
	struct json_object *object = json_object_new_object();
	struct json_object *sources = json_object_new_array();
	struct timespec now;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &now);
	json_put_text(json, object, "schema", RECORDING_SCHEMA);
	json_put_time(json, object, "start", &now);
	if (head->host)
		json_put_foreign(json, object, "host", head->host);
	if (head->kernel)
		json_put_foreign(json, object, "kernel", head->kernel);
	if (head->program)
		json_put_text(json, object, "program", head->program);
	for (i = 0; i < head->source_count; i++)
		json_put_text(json, sources, NULL, head->sources[i]);
	json_put(json, object, "sources", sources);
	json_put_text(json, object, "by", json_by_names[head->by]);
	json_put_decimal(json, object, "interval", head->interval, 3);
	json_write_line(json, stream, object);
}

static int copy_text(struct json_object *object, const char *key, char **ret_text)
{
	const char *text = json_get_text(object, key);

	if (!text || strlen(text) > RECORDING_TEXT_MAX)
		return 0;
	*ret_text = text_clean(text);
	return *ret_text ? 0 : -ENOMEM;
}

static int take_sources(struct recording_head *head, struct json_object *list)
{
	size_t i, count = json_object_array_length(list);

	if (count > RECORDING_SOURCES_MAX)
		return -EBADMSG;
	for (i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *name = json_object_is_type(item, json_type_string)
					   ? json_object_get_string(item)
					   : NULL;

		if (!name || !text_is_field_name(name) || strlen(name) > RECORDING_TEXT_MAX)
			return -EBADMSG;
		head->sources[i] = strdup(name);
		if (!head->sources[i])
			return -ENOMEM;
		head->source_count++;
	}
	return 0;
}

int recording_head_take(struct recording_head *head, struct json_object *object, char **ret_why)
{
	const char *schema = json_get_text(object, "schema");
	struct json_object *sources = json_get(object, "sources", json_type_array);
	struct json_object *interval;
	int by = json_get_word(object, "by", json_by_names), r;

	if (schema && strncmp(schema, RECORDING_SCHEMA, strlen(RECORDING_SCHEMA) - 1) == 0 &&
	    strcmp(schema, RECORDING_SCHEMA) != 0) {
		cleanup_free char *clean = text_clean(schema);

		*ret_why = text_format("it is of version \"%.40s\", of which this kvm_stat knows "
				       "nothing",
				       clean ? clean : "");
		return -EBADMSG;
	}
	if (!schema || strcmp(schema, RECORDING_SCHEMA) != 0 || by < 0 || !sources)
		return -EBADMSG;
	head->by = (enum selection_by)by;
	/* json-c takes NaN and Infinity for numbers, which JSON has none of. */
	if (json_object_object_get_ex(object, "interval", &interval) &&
	    isfinite(json_object_get_double(interval)))
		head->interval = json_object_get_double(interval);
	r = copy_text(object, "host", &head->host);
	if (r == 0)
		r = copy_text(object, "kernel", &head->kernel);
	if (r == 0)
		r = copy_text(object, "program", &head->program);
	return r < 0 ? r : take_sources(head, sources);
}

void recording_head_done(struct recording_head *head)
{
	size_t i;

	for (i = 0; i < head->source_count; i++)
		free(head->sources[i]);
	free(head->host);
	free(head->kernel);
	free(head->program);
	*head = (struct recording_head){0};
}
