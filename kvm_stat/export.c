/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/export.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "host/message.h"
#include "kvm_stat/metrics.h"
#include "kvm_stat/signals.h"
#include "kvm_stat/textfile.h"

struct export
{
	struct report report;
	const struct options *options;
	uint64_t write_errors;
	int error; /* -errno of the last write, which has been said */
	bool said_limit;
};

static void say_write(const struct options *options, int error)
{
	const char *path = options->output;

	if (error == -ELOOP)
		message_error("cannot write \"%s\": it is a symbolic link: name the file itself",
			      path);
	else if (error == -ENOTSUP)
		message_error("cannot write \"%s\": it is no regular file: use -l for the metrics "
			      "on standard output",
			      path);
	else
		message_error("cannot write \"%s\": %s; it is tried again with each sample", path,
			      strerror(-error));
}

void export_clear(const struct options *options)
{
	int r = textfile_remove(options->output);

	if (r < 0)
		message_error("cannot remove \"%s\", whose numbers hold no more: %s",
			      options->output, strerror(-r));
}

/* Says once that guests are left out: their series are missed sooner than those that tell of it. */
static void say_limit(struct export *export, size_t dropped)
{
	if (dropped && !export->said_limit)
		message_warning(
			"%zu guests are left out of \"%s\", as there would be more than %" PRIu64
			" series (--limit)",
			dropped, export->options->output, export->options->limit);
	export->said_limit |= dropped > 0;
}

static int write_metrics(struct export *export)
{
	struct metrics_options metrics = {.openmetrics = export->options->format ==
							 FORMAT_OPENMETRICS,
					  .limit = export->options->limit,
					  .write_errors = export->write_errors};
	char *text = NULL;
	size_t length = 0, dropped = 0;
	FILE *stream = open_memstream(&text, &length);
	int r = stream ? metrics_write(stream, &export->report, &metrics, &dropped) : -ENOMEM;

	if (stream && fclose(stream) != 0)
		r = -ENOMEM;
	say_limit(export, dropped);
	if (r == 0)
		r = textfile_write(export->options->output, text, length);
	free(text);
	return r;
}

/* Takes a sample and writes it. Returns 0, also when it could not be written, or -errno. */
static int export_sample(struct export *export)
{
	int error, r = report_take(&export->report);

	if (r < 0)
		return r;
	error = write_metrics(export);
	export->write_errors += error < 0;
	if (error < 0 && error != export->error)
		say_write(export->options, error);
	export->error = error;
	return 0;
}

/* Ends because of the counters. Returns as export_run(). */
static int end_unreadable(const struct options *options, int error)
{
	if (error == -ENOENT || error == -ENODEV)
		return -1; /* which clears it */
	export_clear(options);
	message_error("cannot read the counters: %s", strerror(-error));
	return 1;
}

int export_run(struct session *session, const struct options *options, int signal_fd,
	       uint64_t *count)
{
	struct export export = {.options = options};
	uint64_t delay = (uint64_t)(options->delay * 1e9);
	uint64_t next = clock_now_ns();

	textfile_sweep(options->output);
	report_start(&export.report, session, true);
	for (;;) {
		uint64_t now;
		int r = export_sample(&export);

		if (r < 0)
			return end_unreadable(options, r);
		if (options->count && ++*count >= options->count)
			return export.error < 0;
		r = report_follow_guest(&export.report);
		if (r < 0)
			return end_unreadable(options, r);
		now = clock_now_ns();
		if (r > 0)
			next = now;
		for (next += delay; next <= now;)
			next += delay;
		if (signals_wait(signal_fd, -1, next) != 0)
			break;
	}
	export_clear(options);
	return 0;
}
