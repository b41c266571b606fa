/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "host/cleanup.h"
#include "kvm_stat/stats_block.h"
#include "tests/unit/made_stats.h"

/* One of each kind, out of order as the kernel's may be. */
static void make(struct made_stats *made)
{
	static const struct made_descriptor all[] = {
		{MADE_CUMULATIVE, 0, 1, 8, 0, "exits"},
		{MADE_INSTANT | MADE_BOOLEAN, 0, 1, 0, 0, "blocking"},
		{MADE_CUMULATIVE | MADE_SECONDS, -9, 1, 16, 0, "wait_ns"},
		{MADE_LOG | MADE_SECONDS, -9, 32, 32, 0, "wait_hist"},
		{MADE_PEAK, 0, 1, 24, 0, "max_depth"},
		{MADE_LINEAR | MADE_BYTES | MADE_BASE_2, 10, 4, 288, 4, "sizes"},
		{MADE_CUMULATIVE | MADE_SECONDS, -3, 1, 320, 0, "wait_ms"},
		{MADE_CUMULATIVE | MADE_CYCLES, 6, 1, 328, 0, "cycles"},
	};

	made_start(made, array_size(all), "kvm-17/vcpu-3");
	memcpy(made->descriptors, all, sizeof(all));
}

static int parse(const struct made_stats *made, struct stats_layout **ret_layout)
{
	return stats_layout_parse(made, sizeof(*made), ret_layout);
}

static const struct stats_field *find(const struct stats_layout *layout, const char *name)
{
	size_t i;

	for (i = 0; i < layout->field_count; i++) {
		if (strcmp(layout->fields[i].name, name) == 0)
			return &layout->fields[i];
	}
	fail_msg("no field %s", name);
	return NULL;
}

static void test_kinds_and_units(void **state)
{
	static const struct {
		const char *name;
		enum field_kind kind;
		enum field_unit unit;
		size_t first, count;
	} expected[] = {
		{"blocking", FIELD_GAUGE, UNIT_BOOLEAN, 0, 1},
		{"exits", FIELD_EVENTS, UNIT_NONE, 1, 1},
		{"wait_ns", FIELD_TIME, UNIT_NANOSECONDS, 2, 1},
		{"max_depth", FIELD_PEAK, UNIT_NONE, 3, 1},
		{"wait_hist", FIELD_HISTOGRAM, UNIT_NANOSECONDS, 4, 32},
		{"sizes", FIELD_HISTOGRAM, UNIT_BYTES, 36, 4},
		{"wait_ms", FIELD_TIME, UNIT_NANOSECONDS, 40, 1},
		{"cycles", FIELD_EVENTS, UNIT_CYCLES, 41, 1},
	};
	struct stats_layout *layout;
	struct made_stats made;
	size_t i;

	(void)state;
	make(&made);
	assert_int_equal(parse(&made, &layout), 0);
	assert_int_equal(layout->field_count, array_size(expected));
	for (i = 0; i < array_size(expected); i++) {
		const struct stats_field *field = &layout->fields[i];

		assert_row(strcmp(field->name, expected[i].name) == 0, expected[i].name);
		assert_row(field->kind == expected[i].kind, expected[i].name);
		assert_row(field->unit == expected[i].unit, expected[i].name);
		assert_row(field->first == expected[i].first, expected[i].name);
		assert_row(field->count == expected[i].count, expected[i].name);
	}
	assert_int_equal(layout->value_count, 42);
	assert_int_equal(layout->data_offset, offsetof(struct made_stats, values));
	/* What counts up, without the states between. */
	assert_int_equal(layout->range_count, 2);
	assert_int_equal(layout->ranges[0].first, 1);
	assert_int_equal(layout->ranges[0].end, 3);
	assert_int_equal(layout->ranges[1].first, 4);
	assert_int_equal(layout->ranges[1].end, 42);
	assert_int_equal(layout->state_count, 2);
	stats_layout_free(layout);
}

static void test_scales(void **state)
{
	static const struct {
		const char *name;
		uint64_t value, expected;
	} rows[] = {
		{"exits", 7, 7},
		{"wait_ns", UINT64_MAX, UINT64_MAX},
		{"wait_ms", 2, 2000000},
		{"wait_ms", UINT64_MAX / 1000000, UINT64_MAX / 1000000 * 1000000},
		{"wait_ms", UINT64_MAX / 1000000 + 1, UINT64_MAX},
		{"cycles", 3, 3000000},
		{"sizes", 5, 5120},
	};
	struct stats_layout *layout;
	struct made_stats made;
	size_t i;

	(void)state;
	make(&made);
	assert_int_equal(parse(&made, &layout), 0);
	for (i = 0; i < array_size(rows); i++)
		assert_row(stats_field_value(find(layout, rows[i].name), rows[i].value) ==
				   rows[i].expected,
			   rows[i].name);
	stats_layout_free(layout);
}

