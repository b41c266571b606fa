/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page of one row: what it was lately, and how its values are spread. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "kvm_stat/explanations.h"
#include "kvm_stat/format.h"
#include "kvm_stat/view.h"

#define LABEL_WIDTH 22 /* of a histogram's buckets */
#define COUNT_WIDTH 11
#define SPARK_ROW   4
#define TABLE_ROW   6

/* A number of what the row counts. */
static void format_value(char *out, size_t size, const struct rate *rate, double value,
			 const char *suffix)
{
	if (isnan(value))
		snprintf(out, size, "-");
	else if (field_is_time(rate->kind, rate->unit))
		format_time(out, size, value, suffix);
	else
		snprintf(out, size, "%.0f%s", nearbyint(value), suffix);
}

/* One of the values that are spread over the buckets. */
static void format_spread(char *out, size_t size, const struct rate *rate, double value)
{
	/* Of events, such as exits, it is how long each took. */
	bool time = rate->kind == FIELD_EVENTS || rate->unit == UNIT_NANOSECONDS;

	if (isnan(value))
		snprintf(out, size, "-");
	else if (time)
		format_time(out, size, value, "");
	else
		snprintf(out, size, "%.0f", nearbyint(value));
}

static double highest_value(const struct history *history, const struct history_row *row)
{
	double highest = NAN;
	size_t age;

	for (age = 0; row && age < history->used; age++)
		highest = fmax(highest, history_value(history, row, age));
	return highest;
}

