/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "kvm_stat/format.h"

#define NAME_WIDTH     40
#define NAME_WIDTH_MIN 8
#define GUEST_NAME_MAX 48
#define PATTERN_MAX    44
#define PATTERN_COL    17
#define MESSAGE_ROW    4
#define DEAD_MARKER    "   Guest is DEAD   "
#define DEAD_COL_MAX   61 /* where the marker ends on 80 columns */

/* The lines of a screen; -1 for those that a low screen leaves out, the rows being worth most. */
struct lines {
	int headline, info, columns, top;
};

#define COLUMNS_MAX 8

/* A column of the list beside the first, the name. */
struct column {
	char title[32];
	int width; /* at least, with the blank in front; 0: left out */
	int worth; /* narrow screens leave the least worth out first */
};

/* The columns of the list, with the widths that the rows and the screen want. */
struct columns {
	const char *title; /* of the name column */
	int indent, name;
	size_t count;
	struct column list[COLUMNS_MAX];
};

/* The texts of one line of the list; numbers are short, names are not. */
struct cells {
	const char *name;
	char texts[COLUMNS_MAX][32];
};

void view_spans_start(struct view_spans *spans, int width, int height)
{
	size_t i;

	for (i = 0; i < spans->count; i++)
		free(spans->list[i].text);
	spans->count = 0;
	spans->width = width;
	spans->height = height;
	spans->cursor_row = spans->cursor_col = -1;
}

void view_spans_done(struct view_spans *spans)
{
	view_spans_start(spans, 0, 0);
	free(spans->list);
	*spans = (struct view_spans){0};
}

/* Appends text that ends before column `limit`. Returns the column behind it. */
static int put_text(struct view_spans *spans, int row, int col, int limit, enum view_role role,
		    const char *text)
{
	struct view_span span = {.row = row, .col = col, .role = role};
	size_t length;

	if (limit > spans->width)
		limit = spans->width;
	if (row < 0 || row >= spans->height || col < 0 || col >= limit)
		return col;
	length = text_fit(text, limit - col, &span.width);
	if (!span.width)
		return col;
	if (spans->count == spans->room) {
		size_t room = spans->room ? spans->room * 2 : 64;
		struct view_span *grown = reallocarray(spans->list, room, sizeof(*grown));

		if (!grown)
			return col;
		spans->list = grown;
		spans->room = room;
	}
	span.text = strndup(text, length);
	if (!span.text)
		return col;
	spans->list[spans->count++] = span;
	return col + span.width;
}

int view_put(struct view_spans *spans, int row, int col, enum view_role role, const char *format,
	     ...)
{
	cleanup_free char *text = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0) {
		text = NULL;
		return col;
	}
	return put_text(spans, row, col, spans->width, role, text);
}

static struct lines lines_of(int height)
{
	if (height >= 4)
		return (struct lines){.headline = 0, .info = 1, .columns = 2, .top = 3};
	if (height == 3)
		return (struct lines){.headline = 0, .info = -1, .columns = 1, .top = 2};
	if (height == 2)
		return (struct lines){.headline = 0, .info = -1, .columns = -1, .top = 1};
	return (struct lines){.headline = -1, .info = -1, .columns = -1, .top = 0};
}

/* Whether the list ends with a sum, and that has a line of its own. */
static bool has_total(const struct view_model *model, int height)
{
	/* Events come first, so the first row tells whether there are any. */
	return model->rows->count >= 2 && height - lines_of(height).top >= 2 &&
	       model->rows->list[0].rate->kind == FIELD_EVENTS;
}

size_t view_page(const struct view_model *model, int height)
{
	int page = height - lines_of(height).top - has_total(model, height);

	return page < 1 ? 1 : (size_t)page;
}

size_t view_first_row(const struct view_model *model, int height)
{
	size_t page = view_page(model, height), count = model->rows->count;
	size_t first = model->first;

	if (model->selected < count) {
		if (first > model->selected)
			first = model->selected;
		else if (model->selected - first >= page)
			first = model->selected - page + 1;
	}
	if (count <= page)
		return 0;
	return first > count - page ? count - page : first;
}

