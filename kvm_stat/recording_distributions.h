/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The distributions of rows, and the shapes that they have in common: how they are written and read.
 */
#pragma once

#include "kvm_stat/recording_rows.h"

/* What distributions have in common. */
struct written_shape {
	enum distribution_scale scale;
	uint64_t bucket_size;
	unsigned int bucket_count;
	bool has_moments, has_extremes;
};

/* Shapes by their numbers in this segment, of which the first is 1. */
struct written_shapes {
	struct written_shape *list;
	uint32_t count;
};

/*
 * Writes the shapes that are new, and how the distributions of the rows of `now` have changed; `list`
 * has the numbers of these rows, and gets those of their shapes. Returns 0; -E2BIG: there are too
 * many shapes; or -ENOMEM.
 */
int recording_distributions_write(struct written_shapes *shapes, const struct written_rows *rows,
				  const struct sample *now, struct written_row *list,
				  FILE *stream) must_check;

/* Shapes that were read: empty distributions, of which the first has the number 1. */
struct recorded_shapes {
	struct distribution *list;
	size_t count;
};

/* Takes shapes. Returns 0, -ENOMEM, or -EBADMSG with *ret_why. */
int recording_distributions_take_shapes(struct recorded_shapes *shapes, struct json_object *list,
					const char **ret_why) must_check;

/* Takes how the distributions of rows have changed. Returns as above. */
int recording_distributions_take(const struct recorded_shapes *shapes, struct recorded_rows *rows,
				 struct json_object *list, const char **ret_why) must_check;
