/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A view model with the memory behind it, and its screen as text. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/view.h"
#include "tests/unit/unit.h"

/* A model with the memory behind it. */
struct fixture {
	struct rates rates;
	struct guests guests;
	struct view_rows rows;
	struct exit_table exits;
	struct history history;
	struct view_model model;
	struct view_spans spans;
};

static inline void fixture_set(struct fixture *f, struct rate *rows, size_t count,
			       enum view_sort sort, bool children)
{
	f->rates.rows = rows;
	f->rates.count = count;
	f->model.rates = &f->rates;
	f->model.rows = &f->rows;
	f->model.guests = &f->guests;
	f->model.exits = &f->exits;
	f->model.history = &f->history;
	f->model.sort = sort;
	assert_int_equal(exit_table_update(&f->exits, &f->rates, EXIT_TOTAL), 0);
	if (f->model.kind == VIEW_EXITS)
		assert_int_equal(view_rows_update_exits(&f->rows, &f->exits), 0);
	else
		assert_int_equal(view_rows_update(&f->rows, &f->rates, sort, children), 0);
}

static inline struct fixture fixture_new(struct rate *rows, size_t count)
{
	struct fixture f = {.model.selected = VIEW_NO_ROW, .model.utf8 = true};

	f.rates.seconds = 1;
	f.model.rates = &f.rates;
	f.rates.rows = rows;
	f.rates.count = count;
	return f;
}

static inline void fixture_done(struct fixture *f)
{
	view_rows_done(&f->rows);
	exit_table_done(&f->exits);
	history_clear(&f->history);
	view_spans_done(&f->spans);
}

/* The screen as lines of text; only for spans of one column for each byte but the marker. */
static inline char *render(const struct view_spans *spans)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);
	int row;

	assert_non_null(f);
	for (row = 0; row < spans->height; row++) {
		int col = 0, end;
		bool found;

		do {
			size_t i;

			found = false;
			for (i = 0, end = spans->width; i < spans->count; i++) {
				const struct view_span *span = &spans->list[i];

				if (span->row != row || span->col < col || span->col >= end)
					continue;
				end = span->col;
				found = true;
			}
			for (i = 0; found && i < spans->count; i++) {
				const struct view_span *span = &spans->list[i];

				if (span->row != row || span->col != end)
					continue;
				fprintf(f, "%*s%s", end - col, "", span->text);
				col = end + span->width;
				break;
			}
		} while (found);
		fputc('\n', f);
	}
	fclose(f);
	return out;
}

static inline enum view_role role_at(const struct view_spans *spans, int row, int col)
{
	size_t i;

	for (i = 0; i < spans->count; i++)
		if (spans->list[i].row == row && spans->list[i].col == col)
			return spans->list[i].role;
	fail_msg("no span at %d, %d", row, col);
	return VIEW_ROLES;
}