static void format_count(char *out, size_t size, const struct rate *rate)
{
	if (field_is_time(rate->kind, rate->unit))
		format_time(out, size, (double)rate->total, "");
	else
		snprintf(out, size, "%" PRIu64, rate->total);
}

static void format_percent(char *out, size_t size, double share)
{
	snprintf(out, size, "%.1f", share * 100);
}

static void format_rate(char *out, size_t size, const struct view_model *model,
			const struct rate *rate)
{
	out[0] = '\0';
	if (model->rates->first)
		return;
	if (!field_counts_up(rate->kind)) {
		if (rate->delta)
			snprintf(out, size, "%+.0f", nearbyint(rate->per_second));
	} else if (rate->kind == FIELD_TIME && rate->delta) {
		format_time(out, size, rate->per_second, "/s");
	} else {
		snprintf(out, size, "%.0f", nearbyint(rate->per_second));
	}
}

/* The columns that all lists of rates end with. */
static void format_numbers(char (*texts)[32], const struct view_model *model,
			   const struct view_row *row, uint64_t sum)
{
	const struct rate *rate = row->rate;
	uint64_t whole = row->parent ? row->parent->total : sum;

	format_count(texts[0], sizeof(*texts), rate);
	if (rate->kind == FIELD_EVENTS && whole)
		format_percent(texts[1], sizeof(*texts), (double)rate->total / (double)whole);
	format_rate(texts[2], sizeof(*texts), model, rate);
}

static void format_thread(char (*texts)[32], const struct sample_thread *thread)
{
	if (thread->is_vcpu)
		snprintf(texts[0], sizeof(*texts), "%u", thread->vcpu);
	else
		snprintf(texts[0], sizeof(*texts), "-");
	if (thread->tid)
		snprintf(texts[1], sizeof(*texts), "%d", (int)thread->tid);
	else
		snprintf(texts[1], sizeof(*texts), "-");
	if (thread->has_cpu)
		snprintf(texts[2], sizeof(*texts), "%u", thread->cpu);
}

static void format_exit(char (*texts)[32], const struct view_model *model,
			const struct exit_row *row)
{
	const struct distribution *times = row->times;

	snprintf(texts[0], sizeof(*texts), "%" PRIu64, times->count);
	if (row->halted)
		snprintf(texts[1], sizeof(*texts), "halted");
	else if (model->exits->exits)
		format_percent(texts[1], sizeof(*texts), row->time_share);
	format_time(texts[2], sizeof(*texts), distribution_mean(times), "");
	format_time(texts[3], sizeof(*texts), distribution_percentile(times, 0.5), "");
	format_time(texts[4], sizeof(*texts), distribution_percentile(times, 0.99), "");
	if (times->has_extremes)
		format_time(texts[5], sizeof(*texts), (double)times->max, "");
	format_rate(texts[6], sizeof(*texts), model, row->rate);
}

static void format_cells(struct cells *cells, const struct view_model *model,
			 const struct view_row *row, uint64_t sum)
{
	*cells = (struct cells){.name = ""};
	if (model->kind == VIEW_EXITS) {
		format_exit(cells->texts, model, row->exit);
	} else if (model->kind == VIEW_VCPUS) {
		format_thread(cells->texts, &row->rate->thread);
		format_numbers(cells->texts + 3, model, row, sum);
	} else {
		format_numbers(cells->texts, model, row, sum);
	}
}

static void format_total(struct cells *cells, const struct view_model *model)
{
	size_t first = model->kind == VIEW_VCPUS ? 3 : 0;
	double per_second;
	uint64_t sum = rates_sum(model->rates, &per_second);

	*cells = (struct cells){.name = "Total"};
	if (model->kind == VIEW_EXITS) {
		cells->name = "Total without halts";
		snprintf(cells->texts[0], sizeof(*cells->texts), "%" PRIu64, model->exits->exits);
		format_time(cells->texts[1], sizeof(*cells->texts), (double)model->exits->time, "");
		return;
	}
	snprintf(cells->texts[first], sizeof(*cells->texts), "%" PRIu64, sum);
	if (nearbyint(per_second) > 0)
		snprintf(cells->texts[first + 2], sizeof(*cells->texts), "%.0f",
			 nearbyint(per_second));
}

