/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_moment.h"

#include <inttypes.h>

#include "kvm_stat/json_get.h"

#define SECOND 1000000000 /* ns */

void recording_moment_write(struct json *json, FILE *stream, uint64_t number,
			    const struct recording_moment *moment)
{
	struct json_object *object = json_object_new_object();
	bool unreadable = false;
	size_t i;

	json_put_unsigned(json, object, RECORDING_SAMPLE, number);
	json_put_unsigned(json, object, "monotonic", moment->monotonic_ns);
	json_put_int(json, object, "time",
		     (int64_t)moment->time.tv_sec * SECOND + moment->time.tv_nsec);
	if (moment->partial)
		json_put_bool(json, object, "partial", true);
	for (i = 0; i < RECORDING_SOURCES_MAX; i++)
		unreadable |= moment->unreadable[i] != 0;
	if (unreadable) {
		struct json_object *list = json_object_new_array();

		for (i = 0; i < RECORDING_SOURCES_MAX; i++)
			json_put_int(json, list, NULL, (int64_t)moment->unreadable[i]);
		json_put(json, object, "unreadable", list);
	}
	json_write_line(json, stream, object);
}

int recording_moment_take(struct recording_moment *moment, struct json_object *object,
			  uint64_t number, uint64_t last_ns, const char **ret_why)
{
	struct json_object *list = json_get(object, "unreadable", json_type_array);
	int64_t sample, monotonic, time;
	size_t i;

	if (!json_get_number(object, RECORDING_SAMPLE, 0, INT64_MAX, &sample) ||
	    !json_get_number(object, "monotonic", 1, INT64_MAX, &monotonic) ||
	    !json_get_number(object, "time", 0, INT64_MAX, &time))
		return recording_damage(ret_why, "the sample has no time");
	if ((uint64_t)sample != number)
		return recording_damage(ret_why, "a sample is missing");
	if ((uint64_t)monotonic <= last_ns)
		return recording_damage(ret_why, "time goes back");
	*moment = (struct recording_moment){
		.monotonic_ns = (uint64_t)monotonic,
		.time = {.tv_sec = time / SECOND, .tv_nsec = time % SECOND},
		.partial = json_get_bool(object, "partial")};
	for (i = 0; list && i < json_object_array_length(list) && i < RECORDING_SOURCES_MAX; i++) {
		int64_t count;

		if (json_to_number(json_object_array_get_idx(list, i), &count) && count > 0)
			moment->unreadable[i] = (size_t)count;
	}
	return 0;
}

size_t recording_moment_print_end(char end[RECORDING_END_MAX], uint64_t number, uint32_t crc)
{
	return (size_t)snprintf(end, RECORDING_END_MAX,
				"{\"" RECORDING_END "\":%" PRIu64 ",\"crc\":%" PRIu32 "}\n", number,
				crc);
}

bool recording_moment_is_end(struct json_object *object, uint64_t number, uint32_t crc)
{
	int64_t sample, told;

	return json_get_number(object, RECORDING_END, 0, INT64_MAX, &sample) &&
	       json_get_number(object, "crc", 0, UINT32_MAX, &told) && (uint64_t)sample == number &&
	       (uint32_t)told == crc;
}