/* Finer than nanoseconds, and fractions of two. */
static void test_fine_scales(void **state)
{
	struct stats_layout *layout;
	struct made_stats made;

	(void)state;
	made_start(&made, 2, "kvm-1");
	made.descriptors[0] =
		(struct made_descriptor){MADE_CUMULATIVE | MADE_SECONDS, -12, 1, 0, 0, "ps"};
	made.descriptors[1] = (struct made_descriptor){
		MADE_CUMULATIVE | MADE_SECONDS | MADE_BASE_2, -30, 1, 8, 0, "binary"};
	assert_int_equal(parse(&made, &layout), 0);
	assert_int_equal(stats_field_value(find(layout, "ps"), 2500), 2);
	assert_int_equal(stats_field_value(find(layout, "ps"), UINT64_MAX), UINT64_MAX / 1000);
	assert_int_equal(stats_field_value(find(layout, "binary"), 1U << 30), 1000000000);
	/* More than fits on the way is divided first. */
	assert_true(stats_field_value(find(layout, "binary"), UINT64_C(1) << 60) ==
		    UINT64_C(1000000000) << 30);
	stats_layout_free(layout);
}

static void test_histograms(void **state)
{
	struct distribution distribution;
	struct stats_layout *layout;
	struct made_stats made;
	uint64_t low, high;

	(void)state;
	make(&made);
	made.values[4] = 1;
	made.values[4 + 10] = 20;
	made.values[4 + 31] = 300;
	made.values[36 + 1] = 4;
	assert_int_equal(parse(&made, &layout), 0);
	stats_field_distribution(find(layout, "wait_hist"), &made.values[4], &distribution);
	assert_int_equal(distribution.scale, DISTRIBUTION_LOG2);
	assert_int_equal(distribution.bucket_count, 32);
	assert_int_equal(distribution.count, 321);
	assert_int_equal(distribution.buckets[10], 20);
	assert_false(distribution.has_moments);
	distribution_bucket(&distribution, 10, &low, &high);
	assert_int_equal(low, 512);
	assert_int_equal(high, 1024);
	stats_field_distribution(find(layout, "sizes"), &made.values[36], &distribution);
	assert_int_equal(distribution.scale, DISTRIBUTION_LINEAR);
	assert_int_equal(distribution.count, 4);
	distribution_bucket(&distribution, 1, &low, &high);
	assert_int_equal(low, 4096); /* buckets of 4 KiB */
	assert_int_equal(high, 8192);
	stats_layout_free(layout);
}

/* More buckets than there is room for: the last one takes the rest. */
static void test_long_histogram(void **state)
{
	struct distribution distribution;
	struct stats_layout *layout;
	struct made_stats made;

	(void)state;
	made_start(&made, 1, "kvm-1");
	made.descriptors[0] = (struct made_descriptor){MADE_LINEAR, 0, 80, 0, 10, "long"};
	made.values[62] = 1;
	made.values[63] = 2;
	made.values[79] = 4;
	assert_int_equal(parse(&made, &layout), 0);
	stats_field_distribution(&layout->fields[0], made.values, &distribution);
	assert_int_equal(distribution.bucket_count, DISTRIBUTION_BUCKETS_MAX);
	assert_int_equal(distribution.buckets[62], 1);
	assert_int_equal(distribution.buckets[63], 6);
	assert_int_equal(distribution.count, 7);
	stats_layout_free(layout);
}

/* The powers of two of another unit are not those of nanoseconds. */
static void test_log_histogram_of_other_unit(void **state)
{
	struct stats_layout *layout;
	struct made_stats made;

	(void)state;
	made_start(&made, 1, "kvm-1");
	made.descriptors[0] =
		(struct made_descriptor){MADE_LOG | MADE_SECONDS, -6, 4, 0, 0, "in_us"};
	assert_int_equal(parse(&made, &layout), 0);
	assert_int_equal(layout->fields[0].unit, UNIT_NONE);
	stats_layout_free(layout);
}