/* What stands in the name column. Returns clean text to be freed, or NULL without memory. */
static char *row_name(const struct view_model *model, const struct view_row *row)
{
	cleanup_free char *clean = NULL;
	const struct guest *guest = NULL;
	char *name = NULL;
	int r;

	if (model->kind == VIEW_GUESTS || model->kind == VIEW_VCPUS) {
		guest = model->guests ? guests_find_pid(model->guests, row->rate->guest) : NULL;
		r = guest ? asprintf(&name, "%s", guest->name)
			  : asprintf(&name, "pid %d", (int)row->rate->guest);
		return r < 0 ? NULL : name;
	}
	clean = text_clean(row->rate->name);
	if (!clean || asprintf(&name, "%s%s", row->parent ? "  " : "", clean) < 0)
		return NULL;
	return name;
}

static void grow(int *width, int wanted)
{
	if (*width < wanted)
		*width = wanted;
}

/* The columns of each kind of list; upstream's widths where it has them. */
static struct columns columns_of(const struct view_model *model)
{
	static const struct columns kinds[] = {
		[VIEW_EVENTS] = {"Event",
				 1,
				 NAME_WIDTH,
				 3,
				 {{"Total", 11, 2}, {"%Total", 7, 1}, {"CurAvg/s", 9, 9}}},
		[VIEW_GUESTS] = {"Guest Name",
				 1,
				 NAME_WIDTH,
				 3,
				 {{"Total", 11, 2}, {"%Total", 7, 1}, {"CurAvg/s", 9, 9}}},
		[VIEW_VCPUS] = {"Guest Name",
				1,
				NAME_WIDTH - 16,
				6,
				{{"vCPU", 6, 8},
				 {"TID", 9, 4},
				 {"CPU", 5, 3},
				 {"Total", 11, 2},
				 {"%Total", 7, 1},
				 {"CurAvg/s", 9, 9}}},
		[VIEW_EXITS] = {"Exit reason",
				1,
				NAME_WIDTH - 14,
				7,
				{{"Count", 10, 4},
				 {"%Time", 8, 7},
				 {"Mean", 7, 8},
				 {"p50", 7, 2},
				 {"p99", 7, 6},
				 {"Max", 7, 1},
				 {"CurAvg/s", 9, 5}}},
	};
	struct columns columns = kinds[model->kind];
	const char *mark = model->utf8 ? "\u25bc" : "*";
	const char *sorted = model->kind == VIEW_EXITS        ? "%Time"
			     : model->sort == VIEW_SORT_TOTAL ? "Total"
							      : "CurAvg/s";
	char title[32];
	size_t i;

	for (i = 0; i < columns.count; i++) {
		if (strcmp(columns.list[i].title, sorted))
			continue;
		snprintf(title, sizeof(title), "%s%.20s", mark, columns.list[i].title);
		memcpy(columns.list[i].title, title, sizeof(title));
	}
	return columns;
}

static int columns_width(const struct columns *columns)
{
	int width = columns->indent + NAME_WIDTH_MIN;
	size_t i;

	for (i = 0; i < columns->count; i++)
		width += columns->list[i].width;
	return width;
}

/* The column that is left out next, or NULL when only one is left. */
static struct column *least_column(struct columns *columns)
{
	struct column *least = NULL;
	size_t i, shown = 0;

	for (i = 0; i < columns->count; i++) {
		struct column *column = &columns->list[i];

		if (!column->width)
			continue;
		shown++;
		if (!least || column->worth < least->worth)
			least = column;
	}
	return shown > 1 ? least : NULL;
}

