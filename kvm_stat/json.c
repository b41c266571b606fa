/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/json.h"

#include <errno.h>
#include <string.h>

#include "kvm_stat/json_put.h"

static void put_guest(struct json *json, struct json_object *parent, pid_t pid,
		      const struct guest *guest)
{
	struct json_object *object = json_object_new_object();

	json_put_int(json, object, "pid", pid);
	if (guest)
		json_put_guest_name(json, object, guest);
	json_put(json, parent, "guest", object);
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
		json_put_unsigned(json, bucket, "from", low);
		if (high != UINT64_MAX)
			json_put_unsigned(json, bucket, "to", high);
		json_put_unsigned(json, bucket, "count", distribution->buckets[i]);
		json_put(json, array, NULL, bucket);
	}
	json_put(json, parent, "buckets", array);
}

static void put_distribution(struct json *json, struct json_object *parent, const char *key,
			     enum field_unit unit, const struct distribution *distribution)
{
	struct json_object *object = json_object_new_object();

	json_put_text(json, object, "unit", json_unit_names[unit]);
	json_put_unsigned(json, object, "count", distribution->count);
	if (distribution->has_moments)
		json_put_unsigned(json, object, "sum", distribution->sum);
	if (distribution->has_extremes && distribution->count) {
		json_put_unsigned(json, object, "min", distribution->min);
		json_put_unsigned(json, object, "max", distribution->max);
	}
	json_put_decimal(json, object, "mean", distribution_mean(distribution), 3);
	json_put_decimal(json, object, "stddev", distribution_deviation(distribution), 3);
	json_put_decimal(json, object, "p50", distribution_percentile(distribution, 0.5), 3);
	json_put_decimal(json, object, "p90", distribution_percentile(distribution, 0.9), 3);
	json_put_decimal(json, object, "p99", distribution_percentile(distribution, 0.99), 3);
	put_buckets(json, object, distribution);
	json_put(json, parent, key, object);
}

static struct json_object *make_row(struct json *json, const struct report *report,
				    const struct rate *rate)
{
	struct json_object *row = json_object_new_object();
	pid_t pid = report_guest_pid(report, rate);

	json_put_foreign(json, row, "name", rate->name);
	if (rate->parent)
		json_put_foreign(json, row, "parent", rate->parent);
	if (rate->is_flag)
		json_put_bool(json, row, "flag", true);
	json_put_text(json, row, "kind", json_kind_names[rate->kind]);
	json_put_text(json, row, "unit", json_unit_names[rate_unit(rate)]);
	if (pid)
		put_guest(json, row, pid, report_guest(report, rate));
	if (rate->thread.is_vcpu)
		json_put_int(json, row, "vcpu", rate->thread.vcpu);
	if (rate->thread.tid)
		json_put_int(json, row, "tid", rate->thread.tid);
	json_put_unsigned(json, row, "total", rate->total);
	json_put_int(json, row, "delta", rate->delta);
	json_put_decimal(json, row, "rate", rate->per_second, 3);
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
	struct json_object *head = json_object_new_object();
	struct json_object *sources = json_object_new_array();
	size_t i;

	json_put_text(json, head, "schema", JSON_SCHEMA);
	json_put_time(json, head, "time", &report->time);
	json_put_decimal(json, head, "interval", report->rates->seconds, 9);
	if (report->host)
		json_put_foreign(json, head, "host", report->host);
	for (i = 0; i < report->source_count; i++)
		json_put_text(json, sources, NULL, report->sources[i].name);
	json_put(json, head, "sources", sources);
	json_put_text(json, head, "by", json_by_names[report->by]);
	json_put_bool(json, head, "partial", report->rates->partial);
	return head;
}

/*
 * The rows are made one by one and put into the open object: tens of thousands of them at once,
 * of many guests, would take a hundred megabytes.
 */
int json_write_report(FILE *stream, const struct report *report)
{
	struct json json = {0};
	size_t i;

	json_write(&json, stream, make_head(&json, report), strlen("}"));
	fputs(",\"rows\":[", stream);
	for (i = 0; i < report->rates->count && !json.failed; i++) {
		if (i)
			putc(',', stream);
		json_write(&json, stream, make_row(&json, report, &report->rates->rows[i]), 0);
	}
	fputs("]}\n", stream);
	return json.failed ? -ENOMEM : 0;
}
