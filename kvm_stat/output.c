/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "kvm_stat/format.h"

/* Of upstream's lines. */
#define NAME_WIDTH   42
#define NUMBER_WIDTH 10

void output_total(FILE *stream, const struct rate *rate)
{
	char total[24], delta[24];
	bool is_long = strlen(rate->name) >= NAME_WIDTH;

	snprintf(total, sizeof(total), "%" PRIu64, rate->total);
	snprintf(delta, sizeof(delta), "%" PRId64, rate->delta);
	fprintf(stream, "%-*s%s%*s%s%*s\n", NAME_WIDTH, rate->name,
		is_long && strlen(total) >= NUMBER_WIDTH ? " " : "", NUMBER_WIDTH, total,
		strlen(delta) >= NUMBER_WIDTH ? " " : "", NUMBER_WIDTH, delta);
}

void output_batch(FILE *stream, const struct rates *rates)
{
	size_t i;

	for (i = 0; i < rates->count; i++)
		output_total(stream, &rates->rows[i]);
}

/* The longest time, as far as it is known: in an interval only its bucket is. */
static void format_longest(char *out, size_t size, const struct distribution *times)
{
	unsigned int i = times->bucket_count;
	uint64_t low, high;

	if (times->has_extremes) {
		format_time(out, size, (double)times->max, "");
		return;
	}
	while (i > 0 && !times->buckets[i - 1])
		i--;
	distribution_bucket(times, i ? i - 1 : 0, &low, &high);
	out[0] = high == UINT64_MAX ? '>' : '<';
	format_time(out + 1, size - 1, (double)(high == UINT64_MAX ? low : high), "");
}

static void write_exit_row(FILE *stream, const struct exit_row *row)
{
	char cells[5][FORMAT_TIME_SIZE];
	const struct distribution *times = row->times;

	format_time(cells[0], sizeof(cells[0]), distribution_mean(times), "");
	format_time(cells[1], sizeof(cells[1]), distribution_deviation(times), "");
	format_time(cells[2], sizeof(cells[2]), distribution_percentile(times, 0.5), "");
	format_time(cells[3], sizeof(cells[3]), distribution_percentile(times, 0.99), "");
	format_longest(cells[4], sizeof(cells[4]), times);
	fprintf(stream, "%-40s%10" PRIu64, row->rate->name, times->count);
	if (row->halted)
		fprintf(stream, "%8s%8s", "halted", "");
	else
		fprintf(stream, "%8.1f%8.1f", row->count_share * 100, row->time_share * 100);
	fprintf(stream, "%9s%9s%9s%9s%9s\n", cells[0], cells[1], cells[2], cells[3], cells[4]);
}

void output_exits(FILE *stream, const struct exit_table *table)
{
	char time[FORMAT_TIME_SIZE];
	size_t i;

	fprintf(stream, "%-40s%10s%8s%8s%9s%9s%9s%9s%9s\n", "Exit reason", "Count", "%Count",
		"%Time", "Mean", "Dev", "p50", "p99", "Max");
	for (i = 0; i < table->count; i++)
		write_exit_row(stream, &table->rows[i]);
	format_time(time, sizeof(time), (double)table->time, "");
	fprintf(stream, "%-40s%10" PRIu64 "%25s\n", "Total without halts", table->exits, time);
}

void log_columns_done(struct log_columns *columns)
{
	size_t i;

	for (i = 0; i < columns->count; i++) {
		free(columns->names[i]);
		free(columns->parents[i]);
	}
	free(columns->names);
	free(columns->parents);
	*columns = (struct log_columns){0};
}

int log_columns_set(struct log_columns *columns, const struct rates *rates)
{
	size_t i;

	log_columns_done(columns);
	columns->names = calloc(rates->count + 1, sizeof(*columns->names));
	columns->parents = calloc(rates->count + 1, sizeof(*columns->parents));
	if (!columns->names || !columns->parents)
		return -ENOMEM;
	for (i = 0; i < rates->count; i++) {
		const struct rate *rate = &rates->rows[i];

		columns->names[i] = strdup(rate->name);
		columns->parents[i] = strdup(rate->parent ? rate->parent : "");
		columns->count++;
		if (!columns->names[i] || !columns->parents[i])
			return -ENOMEM;
	}
	return 0;
}

static int compare_column(const struct log_columns *columns, size_t column, const struct rate *rate)
{
	int r = strcmp(columns->names[column], rate->name);

	return r ? r : strcmp(columns->parents[column], rate->parent ? rate->parent : "");
}

bool log_columns_cover(const struct log_columns *columns, const struct rates *rates)
{
	size_t column = 0, row;

	/* Both are in one order. */
	for (row = 0; row < rates->count; row++) {
		while (column < columns->count &&
		       compare_column(columns, column, &rates->rows[row]) < 0)
			column++;
		if (column == columns->count ||
		    compare_column(columns, column, &rates->rows[row]) != 0)
			return false;
	}
	return true;
}

int log_write_banner(FILE *stream, const struct log_columns *columns, bool csv)
{
	size_t i;
	int r = 0;

	if (csv)
		fputs("timestamp", stream);
	for (i = 0; i < columns->count && r == 0; i++) {
		if (csv) {
			putc(',', stream);
			r = text_csv_write(stream, columns->names[i]);
		} else {
			fprintf(stream, "%s ", columns->names[i]);
		}
	}
	putc('\n', stream);
	return r;
}

void log_write_record(FILE *stream, const struct log_columns *columns, const struct rates *rates,
		      bool csv, time_t now)
{
	struct tm local;
	char stamp[32];
	size_t i, row = 0;

	localtime_r(&now, &local);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &local);
	fputs(stamp, stream);
	for (i = 0; i < columns->count; i++) {
		const struct rate *rate = NULL;
		int64_t value;

		while (row < rates->count && compare_column(columns, i, &rates->rows[row]) > 0)
			row++;
		if (row < rates->count && compare_column(columns, i, &rates->rows[row]) == 0)
			rate = &rates->rows[row];
		if (!rate) {
			fputs(csv ? "," : "         -", stream);
			continue;
		}
		value = field_counts_up(rate->kind) ? rate->delta : (int64_t)rate->total;
		if (csv)
			fprintf(stream, ",%" PRId64, value);
		else
			fprintf(stream, " %9" PRId64, value);
	}
	putc('\n', stream);
}

bool log_is_zero(const struct rates *rates)
{
	size_t i;

	for (i = 0; i < rates->count; i++) {
		if (rates->rows[i].delta)
			return false;
	}
	return true;
}