/* Gives every column the width it needs, and leaves out what a narrow screen has no room for. */
static struct columns fit_columns(const struct view_model *model, int width)
{
	struct columns columns = columns_of(model);
	uint64_t sum = rates_sum(model->rates, NULL);
	struct column *least;
	struct cells cells;
	size_t i, j;

	for (i = 0; i <= model->rows->count; i++) {
		cleanup_free char *name = NULL;

		if (i < model->rows->count) {
			name = row_name(model, &model->rows->list[i]);
			format_cells(&cells, model, &model->rows->list[i], sum);
		} else {
			format_total(&cells, model);
		}
		grow(&columns.name, name ? text_width(name) : 0);
		for (j = 0; j < columns.count; j++)
			grow(&columns.list[j].width, text_width(cells.texts[j]) + 1);
	}
	while (width < columns_width(&columns) && (least = least_column(&columns)))
		least->width = 0;
	if (width < columns_width(&columns))
		columns.indent = 0;
	for (i = 0; i < columns.count; i++) {
		if (columns.list[i].width && width < 1 + columns.list[i].width)
			columns.list[i].width = 0;
	}
	width -= columns_width(&columns) - NAME_WIDTH_MIN;
	if (columns.name > width)
		columns.name = width;
	return columns;
}

/* Writes text as exactly `width` columns, at the left, "..." standing for what does not fit. */
static void write_left(FILE *f, const char *text, int width)
{
	const char *dots = "";
	int used = text_width(text);
	size_t length = strlen(text);

	if (used > width) {
		dots = width >= NAME_WIDTH_MIN ? "..." : "";
		length = text_fit(text, width - (int)strlen(dots), &used);
		used += (int)strlen(dots);
	}
	fprintf(f, "%.*s%s%*s", (int)length, text, dots, width > used ? width - used : 0, "");
}

static void write_right(FILE *f, const char *text, int width)
{
	if (width)
		fprintf(f, "%*s%s", width - text_width(text), "", text);
}

static void put_cells(struct view_spans *spans, int row, const struct columns *columns,
		      enum view_role role, const struct cells *cells)
{
	cleanup_free char *text = NULL;
	size_t i, size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	write_left(f, cells->name, columns->name);
	for (i = 0; i < columns->count; i++)
		write_right(f, cells->texts[i], columns->list[i].width);
	if (fclose(f) == 0)
		put_text(spans, row, columns->indent, spans->width, role, text);
}

/* A copy of clean text, cut to `columns` with "..." behind. */
static char *cut_text(const char *clean, int columns)
{
	size_t length = text_fit(clean, columns, NULL);
	char *cut = NULL;

	if (asprintf(&cut, "%.*s%s", (int)length, clean, clean[length] ? "..." : "") < 0)
		return NULL;
	return cut;
}

static void put_headline(struct view_spans *spans, int row, const struct view_model *model)
{
	cleanup_free char *name = cut_text(model->guest_name ? model->guest_name : "",
					   GUEST_NAME_MAX);
	cleanup_free char *text = NULL, *thread = NULL;
	int limit = spans->width, r = 0;
	int position = spans->width - (int)strlen(model->position);

	/* What has no room beside it gives way; on the narrowest screens it does so itself. */
	if (*model->position && position > 0) {
		put_text(spans, row, position, spans->width, VIEW_HEADLINE, model->position);
		limit = position - 1;
	}
	if (model->tid)
		r = asprintf(&thread, ", thread %d", (int)model->tid);
	if (r < 0)
		thread = NULL;
	if (!model->pid)
		r = asprintf(&text, "kvm statistics - summary");
	else if (name && *name)
		r = asprintf(&text, "kvm statistics - pid %d (%s)%s", (int)model->pid, name,
			     thread ? thread : "");
	else
		r = asprintf(&text, "kvm statistics - pid %d%s", (int)model->pid,
			     thread ? thread : "");
	if (r < 0) {
		text = NULL;
		return;
	}
	if (model->dead) {
		int marker = (int)strlen(DEAD_MARKER);

		int end = limit;

		limit = text_width(text);
		limit = limit < DEAD_COL_MAX ? limit : DEAD_COL_MAX;
		if (limit + marker > end)
			limit = end > marker ? end - marker : 0;
		put_text(spans, row, limit, end, VIEW_DEAD, DEAD_MARKER);
	}
	put_text(spans, row, 0, limit, VIEW_HEADLINE, text);
}

