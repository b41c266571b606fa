/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/stats_block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/number.h"
#include "host/text.h"

/* As in <linux/kvm.h>, which is not there for every architecture. */
struct header {
	uint32_t flags, name_size, count, id_offset, descriptors_offset, data_offset;
};

struct descriptor {
	uint32_t flags;
	int16_t exponent;
	uint16_t size;
	uint32_t offset, bucket_size;
	/* then the name, in as many bytes as the header says */
};

enum { TYPE_CUMULATIVE, TYPE_INSTANT, TYPE_PEAK, TYPE_LINEAR_HISTOGRAM, TYPE_LOG_HISTOGRAM };
enum { IN_NONE, IN_BYTES, IN_SECONDS, IN_CYCLES, IN_BOOLEAN };
enum { BASE_10, BASE_2 };

#define NAME_SIZE_MAX 1024
#define FIELDS_MAX    4096
/* Factors beyond these leave 64 bits. */
#define EXPONENT_10_MAX 19
#define EXPONENT_2_MAX  63

/* A part of the file. */
struct part {
	uint64_t offset, size;
};

static bool overlap(struct part a, struct part b)
{
	return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

/* Whether no part leaves the file and no two have bytes in common. */
static bool parts_fit(const struct part *parts, size_t count, size_t length)
{
	size_t i, j;

	for (i = 0; i < count; i++) {
		if (parts[i].offset + parts[i].size > length)
			return false;
		for (j = 0; j < i; j++) {
			if (overlap(parts[i], parts[j]))
				return false;
		}
	}
	return true;
}

static int read_header(const void *block, size_t length, struct header *ret_header)
{
	struct header header;

	if (length < sizeof(header) || length > STATS_BLOCK_MAX)
		return -EBADMSG;
	memcpy(&header, block, sizeof(header));
	if (header.name_size == 0 || header.name_size > NAME_SIZE_MAX || header.count > FIELDS_MAX)
		return -EBADMSG;
	*ret_header = header;
	return 0;
}

static size_t descriptor_size(const struct header *header)
{
	return sizeof(struct descriptor) + header->name_size;
}

/* All parts of the file; how long the values are is known only from the descriptors. */
static bool header_fits(const struct header *header, uint64_t data_size, size_t length)
{
	const struct part parts[] = {
		{0, sizeof(*header)},
		{header->id_offset, header->name_size},
		{header->descriptors_offset, header->count * descriptor_size(header)},
		{header->data_offset, data_size},
	};

	return parts_fit(parts, array_size(parts), length);
}

static uint64_t power(uint64_t base, unsigned int exponent)
{
	uint64_t result = 1;

	while (exponent--)
		result *= base;
	return result;
}

/* base^exponent as a fraction; seconds become nanoseconds. Returns 0 or -EBADMSG. */
static int set_scale(struct stats_field *field, unsigned int base, int exponent, bool is_seconds)
{
	unsigned int size;

	if (base == BASE_10 && is_seconds)
		exponent += 9;
	size = (unsigned int)abs(exponent);
	if (size > (base == BASE_10 ? EXPONENT_10_MAX : EXPONENT_2_MAX))
		return -EBADMSG;
	field->multiply = field->divide = 1;
	*(exponent < 0 ? &field->divide : &field->multiply) = power(base == BASE_10 ? 10 : 2, size);
	if (base == BASE_2 && is_seconds) {
		if (size > 30)
			return -EBADMSG;
		field->multiply *= 1000000000;
	}
	return 0;
}

static enum field_unit unit_of(unsigned int unit)
{
	switch (unit) {
	case IN_BYTES:
		return UNIT_BYTES;
	case IN_SECONDS:
		return UNIT_NANOSECONDS;
	case IN_CYCLES:
		return UNIT_CYCLES;
	case IN_BOOLEAN:
		return UNIT_BOOLEAN;
	default:
		return UNIT_NONE;
	}
}

/* Sets what a statistic is. Returns 1, 0 for one that is to be left out, or -EBADMSG. */
static int set_meaning(struct stats_field *field, const struct descriptor *descriptor)
{
	unsigned int type = descriptor->flags & 15, unit = descriptor->flags >> 4 & 15;
	unsigned int base = descriptor->flags >> 8 & 15;
	bool is_histogram = type == TYPE_LINEAR_HISTOGRAM || type == TYPE_LOG_HISTOGRAM;

	if (type > TYPE_LOG_HISTOGRAM || base > BASE_2 || (!is_histogram && field->count > 1))
		return 0;
	if (set_scale(field, base, descriptor->exponent, unit == IN_SECONDS) < 0)
		return -EBADMSG;
	field->unit = unit_of(unit);
	switch (type) {
	case TYPE_CUMULATIVE:
		field->kind = unit == IN_SECONDS ? FIELD_TIME : FIELD_EVENTS;
		return 1;
	case TYPE_INSTANT:
		field->kind = FIELD_GAUGE;
		return 1;
	case TYPE_PEAK:
		field->kind = FIELD_PEAK;
		return 1;
	case TYPE_LINEAR_HISTOGRAM:
		field->kind = FIELD_HISTOGRAM;
		field->scale = DISTRIBUTION_LINEAR;
		field->bucket_size = stats_field_value(field, descriptor->bucket_size);
		return field->bucket_size ? 1 : -EBADMSG;
	default:
		field->kind = FIELD_HISTOGRAM;
		field->scale = DISTRIBUTION_LOG2;
		/* The bounds are powers of 2 of the kernel's unit: in another they would be none. */
		if (field->multiply != field->divide)
			field->unit = UNIT_NONE;
		return 1;
	}
}

/* Parses one descriptor, whose name stays where it is. Returns as set_meaning(). */
static int read_descriptor(const unsigned char *from, size_t name_size, struct stats_field *field)
{
	const char *name = (const char *)from + sizeof(struct descriptor);
	struct descriptor descriptor;

	memcpy(&descriptor, from, sizeof(descriptor));
	if (!memchr(name, '\0', name_size) || !text_is_field_name(name))
		return -EBADMSG;
	if (descriptor.size == 0 || descriptor.offset % sizeof(uint64_t))
		return -EBADMSG;
	*field = (struct stats_field){.name = name,
				      .first = descriptor.offset / sizeof(uint64_t),
				      .count = descriptor.size};
	return set_meaning(field, &descriptor);
}

static int compare_places(const void *a, const void *b)
{
	const struct stats_field *left = a, *right = b;

	return (left->first > right->first) - (left->first < right->first);
}

static int compare_names(const void *a, const void *b)
{
	const struct stats_field *left = a, *right = b;

	return strcmp(left->name, right->name);
}

/* Whether two statistics have one name, or values in common. Leaves them in the order of these. */
static bool fields_collide(struct stats_layout *layout)
{
	struct stats_field *fields = layout->fields;
	size_t i;

	if (layout->field_count == 0)
		return false;
	qsort(fields, layout->field_count, sizeof(*fields), compare_names);
	for (i = 1; i < layout->field_count; i++) {
		if (strcmp(fields[i - 1].name, fields[i].name) == 0)
			return true;
	}
	qsort(fields, layout->field_count, sizeof(*fields), compare_places);
	for (i = 1; i < layout->field_count; i++) {
		if (fields[i - 1].first + fields[i - 1].count > fields[i].first)
			return true;
	}
	return false;
}

static int read_descriptors(struct stats_layout *layout, const struct header *header)
{
	size_t i;

	for (i = 0; i < header->count; i++) {
		struct stats_field *field = &layout->fields[layout->field_count];
		int r = read_descriptor(layout->descriptors + i * descriptor_size(header),
					header->name_size, field);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		layout->field_count++;
		if (layout->value_count < field->first + field->count)
			layout->value_count = field->first + field->count;
	}
	return fields_collide(layout) ? -EBADMSG : 0;
}

/* Sorts out what counts up: a sample adds that up without a look at the fields. */
static int set_ranges(struct stats_layout *layout)
{
	size_t i;

	layout->ranges = calloc(layout->field_count + 1, sizeof(*layout->ranges));
	layout->states = calloc(layout->field_count + 1, sizeof(*layout->states));
	if (!layout->ranges || !layout->states)
		return -ENOMEM;
	for (i = 0; i < layout->field_count; i++) {
		const struct stats_field *field = &layout->fields[i];
		struct stats_range *last = &layout->ranges[layout->range_count];

		if (!field_counts_up(field->kind))
			layout->states[layout->state_count++] = field;
		else if (layout->range_count && last[-1].end == field->first)
			last[-1].end += field->count;
		else
			layout->ranges[layout->range_count++] =
				(struct stats_range){field->first, field->first + field->count};
	}
	return 0;
}

static unsigned char *copy_of(const void *data, size_t size)
{
	unsigned char *copy = malloc(size ? size : 1);

	if (copy)
		memcpy(copy, data, size);
	return copy;
}

int stats_layout_parse(const void *block, size_t length, struct stats_layout **ret_layout)
{
	struct stats_layout *layout;
	struct header header;
	int r = read_header(block, length, &header);

	if (r < 0)
		return r;
	if (!header_fits(&header, 0, length))
		return -EBADMSG;
	layout = calloc(1, sizeof(*layout));
	if (!layout)
		return -ENOMEM;
	layout->data_offset = header.data_offset;
	layout->descriptors_size = header.count * descriptor_size(&header);
	layout->header = copy_of(block, sizeof(header));
	layout->descriptors = copy_of((const char *)block + header.descriptors_offset,
				      layout->descriptors_size);
	layout->fields = calloc(header.count + 1, sizeof(*layout->fields));
	r = !layout->header || !layout->descriptors || !layout->fields ? -ENOMEM : 0;
	if (r == 0)
		r = read_descriptors(layout, &header);
	if (r == 0 && !header_fits(&header, layout->value_count * sizeof(uint64_t), length))
		r = -EBADMSG;
	if (r == 0)
		r = set_ranges(layout);
	if (r < 0) {
		stats_layout_free(layout);
		return r;
	}
	*ret_layout = layout;
	return 0;
}

void stats_layout_free(struct stats_layout *layout)
{
	if (!layout)
		return;
	free(layout->fields);
	free(layout->ranges);
	free(layout->states);
	free(layout->header);
	free(layout->descriptors);
	free(layout);
}

bool stats_layout_matches(const struct stats_layout *layout, const void *block, size_t length)
{
	struct header header;

	memcpy(&header, layout->header, sizeof(header));
	return length >= sizeof(header) && memcmp(block, layout->header, sizeof(header)) == 0 &&
	       header_fits(&header, layout->value_count * sizeof(uint64_t), length) &&
	       memcmp((const char *)block + header.descriptors_offset, layout->descriptors,
		      layout->descriptors_size) == 0;
}

/* A number of the id's, up to `end`. Returns 0 or -EBADMSG. */
static int id_number(const char *text, const char *end, uint64_t max, uint64_t *ret_number)
{
	char digits[24];

	if (end - text >= (ptrdiff_t)sizeof(digits))
		return -EBADMSG;
	memcpy(digits, text, (size_t)(end - text));
	digits[end - text] = '\0';
	return number_parse_u64(digits, 0, max, ret_number) < 0 ? -EBADMSG : 0;
}

int stats_layout_id(const struct stats_layout *layout, const void *block, size_t length,
		    struct stats_id *ret_id)
{
	static const char start[] = "kvm-", middle[] = "/vcpu-";
	const char *id, *end, *slash;
	uint64_t tid, vcpu = 0;
	struct header header;

	memcpy(&header, layout->header, sizeof(header));
	if ((uint64_t)header.id_offset + header.name_size > length)
		return -EBADMSG;
	id = (const char *)block + header.id_offset;
	end = memchr(id, '\0', header.name_size);
	if (!end || strncmp(id, start, strlen(start)))
		return -EBADMSG;
	id += strlen(start);
	slash = strchr(id, '/');
	if (id_number(id, slash ? slash : end, INT32_MAX, &tid) < 0)
		return -EBADMSG;
	if (slash && (strncmp(slash, middle, strlen(middle)) ||
		      id_number(slash + strlen(middle), end, UINT32_MAX, &vcpu) < 0))
		return -EBADMSG;
	*ret_id = (struct stats_id){(pid_t)tid, slash, (unsigned int)vcpu};
	return 0;
}

uint64_t stats_field_value(const struct stats_field *field, uint64_t value)
{
	uint64_t product;

	if (field->multiply == field->divide)
		return value;
	if (!__builtin_mul_overflow(value, field->multiply, &product))
		return product / field->divide;
	/* What is so large loses nothing that matters when it is divided first. */
	return __builtin_mul_overflow(value / field->divide, field->multiply, &product) ? UINT64_MAX
											: product;
}

void stats_field_distribution(const struct stats_field *field, const uint64_t *buckets,
			      struct distribution *ret_distribution)
{
	struct distribution *distribution = ret_distribution;
	size_t i;

	*distribution = (struct distribution){.scale = field->scale,
					      .bucket_size = field->bucket_size};
	distribution->bucket_count = field->count < DISTRIBUTION_BUCKETS_MAX
					     ? (unsigned int)field->count
					     : DISTRIBUTION_BUCKETS_MAX;
	/* The last bucket has no upper end, so it can take what has no room. */
	for (i = 0; i < field->count; i++) {
		size_t bucket = i < distribution->bucket_count ? i : distribution->bucket_count - 1;

		distribution->buckets[bucket] += buckets[i];
		distribution->count += buckets[i];
	}
}
