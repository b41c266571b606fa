/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/run.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/kvm_uevent.h"
#include "host/message.h"
#include "host/stdout.h"
#include "kvm_stat/exit_table.h"
#include "kvm_stat/explain.h"
#include "kvm_stat/export.h"
#include "kvm_stat/log.h"
#include "kvm_stat/log_file.h"
#include "kvm_stat/record.h"
#include "kvm_stat/recorder.h"
#include "kvm_stat/replay.h"
#include "kvm_stat/screen.h"
#include "kvm_stat/session.h"
#include "kvm_stat/signals.h"
#include "kvm_stat/tui.h"

#define SECOND 1000000000U /* ns */

struct names {
	char **list;
	size_t count;
};

static void take_name(const char *name, void *data)
{
	struct names *names = data;
	char **grown = reallocarray(names->list, names->count + 1, sizeof(*grown));

	if (!grown)
		return;
	names->list = grown;
	grown[names->count] = strdup(name);
	if (grown[names->count])
		names->count++;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * Prints what was written into memory, as log_file_write_stream(): a write by stdio would wait for a
 * reader that stands still without hearing the signals, which are blocked. Returns the exit status.
 */
static int print(FILE *stream, char **text, const size_t *length, int signal_fd)
{
	struct log_file file;
	int r = log_file_open(&file, NULL, signal_fd);

	if (r == 0) {
		r = log_file_write_stream(&file, stream, text, length);
	} else {
		fclose(stream);
		free(*text);
	}
	if (r == -ECANCELED)
		message_error("stopped by a signal while standard output took no more: what was "
			      "printed is not whole");
	else if (r < 0)
		message_error("cannot write to standard output: %s", strerror(-r));
	return r < 0;
}

static int print_names(const struct names *names, int signal_fd)
{
	char *text = NULL;
	size_t i, length = 0;
	FILE *stream = open_memstream(&text, &length);

	if (!stream) {
		message_error("cannot list the fields: %s", strerror(ENOMEM));
		return 1;
	}
	for (i = 0; i < names->count; i++) {
		if (i == 0 || strcmp(names->list[i - 1], names->list[i]))
			fprintf(stream, "  %s\n", names->list[i]);
	}
	return print(stream, &text, &length, signal_fd);
}

/* -f help */
static int list_fields(struct session *session, int signal_fd)
{
	struct names names = {0};
	size_t i;
	int status, r = 0;

	for (i = 0; i < session->source_count && r == 0; i++)
		r = source_list(session->sources[i], take_name, &names);
	if (names.count)
		qsort(names.list, names.count, sizeof(*names.list), compare_names);
	status = print_names(&names, signal_fd);
	for (i = 0; i < names.count; i++)
		free(names.list[i]);
	free(names.list);
	if (r < 0)
		message_error("cannot list the fields: %s", strerror(-r));
	return r < 0 ? 1 : status;
}

/* --exits */
static int write_exits(FILE *stream, const struct rates *rates, bool first)
{
	struct exit_table table = {0};
	int r = exit_table_update(&table, rates, EXIT_INTERVAL);

	if (!first)
		putc('\n', stream);
	if (r == 0)
		output_exits(stream, &table);
	exit_table_done(&table);
	return r;
}

/* Returns 0; 1 when it could not be written, which has been said; or -errno. */
static int print_batch(struct record *record, bool first, int signal_fd)
{
	const struct options *options = record->options;
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);
	int r;

	if (!stream)
		return -ENOMEM;
	if (options->exits && options->format == FORMAT_TEXT)
		r = write_exits(stream, record->report.rates, first);
	else
		r = record_write_batch(record, stream, first);
	if (r == 0)
		return print(stream, &text, &length, signal_fd);
	fclose(stream);
	free(text);
	return r;
}

static int say_unreadable(int error)
{
	message_error("cannot read the counters: %s", strerror(-error));
	return 1;
}

/* The recording has ended before --count did, which is fine unless nothing could be shown. */
static int say_end(const struct source *replay, const struct options *options)
{
	if (replay_count(replay) > 1)
		return 0;
	message_error("\"%s\" has %s: an interval needs two", options->replay,
		      replay_count(replay) ? "one sample only" : "no sample");
	return 1;
}

/* -1: one second, or as many as --count says, each a block of lines. */
static int batch(struct session *session, const struct options *options, int signal_fd)
{
	uint64_t count = options->count ? options->count : 1, i;
	struct source *replay = session->replay;
	cleanup(record_done) struct record record;
	uint64_t deadline;
	int r;

	record_start(&record, session, options);
	r = report_take(&record.report);
	deadline = clock_now_ns();
	/* Of a recording all of it is one interval, unless they are to be shown one by one. */
	if (replay && !options->count)
		replay_leap(replay);
	for (i = 0; i < count && r == 0; i++) {
		uint64_t now;

		r = report_follow_guest(&record.report);
		if (r < 0)
			break;
		now = clock_now_ns();
		if (r > 0)
			deadline = now;
		/* By the clock; what is missed is not made up for by intervals of no time. */
		for (deadline += SECOND; deadline <= now;)
			deadline += SECOND;
		if (replay ? signals_next(signal_fd) : signals_wait(signal_fd, -1, deadline))
			return 0;
		r = report_take(&record.report);
		if (r == 0)
			r = print_batch(&record, i == 0, signal_fd);
	}
	if (r == -ENODATA)
		return say_end(replay, options);
	if (r == -E2BIG) {
		message_error("cannot show this: the recording has too many guests that ended for "
			      "rows of each: select fewer fields with -f, or a guest");
		return 1;
	}
	if (r == -EINTR) /* a signal ends the program, as between two samples */
		return 0;
	return r < 0 ? say_unreadable(r) : r;
}

