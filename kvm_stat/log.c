/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "host/message.h"
#include "kvm_stat/log_file.h"
#include "kvm_stat/record.h"
#include "kvm_stat/signals.h"

#define BANNER_EVERY 20 /* records */

struct log {
	struct log_file file;
	struct record record;
	uint64_t records; /* in this file */
	uint64_t *total;  /* ever */
	bool banner_due;  /* the columns changed, or enough records went by */
};

static bool is_csv(const struct log *log)
{
	return log->record.options->format == FORMAT_CSV;
}

/*
 * Writes the banner. A CSV file has it only once, at its start, so that the file stays one table;
 * should its records have other columns (another kernel, other options), it is written again
 * rather than put numbers below names that are not theirs.
 */
static int write_banner(struct log *log)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);
	int r = stream ? record_write_titles(&log->record, stream) : -ENOMEM;

	log->banner_due = false;
	if (r == 0 && is_csv(log) && log->file.path && fflush(stream) == 0 &&
	    log_file_last_line_is(&log->file, "timestamp", text)) {
		fclose(stream);
		free(text);
		return 0;
	}
	if (r < 0) {
		if (stream)
			fclose(stream);
		free(text);
		return r;
	}
	return log_file_write_stream(&log->file, stream, &text, &length);
}

static int write_record(struct log *log)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);
	int r = stream ? record_write(&log->record, stream) : -ENOMEM;

	if (r < 0) {
		if (stream)
			fclose(stream);
		free(text);
		return r;
	}
	return log_file_write_stream(&log->file, stream, &text, &length);
}

static int start_columns(struct log *log)
{
	int r = record_is_wide(&log->record) ? record_set_columns(&log->record) : 0;

	return r < 0 ? r : write_banner(log);
}

static int log_sample(struct log *log, const struct options *options)
{
	const struct rates *rates = log->record.report.rates;
	bool repeats = !(is_csv(log) && log->file.path);
	int r = 0;

	/*
	 * Reasons that are new get columns of their own; CSV was given fixed rows for that. Of stats
	 * the rows are known only when there is a guest.
	 */
	if (record_is_wide(&log->record) && !log_columns_cover(&log->record.columns, rates))
		r = start_columns(log);
	else if (log->banner_due && repeats)
		r = write_banner(log);
	if (r < 0 || (options->skip_zero && log_is_zero(rates)))
		return r;
	r = write_record(log);
	if (r < 0)
		return r;
	++*log->total;
	log->banner_due = ++log->records % BANNER_EVERY == 0;
	return 0;
}

static int report_write(const struct options *options, int error)
{
	const char *where = options->log_file ? options->log_file : "standard output";

	if (error == -ECANCELED)
		message_error("stopped by a signal while \"%s\" took no more: the last record is "
			      "not whole",
			      where);
	else if (error == -ENOTSUP)
		message_error("cannot log to \"%s\": it is neither a file nor a character device; "
			      "use -l and redirect the output",
			      where);
	else
		message_error("cannot log to \"%s\": %s", where, strerror(-error));
	return 1;
}

static int report_sample(const struct options *options, int error)
{
	bool gone = error == -ENOENT || error == -ENODEV;

	/* The recording is at its end, or a signal ended the program while it was read. */
	if (error == -ENODATA || error == -EINTR)
		return 0;
	if (gone && options->waits_for_kvm)
		return -1;
	if (gone)
		message_error("cannot go on: the kvm module was unloaded");
	else
		message_error("cannot read the counters: %s", strerror(-error));
	return 1;
}

static int reopen(struct log *log, const struct options *options)
{
	int close_error;
	int r = log_file_reopen(&log->file, &close_error);

	if (close_error < 0)
		message_error("cannot finish the old \"%s\": %s", options->log_file,
			      strerror(-close_error));
	if (r < 0) {
		/* Better to go on in the old file than to lose what happens from now on. */
		message_error("cannot open \"%s\" anew: %s", options->log_file, strerror(-r));
		return 0;
	}
	log->records = 0;
	return write_banner(log);
}

/*
 * Waits for the next record's time. Returns 1 when it has come, 0 when a signal ends the log, or
 * -errno of a write.
 */
static int wait_for_next(struct log *log, const struct options *options, int signal_fd,
			 uint64_t deadline)
{
	for (;;) {
		int signal_number = options->replay ? signals_next(signal_fd)
						    : signals_wait(signal_fd, -1, deadline);

		if (signal_number == 0)
			return 1;
		if (signal_number == SIGHUP && options->log_file) {
			int r = reopen(log, options);

			if (r < 0)
				return r;
			continue;
		}
		return 0;
	}
}

static int log_loop(struct log *log, const struct options *options, int signal_fd)
{
	uint64_t delay = (uint64_t)(options->delay * 1e9);
	uint64_t next = clock_now_ns();
	int r = report_take(&log->record.report);

	if (r < 0)
		return report_sample(options, r);
	r = start_columns(log);
	while (r == 0 && (!options->count || *log->total < options->count)) {
		uint64_t now;

		r = report_follow_guest(&log->record.report);
		if (r < 0)
			return report_sample(options, r);
		now = clock_now_ns();
		if (r > 0)
			next = now;
		/* By the clock, so that records do not drift; what is missed is not made up for. */
		for (next += delay; next <= now;)
			next += delay;
		r = wait_for_next(log, options, signal_fd, next);
		if (r <= 0)
			break;
		r = report_take(&log->record.report);
		if (r < 0)
			return report_sample(options, r);
		r = log_sample(log, options);
	}
	return r < 0 ? report_write(options, r) : 0;
}

int log_check(const struct options *options)
{
	struct log_file file;
	int r = log_file_open(&file, options->log_file, -1);

	if (r == 0)
		r = log_file_close(&file);
	return r < 0 ? report_write(options, r) : 0;
}

int log_run(struct session *session, const struct options *options, int signal_fd, uint64_t *count)
{
	struct log log = {.file = LOG_FILE_NONE, .total = count};
	int status, r = log_file_open(&log.file, options->log_file, signal_fd);

	if (r < 0)
		return report_write(options, r);
	record_start(&log.record, session, options);
	status = log_loop(&log, options, signal_fd);
	r = log_file_close(&log.file);
	if (r < 0 && status == 0)
		status = report_write(options, r);
	record_done(&log.record);
	return status;
}
