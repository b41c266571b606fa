/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/json.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "host/text.h"

/*
 * An object under construction. Without memory `failed` is set and all that follows does nothing,
 * so that only the end is to be checked.
 */
struct json {
	bool failed;
};

static void put(struct json *json, struct json_object *parent, const char *key,
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

static void put_text(struct json *json, struct json_object *parent, const char *key,
		     const char *text)
{
	put(json, parent, key, json_object_new_string(text));
}

/* Text that others control: JSON is UTF-8, and those bytes may be anything. */
static void put_foreign(struct json *json, struct json_object *parent, const char *key,
			const char *text)
{
	cleanup_free char *clean = text_clean(text);

	json->failed |= !clean;
	if (clean)
		put_text(json, parent, key, clean);
}

static void put_bool(struct json *json, struct json_object *parent, const char *key, bool value)
{
	put(json, parent, key, json_object_new_boolean(value));
}

static void put_int(struct json *json, struct json_object *parent, const char *key, int64_t value)
{
	put(json, parent, key, json_object_new_int64(value));
}

/* As a number of JSON it may have any digits; json-c before 0.14 has no type for them. */
static void put_unsigned(struct json *json, struct json_object *parent, const char *key,
			 uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	put(json, parent, key, json_object_new_double_s((double)value, digits));
}

/* With so many decimals; what is no number has no member. */
static void put_decimal(struct json *json, struct json_object *parent, const char *key,
			double value, int decimals)
{
	char digits[400]; /* DBL_MAX has 309 before the point */

	if (!isfinite(value))
		return;
	snprintf(digits, sizeof(digits), "%.*f", decimals, value);
	put(json, parent, key, json_object_new_double_s(value, digits));
}

static void put_time(struct json *json, struct json_object *parent, const struct timespec *time)
{
	char text[64];
	struct tm utc;
	size_t length;

	gmtime_r(&time->tv_sec, &utc);
	length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + length, sizeof(text) - length, ".%03ldZ", time->tv_nsec / 1000000);
	put_text(json, parent, "time", text);
}

/* The name as people see it everywhere; where that is not the name itself, its bytes as well. */
static void put_guest(struct json *json, struct json_object *parent, pid_t pid,
		      const struct guest *guest)
{
	struct json_object *object = json_object_new_object();

	put_int(json, object, "pid", pid);
	if (guest)
		put_text(json, object, "name", guest->name);
	if (guest && strcmp(guest->name, guest->raw_name) != 0) {
		size_t i, length = strlen(guest->raw_name);
		cleanup_free char *hex = calloc(length + 1, 2);

		json->failed |= !hex;
		for (i = 0; hex && i < length; i++)
			snprintf(hex + 2 * i, 3, "%02x", (unsigned char)guest->raw_name[i]);
		if (hex)
			put_text(json, object, "name_bytes", hex);
	}
	put(json, parent, "guest", object);
}

static const char *unit_name(enum field_unit unit)
{
	static const char *const names[] = {[UNIT_NONE] = "none",
					    [UNIT_BYTES] = "bytes",
					    [UNIT_NANOSECONDS] = "nanoseconds",
					    [UNIT_CYCLES] = "cycles",
					    [UNIT_BOOLEAN] = "boolean"};

	return names[unit];
}

static const char *kind_name(enum field_kind kind)
{
	static const char *const names[] = {[FIELD_EVENTS] = "events",
					    [FIELD_TIME] = "time",
					    [FIELD_GAUGE] = "gauge",
					    [FIELD_PEAK] = "peak",
					    [FIELD_HISTOGRAM] = "histogram"};

	return names[kind];
}

static void put_buckets(struct json *json, struct json_object *parent,
			const struct distribution *distribution)
{
	struct json_object *array = json_object_new_array();
	unsigned int i;

	for (i = 0; i < distribution->bucket_count; i++) {
		struct json_object *bucket;
		uint64_t low, high;

		if (!distribution->buckets[i])
			continue;
		distribution_bucket(distribution, i, &low, &high);
		bucket = json_object_new_object();
		put_unsigned(json, bucket, "from", low);
		if (high != UINT64_MAX)
			put_unsigned(json, bucket, "to", high);
		put_unsigned(json, bucket, "count", distribution->buckets[i]);
		put(json, array, NULL, bucket);
	}
	put(json, parent, "buckets", array);
}