static int run_mode(struct session *session, const struct options *options, int signal_fd,
		    uint64_t *count)
{
	switch (options->mode) {
	case MODE_LIST_FIELDS:
		return list_fields(session, signal_fd);
	case MODE_LOG:
		return log_run(session, options, signal_fd, count);
	case MODE_EXPORT:
		return export_run(session, options, signal_fd, count);
	case MODE_RECORD:
		return recorder_run(session, options, signal_fd);
	case MODE_SCREEN:
		return tui_run(session, options);
	case MODE_BATCH:
	case MODE_EXPLAIN: /* needs no session: it never comes here */
		break;
	}
	return batch(session, options, signal_fd);
}

/*
 * Waits until the kernel tells that /dev/kvm has appeared. Uevents do not reach containers, and
 * the vendor module follows kvm's own, so it also looks from time to time. Returns whether to go
 * on; not when a signal ends the program.
 */
static bool wait_for_kvm(struct kvm_uevent_monitor *monitor, int signal_fd)
{
	int fd = monitor ? kvm_uevent_fd(monitor) : -1;
	uint64_t deadline = clock_now_ns() + 10U * SECOND;
	struct kvm_uevent event;
	int got;

	do { /* the log's file is not open yet, so a rotation is nothing to us */
		got = signals_wait(signal_fd, fd, deadline);
	} while (got == SIGHUP);

	while (monitor && kvm_uevent_receive(monitor, &event) > 0)
		;
	return got <= 0;
}

static int run(const struct options *options, int signal_fd)
{
	struct kvm_uevent_monitor *monitor = NULL;
	struct session session;
	bool said = false, looked = false, again = false;
	uint64_t count = 0;
	int status, r;

	for (;;) {
		if (options->mode == MODE_SCREEN)
			screen_capture_messages();
		r = session_open(&session, options, again && options->waits_for_kvm);
		if (r == -EINTR) /* a signal ended it while it read a recording */
			status = 0;
		else
			status = r < 0 ? 1 : run_mode(&session, options, signal_fd, &count);
		/* What was damaged has been said, and what was good has been shown. */
		if (r == 0 && status == 0 && session.replay && replay_damage(session.replay))
			status = 1;
		/* It was loaded a moment ago, and may be again already: unloaded and loaded anew. */
		if (session.time.tv_sec) {
			looked = false;
			again = true;
		}
		screen_release_messages();
		session_close(&session);
		if (status >= 0 && !(options->waits_for_kvm && (r == -ENOENT || r == -EAGAIN)))
			break;
		/* Once: nothing is written while it is waited for. */
		if (options->output && !looked)
			export_clear(options);
		/* Once more before it is waited for: what comes after that look is heard of. */
		if (!looked) {
			if (!monitor && kvm_uevent_open(&monitor) < 0)
				monitor = NULL;
			looked = true;
			continue;
		}
		status = said ? 0 : log_check(options);
		if (status)
			break;
		if (!said && r == -ENOENT)
			message_warning("KVM is not loaded; counting starts when it is");
		said |= r == -ENOENT;
		if (!wait_for_kvm(monitor, signal_fd))
			break;
	}
	kvm_uevent_close(monitor);
	return status;
}

int kvm_stat_run(int argc, char *argv[])
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
	struct options options;
	int status, signal_fd;

	setlocale(LC_ALL, "");
	/* Other programs read the numbers: their decimal point is a point for everybody. */
	setlocale(LC_NUMERIC, "C");
	message_set_program(argc > 0 ? argv[0] : NULL, "kvm_stat");
	if (options_parse(argc, argv, &options, &status) <= 0)
		return stdout_close(status);
	if (options.mode == MODE_EXPLAIN)
		return stdout_close(explain_run(options.explain, options.sysroot));
	/* Without a terminal there is no screen: what scripts get is one batch. */
	if (options.mode == MODE_SCREEN && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
		options.mode = MODE_BATCH;
	/* With a log file it means "open the file anew", also below nohup. */
	if (options.log_file)
		signal(SIGHUP, SIG_DFL);
	signal_fd = signals_open(ending, array_size(ending));
	if (signal_fd < 0) {
		message_error("cannot watch signals: %s", strerror(-signal_fd));
		return stdout_close(1);
	}
	status = run(&options, signal_fd);
	close(signal_fd);
	return stdout_close(status);
}
