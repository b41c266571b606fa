/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Binary statistics of any content: what is accepted stays within the file and has clean names. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "host/text.h"
#include "kvm_stat/stats_block.h"

static void check_field(const struct stats_layout *layout, const struct stats_field *field,
			const uint64_t *values)
{
	struct distribution distribution;
	uint64_t sum = 0;
	size_t i;

	promise(text_is_field_name(field->name));
	promise(field->count && field->first + field->count <= layout->value_count);
	promise(field->count == 1 || field->kind == FIELD_HISTOGRAM);
	promise(field->multiply && field->divide);
	(void)stats_field_value(field, values[field->first]);
	promise(stats_field_value(field, 0) == 0);
	if (field->kind != FIELD_HISTOGRAM)
		return;
	stats_field_distribution(field, values + field->first, &distribution);
	promise(distribution.bucket_count && distribution.bucket_count <= DISTRIBUTION_BUCKETS_MAX);
	promise(distribution.scale == DISTRIBUTION_LOG2 || distribution.bucket_size);
	for (i = 0; i < distribution.bucket_count; i++)
		sum += distribution.buckets[i];
	promise(sum == distribution.count);
}

/* Every value belongs to one field at most, and each field to the ranges or to the states. */
static void check_ranges(const struct stats_layout *layout)
{
	size_t i, counting = 0, in_ranges = 0, states = 0;

	for (i = 0; i < layout->field_count; i++) {
		const struct stats_field *field = &layout->fields[i];

		if (i)
			promise(field[-1].first + field[-1].count <= field->first);
		if (field_counts_up(field->kind))
			counting += field->count;
		else
			states++;
	}
	for (i = 0; i < layout->range_count; i++) {
		promise(layout->ranges[i].first < layout->ranges[i].end);
		promise(layout->ranges[i].end <= layout->value_count);
		in_ranges += layout->ranges[i].end - layout->ranges[i].first;
	}
	promise(counting == in_ranges && states == layout->state_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stats_layout *layout = NULL;
	struct stats_id id;
	uint64_t *values;
	size_t i;
	int r = stats_layout_parse(data, size, &layout);

	promise(r == 0 || (r == -EBADMSG && !layout));
	if (r < 0)
		return 0;
	promise((uint64_t)layout->data_offset + layout->value_count * sizeof(*values) <= size);
	promise(stats_layout_matches(layout, data, size));
	r = stats_layout_id(layout, data, size, &id);
	promise(r == -EBADMSG || (r == 0 && id.tid >= 0));
	/* Room for just these: reading beyond would be found. */
	values = malloc(layout->value_count * sizeof(*values) + 1);
	promise(values);
	memcpy(values, data + layout->data_offset, layout->value_count * sizeof(*values));
	for (i = 0; i < layout->field_count; i++)
		check_field(layout, &layout->fields[i], values);
	check_ranges(layout);
	free(values);
	stats_layout_free(layout);
	return 0;
}
