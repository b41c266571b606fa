/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <math.h>
#include <stdlib.h>

#include "kvm_stat/distribution.h"

static void put(struct distribution *distribution, uint64_t value)
{
	unsigned __int128 squares = (unsigned __int128)value * value;
	struct distribution one = {.scale = DISTRIBUTION_LOG2,
				   .bucket_count = 40,
				   .count = 1,
				   .has_moments = true,
				   .sum = value,
				   .squares_low = (uint64_t)squares,
				   .squares_high = (uint64_t)(squares >> 64),
				   .has_extremes = true,
				   .min = value,
				   .max = value};
	unsigned int bucket = 0;

	while (bucket < 39 && value >> bucket)
		bucket++;
	one.buckets[bucket] = 1;
	distribution_add(distribution, &one);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

#define VALUES 1000

/* Against sums that are worked out from the values themselves. */
static void test_moments(void **state)
{
	static const uint64_t scales[] = {1, 1000, 5000000000};
	size_t scale, i;

	(void)state;
	for (scale = 0; scale < sizeof(scales) / sizeof(*scales); scale++) {
		struct distribution distribution = {0};
		uint64_t values[VALUES];
		long double mean = 0, variance = 0;

		for (i = 0; i < VALUES; i++) {
			values[i] = (i * i + 17) % 997 * scales[scale];
			mean += (long double)values[i] / VALUES;
			put(&distribution, values[i]);
		}
		for (i = 0; i < VALUES; i++)
			variance += ((long double)values[i] - mean) *
				    ((long double)values[i] - mean) / VALUES;
		qsort(values, VALUES, sizeof(*values), compare);
		assert_int_equal(distribution.count, VALUES);
		assert_int_equal(distribution.min, values[0]);
		assert_int_equal(distribution.max, values[VALUES - 1]);
		assert_true(fabsl(distribution_mean(&distribution) - mean) < 1e-6L * mean);
		assert_true(fabsl(distribution_deviation(&distribution) - sqrtl(variance)) <
			    1e-6L * mean);
		/* A bucket is as wide as what lies below it. */
		for (i = 1; i < 100; i++) {
			double found = distribution_percentile(&distribution, (double)i / 100);
			size_t place = i * VALUES / 100;
			double truth = (double)values[place];

			assert_true(found <= truth * 2 + 1 && found >= truth / 2 - 1);
		}
		assert_true(distribution_percentile(&distribution, 1) ==
			    (double)values[VALUES - 1]);
	}
}

/* An interval is what was added since, of which only the extremes cannot be known. */
static void test_interval(void **state)
{
	struct distribution all = {0}, before, later = {0};
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++)
		put(&all, i * UINT64_C(3000000000));
	before = all;
	for (i = 0; i < 50; i++) {
		put(&all, i * UINT64_C(7000000001));
		put(&later, i * UINT64_C(7000000001));
	}
	distribution_subtract(&all, &before);
	assert_int_equal(all.count, later.count);
	assert_int_equal(all.sum, later.sum);
	assert_int_equal(all.squares_low, later.squares_low);
	assert_int_equal(all.squares_high, later.squares_high);
	assert_memory_equal(all.buckets, later.buckets, sizeof(all.buckets));
	assert_false(all.has_extremes);

	before = later;
	distribution_subtract(&before, &(struct distribution){0});
	assert_true(before.has_extremes);

	/* What fell is no distribution of very many. */
	put(&later, UINT64_C(7000000001));
	distribution_subtract(&before, &later);
	assert_int_equal(before.count, 0);
	assert_int_equal(before.sum, 0);
	for (i = 0; i < DISTRIBUTION_BUCKETS_MAX; i++)
		assert_int_equal(before.buckets[i], 0);
}

static void test_buckets(void **state)
{
	static const struct {
		struct distribution distribution;
		unsigned int bucket;
		uint64_t low, high;
	} rows[] = {
		{{.scale = DISTRIBUTION_LOG2, .bucket_count = 40}, 0, 0, 1},
		{{.scale = DISTRIBUTION_LOG2, .bucket_count = 40}, 1, 1, 2},
		{{.scale = DISTRIBUTION_LOG2, .bucket_count = 40}, 11, 1024, 2048},
		{{.scale = DISTRIBUTION_LOG2, .bucket_count = 40},
		 39,
		 UINT64_C(1) << 38,
		 UINT64_MAX},
		{{.scale = DISTRIBUTION_LOG2, .bucket_count = 64},
		 63,
		 UINT64_C(1) << 62,
		 UINT64_MAX},
		{{.scale = DISTRIBUTION_LINEAR, .bucket_size = 10, .bucket_count = 5}, 0, 0, 10},
		{{.scale = DISTRIBUTION_LINEAR, .bucket_size = 10, .bucket_count = 5}, 3, 30, 40},
		{{.scale = DISTRIBUTION_LINEAR, .bucket_size = 10, .bucket_count = 5},
		 4,
		 40,
		 UINT64_MAX},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t low, high;

		distribution_bucket(&rows[i].distribution, rows[i].bucket, &low, &high);
		assert_int_equal(low, rows[i].low);
		assert_int_equal(high, rows[i].high);
	}
}

/* Nothing is not zero. */
static void test_nothing(void **state)
{
	struct distribution none = {.bucket_count = 40};
	struct distribution histogram = {.bucket_count = 40, .count = 2, .buckets = {0, 0, 2}};

	(void)state;
	assert_true(isnan(distribution_mean(&none)));
	assert_true(isnan(distribution_deviation(&none)));
	assert_true(isnan(distribution_percentile(&none, 0.5)));
	assert_true(isnan(distribution_mean(&histogram)));
	assert_true(distribution_percentile(&histogram, 0.5) == 3);
	histogram.buckets[2] = 0;
	histogram.buckets[39] = 2;
	assert_true(distribution_percentile(&histogram, 0.5) == ldexp(1, 38));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
