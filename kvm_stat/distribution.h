/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How values are spread: a histogram, and where the source counts them the sum, the extremes and
 * the sum of squares. The buckets are those of the kernel's binary statistics (Documentation/virt/
 * kvm/api.rst, KVM_GET_STATS_FD).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISTRIBUTION_BUCKETS_MAX 64

struct distribution {
	enum distribution_scale {
		DISTRIBUTION_LOG2,   /* bucket 0 is [0, 1), n is [2^(n-1), 2^n) */
		DISTRIBUTION_LINEAR, /* bucket n is [n, n+1) * bucket_size */
	} scale;
	uint64_t bucket_size;      /* linear only */
	unsigned int bucket_count; /* the last one has no upper end */
	uint64_t buckets[DISTRIBUTION_BUCKETS_MAX];
	uint64_t count; /* of values: the sum of the buckets */
	/* Without the following, `has_moments` is false. */
	bool has_moments;
	uint64_t sum;
	uint64_t squares_low, squares_high; /* 128 bits: sum of squares */
	bool has_extremes;                  /* those of an interval cannot be told */
	uint64_t min, max;
};

/* Adds the values of `from` to `to`, which has the same buckets or none yet. */
void distribution_add(struct distribution *to, const struct distribution *from);

/*
 * Takes away the values that `before` counted. The extremes are lost unless that was nothing. Nothing
 * is left where `before` has some that are not there, as with a row whose value fell.
 */
void distribution_subtract(struct distribution *now, const struct distribution *before);

/* The bounds of a bucket: [*ret_low, *ret_high); UINT64_MAX where there is no upper end. */
void distribution_bucket(const struct distribution *distribution, unsigned int bucket,
			 uint64_t *ret_low, uint64_t *ret_high);

/* The mean, or NAN without values or moments. */
double distribution_mean(const struct distribution *distribution);

/* The standard deviation of the values as a whole population, or NAN as above. */
double distribution_deviation(const struct distribution *distribution);

/*
 * The value that `share` (0 to 1) of all are below: as near as buckets tell, in the last one its
 * lower end unless the maximum is known. NAN without values.
 */
double distribution_percentile(const struct distribution *distribution, double share);