/* The second line: a notice, or event and filter; at its right end, where the list is. */
static void put_info(struct view_spans *spans, int row, const struct view_model *model)
{
	size_t page = view_page(model, spans->height), count = model->rows->count;
	size_t first = view_first_row(model, spans->height);
	cleanup_free char *position = NULL, *clean = NULL, *text = NULL;
	int limit = spans->width, col = 1;

	if (count > page) {
		if (asprintf(&position, "%zu-%zu/%zu", first + 1, first + page, count) < 0)
			position = NULL;
		else
			limit -= (int)strlen(position);
		if (position && limit > 0)
			put_text(spans, row, limit--, spans->width, VIEW_PLAIN, position);
	}
	if (model->notice) {
		put_text(spans, row, col, limit, VIEW_NOTICE, model->notice);
		return;
	}
	if (model->only) {
		clean = text_clean(model->only);
		if (clean && asprintf(&text, "event: %s", clean) >= 0)
			col = put_text(spans, row, col, limit, VIEW_PLAIN, text) + 2;
	}
	if (model->pattern && *model->pattern) {
		cleanup_free char *whole = text_clean(model->pattern);
		cleanup_free char *cut = whole ? cut_text(whole, PATTERN_MAX) : NULL;
		cleanup_free char *filter = NULL;

		if (cut && asprintf(&filter, "regex filter: %s", cut) >= 0)
			put_text(spans, row, col < PATTERN_COL ? PATTERN_COL : col, limit,
				 VIEW_PLAIN, filter);
	}
}

static void put_columns(struct view_spans *spans, int row, const struct columns *columns)
{
	struct cells cells = {.name = columns->title};
	size_t i;

	for (i = 0; i < columns->count; i++)
		memcpy(cells.texts[i], columns->list[i].title, sizeof(cells.texts[i]));
	put_cells(spans, row, columns, VIEW_COLUMNS, &cells);
}

static void put_rows(struct view_spans *spans, int row, const struct columns *columns,
		     const struct view_model *model)
{
	size_t first = view_first_row(model, spans->height);
	size_t end = first + view_page(model, spans->height), i;
	uint64_t sum = rates_sum(model->rates, NULL);
	struct cells cells;

	for (i = first; i < end && i < model->rows->count; i++) {
		const struct view_row *shown = &model->rows->list[i];
		cleanup_free char *name = row_name(model, shown);

		format_cells(&cells, model, shown, sum);
		cells.name = name ? name : "";
		put_cells(spans, row++, columns,
			  i == model->selected ? VIEW_SELECTED
			  : shown->parent      ? VIEW_CHILD
					       : VIEW_PLAIN,
			  &cells);
	}
	if (has_total(model, spans->height)) {
		format_total(&cells, model);
		put_cells(spans, row, columns, VIEW_TOTAL, &cells);
	}
}

void view_layout(const struct view_model *model, int width, int height, struct view_spans *spans)
{
	struct lines lines = lines_of(height);
	struct columns columns = fit_columns(model, width);
	int row = MESSAGE_ROW < height ? MESSAGE_ROW : height - 1;

	view_spans_start(spans, width, height);
	put_headline(spans, lines.headline, model);
	put_info(spans, lines.info, model);
	put_columns(spans, lines.columns, &columns);
	if (model->rows->count)
		put_rows(spans, lines.top, &columns, model);
	else
		view_put(spans, row, 1, VIEW_PLAIN, "%s",
			 model->unreadable     ? "The selected fields cannot be read"
			 : model->rates->first ? "Collecting data..."
					       : "No matching events reported yet");
}
