/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rates the list shows, and in which order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/view.h"

/* Whether a rate is worth a line. */
static bool is_shown(const struct rate *rate)
{
	return rate->total || rate->delta;
}

/* Finds the shown rate that `child` belongs below. Rates are sorted by name. */
static const struct rate *find_parent(const struct rates *rates, const struct rate *child)
{
	size_t low = 0, high = rates->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(rates->rows[middle].name, child->parent) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < rates->count && strcmp(rates->rows[low].name, child->parent) == 0; low++) {
		const struct rate *rate = &rates->rows[low];

		if (!rate->parent && rate->guest == child->guest &&
		    rate->thread.tid == child->thread.tid)
			return is_shown(rate) ? rate : NULL;
	}
	return NULL;
}

/* Unlike kinds cannot be compared, so each has its own place, in this order. */
static int kind_rank(enum field_kind kind)
{
	return (int)kind;
}

/* Negative when `a` comes first. Both are of one array, whose order settles what is equal. */
static int compare_rates(const struct rate *a, const struct rate *b, enum view_sort sort)
{
	if (a->kind != b->kind)
		return kind_rank(a->kind) - kind_rank(b->kind);
	if (sort == VIEW_SORT_RATE && a->delta != b->delta)
		return a->delta > b->delta ? -1 : 1;
	if (a->total != b->total)
		return a->total > b->total ? -1 : 1;
	return (a > b) - (a < b);
}

static int compare_rows(const void *first, const void *second, void *data)
{
	const struct view_row *a = first, *b = second;
	const struct rate *a_top = a->parent ? a->parent : a->rate;
	const struct rate *b_top = b->parent ? b->parent : b->rate;
	enum view_sort sort = *(const enum view_sort *)data;

	if (a_top != b_top)
		return compare_rates(a_top, b_top, sort);
	if (!a->parent != !b->parent)
		return a->parent ? 1 : -1;
	return compare_rates(a->rate, b->rate, sort);
}

/* Empties the list and makes room. */
static int make_room(struct view_rows *rows, size_t count)
{
	struct view_row *grown;

	rows->count = 0;
	if (count <= rows->room)
		return 0;
	grown = reallocarray(rows->list, count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	rows->list = grown;
	rows->room = count;
	return 0;
}

int view_rows_update_exits(struct view_rows *rows, const struct exit_table *table)
{
	size_t i;

	if (make_room(rows, table->count) < 0)
		return -ENOMEM;
	for (i = 0; i < table->count; i++)
		rows->list[rows->count++] = (struct view_row){.rate = table->rows[i].rate,
							      .exit = &table->rows[i]};
	return 0;
}

int view_rows_update(struct view_rows *rows, const struct rates *rates, enum view_sort sort,
		     bool children)
{
	size_t i;

	if (make_room(rows, rates->count) < 0)
		return -ENOMEM;
	for (i = 0; i < rates->count; i++) {
		struct view_row row = {.rate = &rates->rows[i]};

		if (!is_shown(row.rate))
			continue;
		if (row.rate->parent)
			row.parent = find_parent(rates, row.rate);
		if (!row.parent || children)
			rows->list[rows->count++] = row;
	}
	if (rows->count)
		qsort_r(rows->list, rows->count, sizeof(*rows->list), compare_rows, &sort);
	return 0;
}

/* Whether both are one; a vCPU whose thread nobody knows is known by its number alone. */
static bool is_same_thread(const struct sample_thread *a, const struct sample_thread *b)
{
	return a->tid == b->tid && a->is_vcpu == b->is_vcpu && a->vcpu == b->vcpu;
}

size_t view_rows_find(const struct view_rows *rows, const char *name, const char *parent,
		      pid_t guest, const struct sample_thread *thread)
{
	static const struct sample_thread none;
	size_t i;

	for (i = 0; i < rows->count; i++) {
		const struct rate *rate = rows->list[i].rate;

		if (rate->guest == guest &&
		    is_same_thread(&rate->thread, thread ? thread : &none) &&
		    strcmp(rate->name, name) == 0 && !rate->parent == !parent &&
		    (!parent || strcmp(rate->parent, parent) == 0))
			return i;
	}
	return VIEW_NO_ROW;
}

void view_rows_done(struct view_rows *rows)
{
	free(rows->list);
	*rows = (struct view_rows){0};
}