static void put_distribution(struct json *json, struct json_object *parent, const char *key,
			     enum field_unit unit, const struct distribution *distribution)
{
	struct json_object *object = json_object_new_object();

	put_text(json, object, "unit", unit_name(unit));
	put_unsigned(json, object, "count", distribution->count);
	if (distribution->has_moments)
		put_unsigned(json, object, "sum", distribution->sum);
	if (distribution->has_extremes && distribution->count) {
		put_unsigned(json, object, "min", distribution->min);
		put_unsigned(json, object, "max", distribution->max);
	}
	put_decimal(json, object, "mean", distribution_mean(distribution), 3);
	put_decimal(json, object, "stddev", distribution_deviation(distribution), 3);
	put_decimal(json, object, "p50", distribution_percentile(distribution, 0.5), 3);
	put_decimal(json, object, "p90", distribution_percentile(distribution, 0.9), 3);
	put_decimal(json, object, "p99", distribution_percentile(distribution, 0.99), 3);
	put_buckets(json, object, distribution);
	put(json, parent, key, object);
}

static struct json_object *make_row(struct json *json, const struct report *report,
				    const struct rate *rate)
{
	struct json_object *row = json_object_new_object();
	pid_t pid = report_guest_pid(report, rate);

	put_foreign(json, row, "name", rate->name);
	if (rate->parent)
		put_foreign(json, row, "parent", rate->parent);
	if (rate->is_flag)
		put_bool(json, row, "flag", true);
	put_text(json, row, "kind", kind_name(rate->kind));
	put_text(json, row, "unit", unit_name(rate_unit(rate)));
	if (pid)
		put_guest(json, row, pid, report_guest(report, rate));
	if (rate->thread.is_vcpu)
		put_int(json, row, "vcpu", rate->thread.vcpu);
	if (rate->thread.tid)
		put_int(json, row, "tid", rate->thread.tid);
	put_unsigned(json, row, "total", rate->total);
	put_int(json, row, "delta", rate->delta);
	put_decimal(json, row, "rate", rate->per_second, 3);
	if (rate->distribution)
		put_distribution(json, row, "distribution", rate_distribution_unit(rate),
				 rate->distribution);
	if (rate->interval)
		put_distribution(json, row, "distribution_delta", rate_distribution_unit(rate),
				 rate->interval);
	return row;
}

/* All but the rows. */
static struct json_object *make_head(struct json *json, const struct report *report)
{
	static const char *const by[] = {
		[BY_FIELD] = "field", [BY_GUEST] = "guest", [BY_VCPU] = "vcpu"};
	struct json_object *head = json_object_new_object();
	struct json_object *sources = json_object_new_array();
	size_t i;

	put_text(json, head, "schema", JSON_SCHEMA);
	put_time(json, head, &report->time);
	put_decimal(json, head, "interval", report->rates->seconds, 9);
	if (report->host)
		put_foreign(json, head, "host", report->host);
	for (i = 0; i < report->source_count; i++)
		put_text(json, sources, NULL, report->sources[i].name);
	put(json, head, "sources", sources);
	put_text(json, head, "by", by[report->by]);
	put_bool(json, head, "partial", report->rates->partial);
	return head;
}

/* Writes an object, which is released, without its last `less` characters. */
static void write_object(struct json *json, FILE *stream, struct json_object *object, size_t less)
{
	size_t length = 0;
	const char *text = json_object_to_json_string_length(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

	json->failed |= !object || !text;
	if (!json->failed)
		fwrite(text, 1, length - less, stream);
	json_object_put(object);
}

/*
 * The rows are made one by one and put into the open object: tens of thousands of them at once,
 * of many guests, would take a hundred megabytes.
 */
int json_write_report(FILE *stream, const struct report *report)
{
	struct json json = {0};
	size_t i;

	write_object(&json, stream, make_head(&json, report), strlen("}"));
	fputs(",\"rows\":[", stream);
	for (i = 0; i < report->rates->count && !json.failed; i++) {
		if (i)
			putc(',', stream);
		write_object(&json, stream, make_row(&json, report, &report->rates->rows[i]), 0);
	}
	fputs("]}\n", stream);
	return json.failed ? -ENOMEM : 0;
}