/* Kernels to come: what is not known is left out, and the rest is read. */
static void test_unknown_types(void **state)
{
	struct stats_layout *layout;
	struct made_stats made;

	(void)state;
	make(&made);
	made.descriptors[0].flags = 9;        /* a type */
	made.descriptors[1].size = 2;         /* a gauge of two values */
	made.descriptors[2].flags |= 3 << 8;  /* a base */
	made.descriptors[4].flags |= 15 << 4; /* a unit: the number is one all the same */
	made.header.flags = 1;
	assert_int_equal(parse(&made, &layout), 0);
	assert_int_equal(layout->field_count, 5);
	assert_int_equal(find(layout, "max_depth")->unit, UNIT_NONE);
	stats_layout_free(layout);
}

static void test_nothing_in_it(void **state)
{
	struct stats_layout *layout;
	struct made_stats made;

	(void)state;
	made_start(&made, 0, "kvm-1");
	assert_int_equal(parse(&made, &layout), 0);
	assert_int_equal(layout->field_count, 0);
	assert_int_equal(layout->value_count, 0);
	stats_layout_free(layout);
}

/* One change each that makes a good file one that cannot be. */
static void test_refused(void **state)
{
	static const struct {
		const char *what;
		size_t offset, size;
		uint64_t value;
	} rows[] = {
#define HEADER(member, value)                                                                      \
	"header " #member " " #value, offsetof(struct made_stats, header.member), 4, value
#define DESCRIPTOR(n, member, value)                                                               \
	"descriptor " #n " " #member " " #value,                                                   \
		offsetof(struct made_stats, descriptors[n].member),                                \
		sizeof(((struct made_descriptor *)NULL)->member), value
#define CHARACTER(n, at, value)                                                                    \
	"name " #n " " #value, offsetof(struct made_stats, descriptors[n].name[at]), 1, value
		{HEADER(name_size, 0)},
		{HEADER(name_size, 2000)},
		{HEADER(name_size, UINT32_MAX)},
		{HEADER(count, 5000)},
		{HEADER(count, UINT32_MAX)},
		{HEADER(id_offset, 0)},  /* within the header */
		{HEADER(id_offset, 23)}, /* its last byte */
		{HEADER(id_offset, 60)}, /* within the descriptors */
		{HEADER(id_offset, UINT32_MAX)},
		{HEADER(descriptors_offset, 8)},
		{HEADER(descriptors_offset, 47)}, /* the id's last byte */
		{HEADER(descriptors_offset, sizeof(struct made_stats) - 8)},
		{HEADER(descriptors_offset, UINT32_MAX)},
		{HEADER(data_offset, 0)},
		{HEADER(data_offset, 300)},
		{HEADER(data_offset, sizeof(struct made_stats) - 41 * 8)}, /* 42 values */
		{HEADER(data_offset, UINT32_MAX)},
		{DESCRIPTOR(0, offset, 4)},           /* half a value */
		{DESCRIPTOR(0, offset, 16)},          /* that of wait_ns */
		{DESCRIPTOR(0, offset, 32 + 8 * 31)}, /* the last bucket of wait_hist */
		{DESCRIPTOR(0, offset, MADE_VALUES * 8)},
		{DESCRIPTOR(0, offset, 0xfffffff8)},
		{DESCRIPTOR(0, size, 0)},
		{DESCRIPTOR(0, exponent, 20)},
		{DESCRIPTOR(0, exponent, (uint64_t)INT16_MIN)},
		{DESCRIPTOR(2, exponent, 11)}, /* 20 with the nine of nanoseconds */
		{DESCRIPTOR(3, size, 33)},     /* a bucket that is of sizes */
		{DESCRIPTOR(3, size, UINT16_MAX)},
		{DESCRIPTOR(5, bucket_size, 0)},
		{DESCRIPTOR(5, exponent, 64)},
		{CHARACTER(0, 0, 0)}, /* no name */
		{CHARACTER(0, 1, ' ')},
		{CHARACTER(0, 1, '\n')},
		{CHARACTER(0, 1, 0x1b)},
		{CHARACTER(0, 1, '/')},
		{CHARACTER(0, 1, 0xc3)},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct stats_layout *layout = NULL;
		struct made_stats made;

		make(&made);
		memcpy((char *)&made + rows[i].offset, &rows[i].value, rows[i].size);
		assert_row(parse(&made, &layout) == -EBADMSG, rows[i].what);
		assert_row(!layout, rows[i].what);
	}
}

static void test_refused_names(void **state)
{
	struct stats_layout *layout;
	struct made_stats made;

	(void)state;
	make(&made);
	strcpy(made.descriptors[1].name, "exits"); /* twice */
	assert_int_equal(parse(&made, &layout), -EBADMSG);
	make(&made);
	memset(made.descriptors[0].name, 'a', MADE_NAME_SIZE); /* without an end */
	assert_int_equal(parse(&made, &layout), -EBADMSG);
}

