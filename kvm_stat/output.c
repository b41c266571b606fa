/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

void output_batch(FILE *stream, const struct rates *rates)
{
	size_t i;

	for (i = 0; i < rates->count; i++)
		fprintf(stream, "%-42s%10" PRIu64 "%10" PRId64 "\n", rates->rows[i].name,
			rates->rows[i].total, rates->rows[i].delta);
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

bool log_columns_match(const struct log_columns *columns, const struct rates *rates)
{
	size_t i;

	if (columns->count != rates->count)
		return false;
	for (i = 0; i < columns->count; i++) {
		if (compare_column(columns, i, &rates->rows[i]))
			return false;
	}
	return true;
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
