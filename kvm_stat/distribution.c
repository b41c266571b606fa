/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/distribution.h"

#include <math.h>
#include <string.h>

void distribution_add(struct distribution *to, const struct distribution *from)
{
	unsigned int i;

	if (!to->count && !to->bucket_count) {
		*to = *from;
		return;
	}
	if (!from->count)
		return;
	if (!to->count) {
		to->min = from->min;
		to->max = from->max;
		to->has_extremes = from->has_extremes;
		to->has_moments = from->has_moments;
	}
	to->has_extremes &= from->has_extremes;
	to->has_moments &= from->has_moments;
	to->min = from->min < to->min ? from->min : to->min;
	to->max = from->max > to->max ? from->max : to->max;
	to->count += from->count;
	to->sum += from->sum;
	to->squares_low += from->squares_low;
	to->squares_high += from->squares_high + (to->squares_low < from->squares_low);
	for (i = 0; i < to->bucket_count && i < from->bucket_count; i++)
		to->buckets[i] += from->buckets[i];
}

/* Whether it is `before` and what came later. */
static bool goes_on(const struct distribution *now, const struct distribution *before)
{
	unsigned int i;

	for (i = 0; i < now->bucket_count; i++) {
		if (now->buckets[i] < before->buckets[i])
			return false;
	}
	return now->count >= before->count;
}

void distribution_subtract(struct distribution *now, const struct distribution *before)
{
	uint64_t low = now->squares_low;
	unsigned int i;

	if (!before->count)
		return;
	now->has_extremes = false;
	now->min = now->max = 0;
	if (!goes_on(now, before)) {
		now->count = now->sum = now->squares_low = now->squares_high = 0;
		memset(now->buckets, 0, sizeof(now->buckets));
		return;
	}
	now->count -= before->count;
	now->sum -= before->sum;
	now->squares_low -= before->squares_low;
	now->squares_high -= before->squares_high + (now->squares_low > low);
	for (i = 0; i < now->bucket_count; i++)
		now->buckets[i] -= before->buckets[i];
}

void distribution_bucket(const struct distribution *distribution, unsigned int bucket,
			 uint64_t *ret_low, uint64_t *ret_high)
{
	bool last = bucket + 1 >= distribution->bucket_count;

	if (distribution->scale == DISTRIBUTION_LINEAR) {
		*ret_low = distribution->bucket_size * bucket;
		*ret_high = last ? UINT64_MAX : *ret_low + distribution->bucket_size;
	} else {
		*ret_low = bucket ? UINT64_C(1) << (bucket - 1) : 0;
		*ret_high = last || bucket > 63 ? UINT64_MAX : UINT64_C(1) << bucket;
	}
}

double distribution_mean(const struct distribution *distribution)
{
	if (!distribution->count || !distribution->has_moments)
		return NAN;
	return (double)distribution->sum / (double)distribution->count;
}

double distribution_deviation(const struct distribution *distribution)
{
	double mean = distribution_mean(distribution), squares, variance;

	if (isnan(mean))
		return NAN;
	squares = ldexp((double)distribution->squares_high, 64) + (double)distribution->squares_low;
	variance = squares / (double)distribution->count - mean * mean;
	return variance > 0 ? sqrt(variance) : 0; /* rounding may leave less than nothing */
}

/* Where in a bucket the value is, supposing that its values are spread evenly. */
static double within_bucket(const struct distribution *distribution, unsigned int bucket,
			    double share)
{
	uint64_t low, high;

	distribution_bucket(distribution, bucket, &low, &high);
	if (distribution->has_extremes) {
		low = distribution->min > low ? distribution->min : low;
		/* The highest value itself belongs to the bucket. */
		high = distribution->max < high ? distribution->max : high;
	}
	if (high == UINT64_MAX)
		return (double)low;
	return (double)low + ((double)high - (double)low) * share;
}

double distribution_percentile(const struct distribution *distribution, double share)
{
	double wanted = share * (double)distribution->count, below = 0;
	unsigned int i, last = 0;

	if (!distribution->count)
		return NAN;
	for (i = 0; i < distribution->bucket_count; i++) {
		double here = (double)distribution->buckets[i];

		if (!distribution->buckets[i])
			continue;
		if (below + here >= wanted)
			return within_bucket(distribution, i, (wanted - below) / here);
		below += here;
		last = i;
	}
	return within_bucket(distribution, last, 1);
}
