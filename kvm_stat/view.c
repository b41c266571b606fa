/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

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

/* Column widths, with the blank in front of each but the first; 0: left out. */
struct columns {
	int indent, name, total, percent, rate;
};

/* The texts of one line of the list; numbers are short, names are not. */
struct cells {
	const char *name;
	char total[32], percent[32], rate[32];
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

/* Nanoseconds in the unit that leaves two or three digits: "1.2s", "350ms". */
static void format_time(char *out, size_t size, double ns, const char *suffix)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	size_t unit = 0;

	while (unit + 1 < array_size(units) && ns >= 999.5) {
		ns /= 1000;
		unit++;
	}
	snprintf(out, size, "%.*f%s%s", unit && ns < 9.95 ? 1 : 0, ns, units[unit], suffix);
}

/* Of a histogram of times the number of values is shown, which is none. */
static bool is_time(const struct rate *rate)
{
	return rate->kind == FIELD_TIME ||
	       (rate->unit == UNIT_NANOSECONDS && rate->kind != FIELD_HISTOGRAM);
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

static void format_cells(struct cells *cells, const struct view_model *model,
			 const struct view_row *row, uint64_t sum)
{
	const struct rate *rate = row->rate;
	uint64_t whole = row->parent ? row->parent->total : sum;

	if (is_time(rate))
		format_time(cells->total, sizeof(cells->total), (double)rate->total, "");
	else
		snprintf(cells->total, sizeof(cells->total), "%" PRIu64, rate->total);
	cells->percent[0] = '\0';
	if (rate->kind == FIELD_EVENTS && whole)
		snprintf(cells->percent, sizeof(cells->percent), "%.1f",
			 (double)rate->total * 100 / (double)whole);
	format_rate(cells->rate, sizeof(cells->rate), model, rate);
}

static void format_total(struct cells *cells, const struct view_model *model)
{
	double per_second;
	uint64_t sum = rates_sum(model->rates, &per_second);

	*cells = (struct cells){.name = "Total"};
	snprintf(cells->total, sizeof(cells->total), "%" PRIu64, sum);
	if (nearbyint(per_second) > 0)
		snprintf(cells->rate, sizeof(cells->rate), "%.0f", nearbyint(per_second));
}

/* What stands in the name column. Returns clean text to be freed, or NULL without memory. */
static char *row_name(const struct view_model *model, const struct view_row *row)
{
	cleanup_free char *clean = NULL;
	const struct guest *guest = NULL;
	char *name = NULL;
	int r;

	if (model->by_guest) {
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

/* Upstream's widths, more where a value needs it, less where the screen is narrow. */
static struct columns fit_columns(const struct view_model *model, int width)
{
	struct columns c = {.indent = 1, .name = NAME_WIDTH, .total = 11, .percent = 7, .rate = 9};
	uint64_t sum = rates_sum(model->rates, NULL);
	struct cells cells;
	size_t i;

	for (i = 0; i < model->rows->count; i++) {
		cleanup_free char *name = row_name(model, &model->rows->list[i]);

		format_cells(&cells, model, &model->rows->list[i], sum);
		grow(&c.name, name ? text_width(name) : 0);
		grow(&c.total, text_width(cells.total) + 1);
		grow(&c.percent, text_width(cells.percent) + 1);
		grow(&c.rate, text_width(cells.rate) + 1);
	}
	format_total(&cells, model);
	grow(&c.total, text_width(cells.total) + 1);
	grow(&c.rate, text_width(cells.rate) + 1);
	if (width < c.indent + NAME_WIDTH_MIN + c.total + c.percent + c.rate)
		c.percent = 0;
	if (width < c.indent + NAME_WIDTH_MIN + c.total + c.percent + c.rate)
		c.total = 0;
	if (width < c.indent + NAME_WIDTH_MIN + c.rate)
		c.indent = 0;
	if (width < 1 + c.rate)
		c.rate = 0;
	if (c.name > width - c.indent - c.total - c.percent - c.rate)
		c.name = width - c.indent - c.total - c.percent - c.rate;
	return c;
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
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	write_left(f, cells->name, columns->name);
	write_right(f, cells->total, columns->total);
	write_right(f, cells->percent, columns->percent);
	write_right(f, cells->rate, columns->rate);
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
	cleanup_free char *text = NULL;
	int limit = spans->width, r;

	if (model->pid)
		r = asprintf(&text,
			     name && *name ? "kvm statistics - pid %d (%s)"
					   : "kvm statistics - pid %d",
			     (int)model->pid, name);
	else
		r = asprintf(&text, "kvm statistics - summary");
	if (r < 0) {
		text = NULL;
		return;
	}
	if (model->dead) {
		int marker = (int)strlen(DEAD_MARKER);

		limit = text_width(text);
		limit = limit < DEAD_COL_MAX ? limit : DEAD_COL_MAX;
		if (limit + marker > spans->width)
			limit = spans->width > marker ? spans->width - marker : 0;
		put_text(spans, row, limit, spans->width, VIEW_DEAD, DEAD_MARKER);
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
	if (model->by_guest) {
		clean = text_clean(model->by_guest);
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

static void put_columns(struct view_spans *spans, int row, const struct columns *columns,
			const struct view_model *model)
{
	const char *mark = model->utf8 ? "\u25bc" : "*";
	bool by_total = model->sort == VIEW_SORT_TOTAL;
	struct cells cells = {.name = model->by_guest ? "Guest Name" : "Event",
			      .percent = "%Total"};

	snprintf(cells.total, sizeof(cells.total), "%sTotal", by_total ? mark : "");
	snprintf(cells.rate, sizeof(cells.rate), "%sCurAvg/s", by_total ? "" : mark);
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
	put_columns(spans, lines.columns, &columns, model);
	if (model->rows->count)
		put_rows(spans, lines.top, &columns, model);
	else
		view_put(spans, row, 1, VIEW_PLAIN, "%s",
			 model->unreadable     ? "The selected fields cannot be read"
			 : model->rates->first ? "Collecting data..."
					       : "No matching events reported yet");
}