/* One character for each refresh, the last one at the right. */
static char *draw_history(const struct history *history, const struct history_row *row, int width,
			  bool utf8)
{
	static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
					     "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const letters[] = {".", ":", "-", "=", "+", "*", "#", "@"};
	double highest = highest_value(history, row);
	char *text = NULL;
	size_t length, age;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	for (age = (size_t)(width > 0 ? width : 0); age-- > 0;) {
		double value = row ? history_value(history, row, age) : NAN;
		size_t level = 0;

		if (isnan(value)) {
			putc(' ', out);
			continue;
		}
		if (highest > 0)
			level = (size_t)(value / highest * 7.999);
		fputs(utf8 ? blocks[level] : letters[level], out);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static void put_numbers(struct view_spans *spans, const struct view_model *model,
			const struct rate *rate, const struct history_row *row)
{
	const char *suffix = field_counts_up(rate->kind) ? "/s" : "";
	double last = row ? history_value(model->history, row, 0) : (double)NAN;
	char now[32], total[32], highest[32];

	/* The history's digits are too few for a state, which is known whole. */
	if (!field_counts_up(rate->kind))
		last = (double)rate->total;
	format_value(now, sizeof(now), rate, last, suffix);
	format_value(total, sizeof(total), rate, (double)rate->total, "");
	format_value(highest, sizeof(highest), rate, highest_value(model->history, row), suffix);
	view_put(spans, 2, 1, VIEW_PLAIN, "now %s   highest %s   %s %s", now, highest,
		 field_counts_up(rate->kind) ? "total" : "state", total);
}

static void format_bucket(char *out, size_t size, const struct rate *rate,
			  const struct distribution *values, unsigned int first, unsigned int last)
{
	char low_text[24], high_text[24];
	uint64_t low, high, ignored;

	distribution_bucket(values, first, &low, &ignored);
	distribution_bucket(values, last, &ignored, &high);
	format_spread(low_text, sizeof(low_text), rate, (double)low);
	format_spread(high_text, sizeof(high_text), rate, (double)high);
	if (high == UINT64_MAX)
		snprintf(out, size, "%s or more", low_text);
	else
		snprintf(out, size, "%s - %s", low_text, high_text);
}

/* A bar of `length` characters. */
static char *draw_bar(int length, bool utf8)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	while (length-- > 0)
		fputs(utf8 ? "\u2588" : "#", out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* How many values `count` buckets from `first` on hold together. */
static uint64_t add_buckets(const struct distribution *values, unsigned int first,
			    unsigned int count)
{
	uint64_t sum = 0;

	while (count-- > 0 && first < values->bucket_count)
		sum += values->buckets[first++];
	return sum;
}

/*
 * The buckets from the first that holds something to the last, in the rows up to `end`: neighbours
 * share one where there are too many, as the longest times are what is looked for. Returns the row
 * behind them.
 */
static int put_histogram(struct view_spans *spans, int row, int end, const struct rate *rate,
			 bool utf8)
{
	const struct distribution *values = rate->distribution;
	int room = spans->width - LABEL_WIDTH - COUNT_WIDTH - 3;
	unsigned int first = 0, last = values->bucket_count, step = 1, i;
	uint64_t highest = 1;

	if (row >= end)
		return row;

	while (first < last && !values->buckets[first])
		first++;
	while (last > first && !values->buckets[last - 1])
		last--;
	while ((last - first + step - 1) / step > (unsigned int)(end - row))
		step++;
	for (i = first; i < last; i += step) {
		uint64_t sum = add_buckets(values, i, step);

		highest = sum > highest ? sum : highest;
	}
	for (i = first; i < last; i += step, row++) {
		unsigned int through = (last - i < step ? last : i + step) - 1;
		uint64_t sum = add_buckets(values, i, step);
		double share = (double)sum / (double)highest;
		cleanup_free char *bar = draw_bar(room > 0 ? (int)ceil(share * room) : 0, utf8);
		char label[56];
		int col;

		format_bucket(label, sizeof(label), rate, values, i, through);
		col = view_put(spans, row, 1, VIEW_PLAIN, "%*s%*" PRIu64, LABEL_WIDTH, label,
			       COUNT_WIDTH, sum);
		if (bar)
			view_put(spans, row, col + 1, VIEW_PLAIN, "%s", bar);
	}
	return row;
}

static void put_moments(struct view_spans *spans, int row, const struct rate *rate, bool utf8)
{
	const struct distribution *values = rate->distribution;
	char mean[24], deviation[24], half[24], most[24], longest[24] = "";

	format_spread(mean, sizeof(mean), rate, distribution_mean(values));
	format_spread(deviation, sizeof(deviation), rate, distribution_deviation(values));
	format_spread(half, sizeof(half), rate, distribution_percentile(values, 0.5));
	format_spread(most, sizeof(most), rate, distribution_percentile(values, 0.99));
	if (values->has_extremes)
		format_spread(longest, sizeof(longest), rate, (double)values->max);
	view_put(spans, row, 1, VIEW_PLAIN, "%" PRIu64 " values   p50 %s   p99 %s%s%s%s%s%s%s",
		 values->count, half, most, values->has_moments ? "   mean " : "",
		 values->has_moments ? mean : "",
		 values->has_moments ? (utf8 ? " \u00b1" : " +-") : "",
		 values->has_moments ? deviation : "", *longest ? "   max " : "", longest);
}

/* Lays out text at its blanks, in the rows up to `end`. Returns the row behind it. */
static int put_wrapped(struct view_spans *spans, int row, int end, const char *text)
{
	int width = spans->width - 2;

	while (*text && row < end && width > 0) {
		int length = (int)strlen(text), cut;

		if (length > width) {
			for (cut = width; cut > 0 && text[cut] != ' '; cut--)
				;
			length = cut > 0 ? cut : width;
		}
		view_put(spans, row++, 1, VIEW_PLAIN, "%.*s", length, text);
		text += length;
		text += *text == ' ';
	}
	return row;
}

/* What kvm-events(7) says of the row. All of it is ASCII. */
static void put_explanation(struct view_spans *spans, int row, int end, const struct rate *rate)
{
	const struct explanation *found[EXPLANATIONS_MAX];
	cleanup_free char *causes = NULL, *advice = NULL;

	if (!explanations_find(rate->name, NULL, found))
		return;
	row = put_wrapped(spans, row, end, found[0]->counts);
	if (found[0]->causes)
		causes = text_format("Raised by: %s", found[0]->causes);
	if (causes)
		row = put_wrapped(spans, row, end, causes);
	if (found[0]->advice)
		advice = text_format("What to try: %s", found[0]->advice);
	if (advice)
		put_wrapped(spans, row, end, advice);
}

void view_detail_layout(const struct view_model *model, int width, int height,
			struct view_spans *spans)
{
	const struct rate *rate = model->selected < model->rows->count
					  ? model->rows->list[model->selected].rate
					  : NULL;
	const struct history_row *row = rate ? history_find(model->history, rate) : NULL;
	cleanup_free char *name = rate ? text_clean(rate->name) : NULL;
	cleanup_free char *line = NULL;
	bool has_hint = height > TABLE_ROW + 2;
	int end = has_hint ? height - 1 : height, next = TABLE_ROW;

	view_spans_start(spans, width, height);
	if (!rate) {
		view_put(spans, 0, 1, VIEW_PLAIN, "%s", "This row is gone");
		return;
	}
	view_put(spans, 0, 0, VIEW_HEADLINE, "%s", name ? name : "");
	put_numbers(spans, model, rate, row);
	line = draw_history(model->history, row, width - 2 < HISTORY_MAX ? width - 2 : HISTORY_MAX,
			    model->utf8);
	if (line)
		view_put(spans, SPARK_ROW, 1, VIEW_PLAIN, "%s", line);
	if (rate->distribution && rate->distribution->count) {
		put_moments(spans, next++, rate, model->utf8);
		next = put_histogram(spans, next, end, rate, model->utf8) + 1;
	}
	put_explanation(spans, next, end, rate);
	if (has_hint)
		view_put(spans, height - 1, 1, VIEW_HINT, "%s",
			 "Up, Down: other rows   any other key: back");
}
