/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the screen shows, as a pure function of the numbers and the screen's size: spans of text
 * with a role each. Nothing here knows ncurses, reads a file or asks for the time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kvm_stat/exit_table.h"
#include "kvm_stat/guests.h"
#include "kvm_stat/history.h"
#include "kvm_stat/rates.h"

/* What a span is; screen.c decides how that looks on the terminal at hand. */
enum view_role {
	VIEW_PLAIN,
	VIEW_HEADLINE,
	VIEW_COLUMNS, /* the header above the rows */
	VIEW_CHILD,
	VIEW_SELECTED,
	VIEW_TOTAL,
	VIEW_NOTICE,
	VIEW_ERROR,
	VIEW_DEAD,
	VIEW_HINT, /* what to press */
	VIEW_ROLES
};

/* One piece of one line. The text is clean and takes `width` columns. */
struct view_span {
	int row, col, width;
	enum view_role role;
	char *text;
};

/* All spans of a screen of width x height. None leaves the screen, no two overlap. */
struct view_spans {
	struct view_span *list;
	size_t count, room;
	int width, height;
	int cursor_row, cursor_col; /* -1: the cursor is hidden */
};

enum view_sort {
	VIEW_SORT_RATE, /* by what happened lately, then by total */
	VIEW_SORT_TOTAL,
};

/* What the rows of the list are. */
enum view_kind {
	VIEW_EVENTS, /* fields, as upstream shows them */
	VIEW_GUESTS, /* guests, of one field */
	VIEW_VCPUS,  /* threads of guests, of one field */
	VIEW_EXITS,  /* exit reasons with how long they take */
};

/* A row of the list; `parent` is the row that this one stands below, or NULL. */
struct view_row {
	const struct rate *rate, *parent;
	const struct exit_row *exit; /* VIEW_EXITS only */
};

/* The rows in the order of the screen. They point into the rates. */
struct view_rows {
	struct view_row *list;
	size_t count, room;
};

#define VIEW_NO_ROW SIZE_MAX

/* Everything that the list screen depends on. Strings may be NULL. */
struct view_model {
	enum view_kind kind;
	const struct rates *rates;
	const struct view_rows *rows;
	const struct exit_table *exits; /* VIEW_EXITS only */
	const struct history *history;
	const struct guests *guests;
	pid_t pid;              /* 0: all guests */
	const char *guest_name; /* of `pid`, clean */
	bool dead;              /* `pid` is gone, the numbers are its last */
	const char *pattern;    /* of the field filter, as typed */
	pid_t tid;              /* not 0: only this thread of the guest */
	const char *only;       /* rows are guests or threads; the name of the one event */
	bool unreadable;        /* none of the selected fields can be read */
	const char *notice;     /* clean; hides the other texts of its line */
	enum view_sort sort;
	char position[64]; /* in a recording, clean; "": there is none */
	bool utf8;         /* the terminal shows more than ASCII */
	size_t first;      /* row at the top, see view_first_row() */
	size_t selected;   /* row, or VIEW_NO_ROW */
};

/*
 * Sorts the rates that are worth a line into *rows (whose memory is used again): events, times,
 * gauges; children directly below their parent, or left out without `children`. A child whose
 * parent is not shown stands alone. Returns 0 or -ENOMEM.
 */
int view_rows_update(struct view_rows *rows, const struct rates *rates, enum view_sort sort,
		     bool children) must_check;

/* Makes the rows of an exit table, in its order. Returns 0 or -ENOMEM. */
int view_rows_update_exits(struct view_rows *rows, const struct exit_table *table) must_check;

/*
 * Finds the row of a rate by what identifies it; `thread` is NULL for none. Returns its index or
 * VIEW_NO_ROW.
 */
size_t view_rows_find(const struct view_rows *rows, const char *name, const char *parent,
		      pid_t guest, const struct sample_thread *thread);

/* Frees the list. */
void view_rows_done(struct view_rows *rows);

/* How many rows of the list a screen of this height shows at once; at least 1. */
size_t view_page(const struct view_model *model, int height);

/*
 * The row to show at the top: model->first where possible, but no empty lines at the end, and the
 * selected row always in sight.
 */
size_t view_first_row(const struct view_model *model, int height);

/* Lays out the list screen. Without memory, spans are left out. */
void view_layout(const struct view_model *model, int width, int height, struct view_spans *spans);

/* Lays out the page of the selected row. */
void view_detail_layout(const struct view_model *model, int width, int height,
			struct view_spans *spans);

/* Makes `spans` an empty screen of this size. */
void view_spans_start(struct view_spans *spans, int width, int height);

/* Appends a span of clean text, clipped to the screen. Returns the column behind it. */
int view_put(struct view_spans *spans, int row, int col, enum view_role role, const char *format,
	     ...) printf_like(5, 6);

/* Frees all spans. */
void view_spans_done(struct view_spans *spans);