/* Cut off anywhere, the file is refused; behind its last value nothing is needed. */
static void test_short(void **state)
{
	struct made_stats made;
	size_t needed = offsetof(struct made_stats, values[42]), length;

	(void)state;
	make(&made);
	for (length = 0; length <= sizeof(made); length++) {
		cleanup_free char *exact = malloc(length ? length : 1);
		struct stats_layout *layout = NULL;
		int r;

		memcpy(exact, &made, length);
		r = stats_layout_parse(exact, length, &layout);
		assert_int_equal(r, length < needed ? -EBADMSG : 0);
		stats_layout_free(layout);
	}
}

static void test_too_long(void **state)
{
	cleanup_free char *block = calloc(1, STATS_BLOCK_MAX + 1);
	struct stats_layout *layout;
	struct made_stats made;

	(void)state;
	make(&made);
	memcpy(block, &made, sizeof(made));
	assert_int_equal(stats_layout_parse(block, STATS_BLOCK_MAX + 1, &layout), -EBADMSG);
	assert_int_equal(stats_layout_parse(block, STATS_BLOCK_MAX, &layout), 0);
	stats_layout_free(layout);
}

/* Values and id differ from file to file; anything else is another layout. */
static void test_matches(void **state)
{
	struct stats_layout *layout;
	struct made_stats made;

	(void)state;
	make(&made);
	assert_int_equal(parse(&made, &layout), 0);
	made.values[1] = 99;
	strcpy(made.id, "kvm-18/vcpu-4");
	assert_true(stats_layout_matches(layout, &made, sizeof(made)));
	assert_false(stats_layout_matches(layout, &made, sizeof(made.header) - 1));
	assert_false(stats_layout_matches(layout, &made, offsetof(struct made_stats, values[41])));
	made.descriptors[7].flags ^= 1;
	assert_false(stats_layout_matches(layout, &made, sizeof(made)));
	make(&made);
	made.header.data_offset += 8;
	assert_false(stats_layout_matches(layout, &made, sizeof(made)));
	stats_layout_free(layout);
}

static void test_ids(void **state)
{
	static const struct {
		const char *text;
		int result;
		struct stats_id id;
	} rows[] = {
		{"kvm-17", 0, {17, false, 0}},
		{"kvm-17/vcpu-3", 0, {17, true, 3}},
		{"kvm-2147483647/vcpu-0", 0, {INT32_MAX, true, 0}},
		{"kvm-1/vcpu-4294967295", 0, {1, true, UINT32_MAX}},
		{"kvm-2147483648", -EBADMSG, {0}},
		{"kvm-1/vcpu-4294967296", -EBADMSG, {0}},
		{"", -EBADMSG, {0}},
		{"kvm-", -EBADMSG, {0}},
		{"kvm--1", -EBADMSG, {0}},
		{"kvm-1/", -EBADMSG, {0}},
		{"kvm-1/vcpu-", -EBADMSG, {0}},
		{"kvm-1/vcpu-2/3", -EBADMSG, {0}},
		{"kvm-/vcpu-1", -EBADMSG, {0}},
		{"kvm-1 ", -EBADMSG, {0}},
		{"xen-1", -EBADMSG, {0}},
	};
	struct stats_layout *layout;
	struct made_stats made;
	struct stats_id id;
	size_t i;

	(void)state;
	make(&made);
	assert_int_equal(parse(&made, &layout), 0);
	for (i = 0; i < array_size(rows); i++) {
		memset(made.id, 0, sizeof(made.id));
		strcpy(made.id, rows[i].text);
		assert_row(stats_layout_id(layout, &made, sizeof(made), &id) == rows[i].result,
			   rows[i].text);
		if (rows[i].result < 0)
			continue;
		assert_row(id.tid == rows[i].id.tid && id.is_vcpu == rows[i].id.is_vcpu &&
				   id.vcpu == rows[i].id.vcpu,
			   rows[i].text);
	}
	memset(made.id, '1', sizeof(made.id)); /* without an end */
	memcpy(made.id, "kvm-", 4);
	assert_int_equal(stats_layout_id(layout, &made, sizeof(made), &id), -EBADMSG);
	stats_layout_free(layout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_and_units),
		cmocka_unit_test(test_scales),
		cmocka_unit_test(test_fine_scales),
		cmocka_unit_test(test_histograms),
		cmocka_unit_test(test_long_histogram),
		cmocka_unit_test(test_log_histogram_of_other_unit),
		cmocka_unit_test(test_unknown_types),
		cmocka_unit_test(test_nothing_in_it),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_names),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
