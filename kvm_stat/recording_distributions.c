/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_distributions.h"

#include <stdlib.h>
#include <string.h>

#include "kvm_stat/recording_list.h"

/* Writing */

static struct written_shape shape_of(const struct distribution *distribution)
{
	return (struct written_shape){.scale = distribution->scale,
				      .bucket_size = distribution->bucket_size,
				      .bucket_count = distribution->bucket_count,
				      .has_moments = distribution->has_moments,
				      .has_extremes = distribution->has_extremes};
}

static bool is_same_shape(const struct written_shape *a, const struct written_shape *b)
{
	return a->scale == b->scale && a->bucket_size == b->bucket_size &&
	       a->bucket_count == b->bucket_count && a->has_moments == b->has_moments &&
	       a->has_extremes == b->has_extremes;
}

/* Shape 0 is that of no distribution. */
static int find_shape(struct written_shapes *shapes, const struct distribution *distribution,
		      uint32_t *ret_shape)
{
	struct written_shape wanted, *grown;
	uint32_t i;

	*ret_shape = 0;
	if (!distribution)
		return 0;
	wanted = shape_of(distribution);
	for (i = 0; i < shapes->count; i++) {
		if (is_same_shape(&shapes->list[i], &wanted))
			break;
	}
	if (i == shapes->count) {
		if (i == RECORDING_SHAPES_MAX)
			return -E2BIG;
		grown = reallocarray(shapes->list, i + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		shapes->list = grown;
		grown[shapes->count++] = wanted;
	}
	*ret_shape = i + 1;
	return 0;
}

static void write_shapes(const struct written_shapes *shapes, uint32_t first, FILE *stream)
{
	struct recording_list list = {.stream = stream, .key = RECORDING_SHAPES};

	for (; first < shapes->count; first++) {
		const struct written_shape *shape = &shapes->list[first];

		recording_list_begin(&list, 5);
		recording_list_put(&list, shape->scale == DISTRIBUTION_LINEAR);
		recording_list_put(&list, (int64_t)shape->bucket_size);
		recording_list_put(&list, shape->bucket_count);
		recording_list_put(&list, shape->has_moments);
		recording_list_put(&list, shape->has_extremes);
	}
	recording_list_end(&list);
}

/* Shapes are known only when all distributions were looked at, but stand before them. */
static int write_shapes_first(struct written_shapes *shapes, const struct sample *now, FILE *stream)
{
	uint32_t first = shapes->count, ignored;
	size_t i;
	int r = 0;

	for (i = 0; i < now->count && r == 0; i++)
		r = find_shape(shapes, sample_distribution(now, &now->rows[i]), &ignored);
	write_shapes(shapes, first, stream);
	return r;
}

static bool is_same_distribution(const struct distribution *a, const struct distribution *b)
{
	return a->count == b->count && a->sum == b->sum && a->squares_low == b->squares_low &&
	       a->squares_high == b->squares_high && a->min == b->min && a->max == b->max &&
	       memcmp(a->buckets, b->buckets, a->bucket_count * sizeof(*a->buckets)) == 0;
}

static void write_distribution(struct recording_list *list, uint32_t id, uint32_t shape,
			       const struct distribution *now, const struct distribution *before)
{
	unsigned int i, changed = 0, last = 0;

	for (i = 0; now && i < now->bucket_count; i++)
		changed += now->buckets[i] != before->buckets[i];
	recording_list_begin(list, 9 + 2 * (size_t)changed);
	recording_list_put_id(list, id);
	recording_list_put(list, shape);
	if (!now)
		return;
	recording_list_put(list, changed);
	for (i = 0; i < now->bucket_count; i++) {
		if (now->buckets[i] == before->buckets[i])
			continue;
		recording_list_put(list, i - last);
		recording_list_put_change(list, now->buckets[i], before->buckets[i]);
		last = i;
	}
	if (now->has_moments) {
		recording_list_put_change(list, now->sum, before->sum);
		recording_list_put_change(list, now->squares_low, before->squares_low);
		recording_list_put_change(list, now->squares_high, before->squares_high);
	}
	if (now->has_extremes) {
		recording_list_put_change(list, now->min, before->min);
		recording_list_put_change(list, now->max, before->max);
	}
}

static uint64_t halfway(uint64_t now, uint64_t before, bool *is_end)
{
	int64_t change = (int64_t)(now - before);

	*is_end |= change == INT64_MAX || change == INT64_MIN;
	return before + (uint64_t)(change / 2);
}

/*
 * Half of a change that has one of the two ends of 64 bits, which are what readers of JSON make of
 * numbers beyond them. Returns false when it has none.
 */
static bool find_halfway(const struct distribution *now, const struct distribution *before,
			 struct distribution *ret_halfway)
{
	bool is_end = false;
	unsigned int i;

	*ret_halfway = *now;
	for (i = 0; i < now->bucket_count; i++)
		ret_halfway->buckets[i] = halfway(now->buckets[i], before->buckets[i], &is_end);
	ret_halfway->sum = halfway(now->sum, before->sum, &is_end);
	ret_halfway->squares_low = halfway(now->squares_low, before->squares_low, &is_end);
	ret_halfway->squares_high = halfway(now->squares_high, before->squares_high, &is_end);
	ret_halfway->min = halfway(now->min, before->min, &is_end);
	ret_halfway->max = halfway(now->max, before->max, &is_end);
	return is_end;
}

int recording_distributions_write(struct written_shapes *shapes, const struct written_rows *rows,
				  const struct sample *now, struct written_row *list, FILE *stream)
{
	static const struct distribution nothing;
	struct recording_list out = {.stream = stream, .key = RECORDING_DISTRIBUTIONS};
	size_t i, old = 0;
	int r = write_shapes_first(shapes, now, stream);

	for (i = 0; i < now->count && r == 0; i++) {
		const struct sample_row *row = &now->rows[i];
		const struct sample_row *row_before = recording_rows_find_before(rows, row, &old);
		const struct distribution *distribution = sample_distribution(now, row);
		const struct distribution *before =
			row_before ? sample_distribution(&rows->before, row_before) : NULL;
		struct distribution half;
		uint32_t shape, known = list[i].shape == RECORDING_NO_ROW ? 0 : list[i].shape;

		r = find_shape(shapes, distribution, &shape);
		list[i].shape = shape;
		if (r < 0 || (!shape && !known))
			continue;
		if (shape == known && before && is_same_distribution(distribution, before))
			continue;
		if (shape != known || !before)
			before = &nothing;
		if (distribution && find_halfway(distribution, before, &half)) {
			write_distribution(&out, list[i].id, shape, &half, before);
			before = &half;
		}
		write_distribution(&out, list[i].id, shape, distribution, before);
	}
	recording_list_end(&out);
	return r;
}

/* Reading */

int recording_distributions_take_shapes(struct recorded_shapes *shapes, struct json_object *list,
					const char **ret_why)
{
	struct recording_numbers numbers = recording_list_read(list);

	while (recording_list_has_more(&numbers)) {
		struct distribution shape = {.scale = recording_list_next(&numbers, 0, 1)
							      ? DISTRIBUTION_LINEAR
							      : DISTRIBUTION_LOG2,
					     .bucket_size = recording_list_next_change(&numbers)};
		struct distribution *grown = recording_list_grow(shapes->list, shapes->count,
								 sizeof(*grown));

		shape.bucket_count = (unsigned int)recording_list_next(&numbers, 1,
								       DISTRIBUTION_BUCKETS_MAX);
		shape.has_moments = recording_list_next(&numbers, 0, 1);
		shape.has_extremes = recording_list_next(&numbers, 0, 1);
		if (!grown)
			return -ENOMEM;
		shapes->list = grown;
		if (numbers.failed || shapes->count == RECORDING_SHAPES_MAX)
			return recording_damage(ret_why, "a shape is none, or one too many");
		grown[shapes->count++] = shape;
	}
	return numbers.failed ? recording_damage(ret_why, "a shape is none") : 0;
}

/* Gives a row an empty distribution of another shape. */
static int set_shape(const struct recorded_shapes *shapes, struct recorded_row *row, uint32_t shape)
{
	row->shape = shape;
	if (!shape) {
		free(take_ptr(row->distribution));
		return 0;
	}
	if (!row->distribution)
		row->distribution = malloc(sizeof(*row->distribution));
	if (!row->distribution)
		return -ENOMEM;
	*row->distribution = shapes->list[shape - 1];
	if (row->name->kind != FIELD_HISTOGRAM)
		row->name->timed = true;
	return 0;
}

static void change_distribution(struct recording_numbers *numbers,
				struct distribution *distribution)
{
	int64_t i, changed = recording_list_next(numbers, 0, distribution->bucket_count);
	int64_t bucket = 0;

	for (i = 0; i < changed; i++) {
		uint64_t change;

		bucket += recording_list_next(numbers, 0, DISTRIBUTION_BUCKETS_MAX);
		change = recording_list_next_change(numbers);
		if (bucket >= distribution->bucket_count)
			numbers->failed = true;
		if (numbers->failed)
			return;
		distribution->buckets[bucket] += change;
		distribution->count += change;
	}
	if (distribution->has_moments) {
		distribution->sum += recording_list_next_change(numbers);
		distribution->squares_low += recording_list_next_change(numbers);
		distribution->squares_high += recording_list_next_change(numbers);
	}
	if (distribution->has_extremes) {
		distribution->min += recording_list_next_change(numbers);
		distribution->max += recording_list_next_change(numbers);
	}
}

int recording_distributions_take(const struct recorded_shapes *shapes, struct recorded_rows *rows,
				 struct json_object *list, const char **ret_why)
{
	struct recording_numbers numbers = recording_list_read(list);

	while (recording_list_has_more(&numbers)) {
		size_t id = recording_list_next_id(&numbers, rows->count);
		uint32_t shape = (uint32_t)recording_list_next(&numbers, 0, (int64_t)shapes->count);
		struct recorded_row *row;
		int r = 0;

		if (numbers.failed)
			break;
		row = &rows->list[id];
		if (row->gone)
			return recording_damage(ret_why, "a row that is gone has values");
		if (row->shape != shape)
			r = set_shape(shapes, row, shape);
		if (r < 0)
			return r;
		if (shape)
			change_distribution(&numbers, row->distribution);
	}
	return numbers.failed ? recording_damage(ret_why, "a distribution is none") : 0;
}
