/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/record.h"

#include "kvm_stat/json.h"
#include "kvm_stat/metrics.h"
#include "kvm_stat/rows.h"

static bool is_metrics(const struct record *record)
{
	return record->options->format == FORMAT_OPENMETRICS ||
	       record->options->format == FORMAT_PROMETHEUS;
}

void record_start(struct record *record, struct session *session, const struct options *options)
{
	bool one_guest = options->format == FORMAT_JSON && session->selection.pid;

	*record = (struct record){.options = options};
	report_start(&record->report, session,
		     is_metrics(record) || options->by != BY_FIELD || one_guest);
}

void record_done(struct record *record)
{
	log_columns_done(&record->columns);
}

bool record_has_titles(const struct record *record)
{
	return record->options->format == FORMAT_TEXT || record->options->format == FORMAT_CSV;
}

bool record_is_wide(const struct record *record)
{
	return record_has_titles(record) && record->options->by == BY_FIELD;
}

int record_set_columns(struct record *record)
{
	return log_columns_set(&record->columns, record->report.rates);
}

int record_write_titles(const struct record *record, FILE *stream)
{
	bool csv = record->options->format == FORMAT_CSV;

	if (record_is_wide(record))
		return log_write_banner(stream, &record->columns, csv);
	if (record_has_titles(record))
		rows_write_log_titles(stream, record->options->by, csv);
	return 0;
}

int record_write(const struct record *record, FILE *stream)
{
	const struct options *options = record->options;
	const struct report *report = &record->report;
	bool csv = options->format == FORMAT_CSV;

	if (options->format == FORMAT_JSON)
		return json_write_report(stream, report);
	if (is_metrics(record)) {
		struct metrics_options metrics = {.openmetrics = options->format ==
								 FORMAT_OPENMETRICS,
						  .limit = options->limit};
		size_t dropped; /* which is one of the metrics */

		return metrics_write(stream, report, &metrics, &dropped);
	}
	if (options->by != BY_FIELD)
		return rows_write_log(stream, report, csv, options->skip_zero);
	log_write_record(stream, &record->columns, report->rates, csv, report->time.tv_sec);
	return 0;
}

static int write_text_batch(const struct record *record, FILE *stream, bool first)
{
	if (!first)
		putc('\n', stream);
	if (record->options->by == BY_FIELD) {
		output_batch(stream, record->report.rates);
		return 0;
	}
	rows_write_batch_titles(stream, record->options->by);
	return rows_write_batch(stream, &record->report);
}

int record_write_batch(struct record *record, FILE *stream, bool first)
{
	bool has_new_columns = first;
	int r = 0;

	if (record->options->format == FORMAT_TEXT)
		return write_text_batch(record, stream, first);
	/* Of stats the rows are known only when there is a guest. */
	if (record_is_wide(record) && !log_columns_cover(&record->columns, record->report.rates))
		has_new_columns = true;
	if (has_new_columns && record_is_wide(record))
		r = record_set_columns(record);
	if (r == 0 && has_new_columns)
		r = record_write_titles(record, stream);
	return r < 0 ? r : record_write(record, stream);
}
