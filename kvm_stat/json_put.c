/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/json_put.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/text.h"

const char *const json_kind_names[] = {
	[FIELD_EVENTS] = "events", [FIELD_TIME] = "time",           [FIELD_GAUGE] = "gauge",
	[FIELD_PEAK] = "peak",     [FIELD_HISTOGRAM] = "histogram", NULL};
const char *const json_unit_names[] = {
	[UNIT_NONE] = "none",     [UNIT_BYTES] = "bytes",     [UNIT_NANOSECONDS] = "nanoseconds",
	[UNIT_CYCLES] = "cycles", [UNIT_BOOLEAN] = "boolean", NULL};
const char *const json_by_names[] = {
	[BY_FIELD] = "field", [BY_GUEST] = "guest", [BY_VCPU] = "vcpu", NULL};

void json_put(struct json *json, struct json_object *parent, const char *key,
	      struct json_object *value)
{
	int r = -1;

	if (value && parent)
		r = key ? json_object_object_add(parent, key, value)
			: json_object_array_add(parent, value);
	if (r < 0) {
		json_object_put(value);
		json->failed = true;
	}
}

void json_put_text(struct json *json, struct json_object *parent, const char *key, const char *text)
{
	json_put(json, parent, key, json_object_new_string(text));
}

void json_put_foreign(struct json *json, struct json_object *parent, const char *key,
		      const char *text)
{
	cleanup_free char *clean = text_clean(text);

	json->failed |= !clean;
	if (clean)
		json_put_text(json, parent, key, clean);
}

void json_put_bool(struct json *json, struct json_object *parent, const char *key, bool value)
{
	json_put(json, parent, key, json_object_new_boolean(value));
}

void json_put_int(struct json *json, struct json_object *parent, const char *key, int64_t value)
{
	json_put(json, parent, key, json_object_new_int64(value));
}

void json_put_unsigned(struct json *json, struct json_object *parent, const char *key,
		       uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	json_put(json, parent, key, json_object_new_double_s((double)value, digits));
}

void json_put_decimal(struct json *json, struct json_object *parent, const char *key, double value,
		      int decimals)
{
	char digits[400]; /* DBL_MAX has 309 before the point */

	if (!isfinite(value))
		return;
	snprintf(digits, sizeof(digits), "%.*f", decimals, value);
	json_put(json, parent, key, json_object_new_double_s(value, digits));
}

void json_put_time(struct json *json, struct json_object *parent, const char *key,
		   const struct timespec *time)
{
	char text[64];
	struct tm utc;
	size_t length;

	gmtime_r(&time->tv_sec, &utc);
	length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + length, sizeof(text) - length, ".%03ldZ", time->tv_nsec / 1000000);
	json_put_text(json, parent, key, text);
}

void json_put_guest_name(struct json *json, struct json_object *parent, const struct guest *guest)
{
	size_t i, length = strlen(guest->raw_name);
	cleanup_free char *hex = NULL;

	json_put_text(json, parent, "name", guest->name);
	if (strcmp(guest->name, guest->raw_name) == 0)
		return;
	hex = calloc(length + 1, 2);
	json->failed |= !hex;
	for (i = 0; hex && i < length; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)guest->raw_name[i]);
	if (hex)
		json_put_text(json, parent, "name_bytes", hex);
}

void json_write(struct json *json, FILE *stream, struct json_object *object, size_t less)
{
	size_t length = 0;
	const char *text = json_object_to_json_string_length(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

	json->failed |= !object || !text;
	if (!json->failed)
		fwrite(text, 1, length - less, stream);
	json_object_put(object);
}

void json_write_line(struct json *json, FILE *stream, struct json_object *object)
{
	json_write(json, stream, object, 0);
	putc('\n', stream);
}
