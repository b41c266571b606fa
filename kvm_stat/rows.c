/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/rows.h"

#include <inttypes.h>

#include "host/text.h"
#include "kvm_stat/output.h"

#define GUEST_WIDTH 20
#define STAMP_WIDTH 19

/* Pads by what a terminal shows; a name that is longer pushes the rest of its line. */
static void put_padded(FILE *stream, const char *clean, int width)
{
	fprintf(stream, "%s%*s", clean, text_width(clean) < width ? width - text_width(clean) : 0,
		"");
}

static const char *guest_label(const struct report *report, const struct rate *rate)
{
	const struct guest *guest = report_guest(report, rate);

	return guest ? guest->name : "-";
}

/* A number, or "-" where there is none. */
static void put_number(FILE *stream, int width, bool known, int64_t number)
{
	if (known)
		fprintf(stream, " %*" PRId64, width, number);
	else
		fprintf(stream, " %*s", width, "-");
}

static void put_owner(FILE *stream, const struct report *report, const struct rate *rate)
{
	pid_t pid = report_guest_pid(report, rate);

	put_padded(stream, guest_label(report, rate), GUEST_WIDTH);
	put_number(stream, 8, pid, pid);
	if (report->by == BY_VCPU) {
		put_number(stream, 4, rate->thread.is_vcpu, rate->thread.vcpu);
		put_number(stream, 8, rate->thread.tid, rate->thread.tid);
	}
	putc(' ', stream);
}

static void put_owner_titles(FILE *stream, enum selection_by by)
{
	fprintf(stream, "%-*s %8s", GUEST_WIDTH, "GUEST", "PID");
	if (by == BY_VCPU)
		fprintf(stream, " %4s %8s", "VCPU", "TID");
	putc(' ', stream);
}

void rows_write_batch_titles(FILE *stream, enum selection_by by)
{
	put_owner_titles(stream, by);
	fprintf(stream, "%-42s%10s%10s\n", "FIELD", "TOTAL", "DELTA");
}

int rows_write_batch(FILE *stream, const struct report *report)
{
	cleanup_free const struct rate **rows = NULL;
	size_t i;
	int r = report_rows_by_guest(report, &rows);

	for (i = 0; r == 0 && i < report->rates->count; i++) {
		if (!rows[i]->total && !rows[i]->delta)
			continue;
		put_owner(stream, report, rows[i]);
		output_total(stream, rows[i]);
	}
	return r;
}

void rows_write_log_titles(FILE *stream, enum selection_by by, bool csv)
{
	if (csv) {
		fputs("timestamp,guest,pid,vcpu,tid,field,value\n", stream);
		return;
	}
	fprintf(stream, "%-*s ", STAMP_WIDTH, "TIME");
	put_owner_titles(stream, by);
	fprintf(stream, "%-42s%10s\n", "FIELD", "VALUE");
}

static int put_csv(FILE *stream, const struct report *report, const struct rate *rate,
		   const char *stamp, int64_t value)
{
	const struct guest *guest = report_guest(report, rate);
	pid_t pid = report_guest_pid(report, rate);
	int r;

	fprintf(stream, "%s,", stamp);
	r = text_csv_write(stream, guest ? guest->name : "");
	putc(',', stream);
	if (pid)
		fprintf(stream, "%d", (int)pid);
	putc(',', stream);
	if (rate->thread.is_vcpu)
		fprintf(stream, "%u", rate->thread.vcpu);
	putc(',', stream);
	if (rate->thread.tid)
		fprintf(stream, "%d", (int)rate->thread.tid);
	putc(',', stream);
	if (r == 0)
		r = text_csv_write(stream, rate->name);
	fprintf(stream, ",%" PRId64 "\n", value);
	return r;
}

int rows_write_log(FILE *stream, const struct report *report, bool csv, bool skip_zero)
{
	cleanup_free const struct rate **rows = NULL;
	char stamp[32];
	struct tm local;
	size_t i;
	int r = report_rows_by_guest(report, &rows);

	localtime_r(&report->time.tv_sec, &local);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &local);
	for (i = 0; r == 0 && i < report->rates->count; i++) {
		const struct rate *rate = rows[i];
		bool counts = field_counts_up(rate->kind);
		int64_t value = counts ? rate->delta : (int64_t)rate->total;

		if (csv) {
			if (!skip_zero || value)
				r = put_csv(stream, report, rate, stamp, value);
			continue;
		}
		if (!value)
			continue;
		fprintf(stream, "%-*s ", STAMP_WIDTH, stamp);
		put_owner(stream, report, rate);
		fprintf(stream, "%-42s%10" PRId64 "\n", rate->name, value);
	}
	return r;
}
