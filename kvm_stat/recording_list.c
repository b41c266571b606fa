/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_list.h"

#include <inttypes.h>
#include <stdlib.h>

#include "kvm_stat/json_get.h"

/* Writing */

void recording_list_begin(struct recording_list *list, size_t count)
{
	if (list->count && list->count + count > RECORDING_LIST_MAX)
		recording_list_end(list);
	if (!list->count) {
		fprintf(list->stream, "{\"%s\":[", list->key);
		list->last = 0;
	}
}

void recording_list_put(struct recording_list *list, int64_t number)
{
	fprintf(list->stream, "%s%" PRId64, list->count++ ? "," : "", number);
}

void recording_list_put_id(struct recording_list *list, int64_t id)
{
	recording_list_put(list, id - list->last);
	list->last = id;
}

void recording_list_put_change(struct recording_list *list, uint64_t now, uint64_t before)
{
	recording_list_put(list, (int64_t)(now - before));
}

void recording_list_end(struct recording_list *list)
{
	if (list->count)
		fputs("]}\n", list->stream);
	list->count = 0;
}

void recording_list_write_object(struct json *json, FILE *stream, const char *key,
				 struct json_object *object)
{
	struct json_object *line = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_put(json, list, NULL, object);
	json_put(json, line, key, list);
	json_write_line(json, stream, line);
}

/* Reading */

struct recording_numbers recording_list_read(struct json_object *list)
{
	return (struct recording_numbers){.list = list, .count = json_object_array_length(list)};
}

bool recording_list_has_more(const struct recording_numbers *numbers)
{
	return !numbers->failed && numbers->at < numbers->count;
}

int64_t recording_list_next(struct recording_numbers *numbers, int64_t min, int64_t max)
{
	int64_t number = 0;

	if (numbers->failed || numbers->at == numbers->count ||
	    !json_to_number(json_object_array_get_idx(numbers->list, numbers->at++), &number) ||
	    number < min || number > max) {
		numbers->failed = true;
		return 0;
	}
	return number;
}

uint64_t recording_list_next_change(struct recording_numbers *numbers)
{
	return (uint64_t)recording_list_next(numbers, INT64_MIN, INT64_MAX);
}

size_t recording_list_next_id(struct recording_numbers *numbers, size_t count)
{
	numbers->id += recording_list_next(numbers, -RECORDING_ID_MAX, RECORDING_ID_MAX);
	if (numbers->id < 0 || (uint64_t)numbers->id >= count)
		numbers->failed = true;
	return numbers->failed ? 0 : (size_t)numbers->id;
}

int recording_list_take_objects(struct json_object *list,
				int (*take)(struct json_object *object, void *data,
					    const char **ret_why),
				void *data, const char **ret_why)
{
	size_t i;
	int r = 0;

	for (i = 0; i < json_object_array_length(list) && r == 0; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		r = json_object_is_type(item, json_type_object)
			    ? take(item, data, ret_why)
			    : recording_damage(ret_why, "it is no object");
	}
	return r;
}

void *recording_list_grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1) || (count && count < 16))
		return array;
	return reallocarray(array, count ? count * 2 : 16, size);
}
