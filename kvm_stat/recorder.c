/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "host/message.h"
#include "kvm_stat/recording_writer.h"
#include "kvm_stat/signals.h"
#include "version.h"

struct recorder {
	struct session *session;
	struct recording_writer *writer;
	bool said_guests; /* that they cannot be listed */
};

static int say_write(const struct options *options, int error)
{
	if (error == -EEXIST)
		message_error("cannot record to \"%s\": it exists, and is left as it is",
			      options->record);
	else if (error == -E2BIG)
		message_error("cannot go on recording to \"%s\": there are too many rows",
			      options->record);
	else
		message_error("cannot record to \"%s\": %s", options->record, strerror(-error));
	return 1;
}

static int say_read(int error)
{
	if (error == -ENOENT || error == -ENODEV)
		message_error("cannot go on: the kvm module was unloaded");
	else
		message_error("cannot read the counters: %s", strerror(-error));
	return 1;
}

static int open_writer(struct recorder *recorder, const struct options *options)
{
	const struct session *session = recorder->session;
	struct recording_head head = {.source_count = session->source_count,
				      .by = session->selection.by,
				      .interval = options->delay,
				      .program = (char *)PROJECT_VERSION};
	char host[65], kernel[65];
	size_t i;

	if (host_read_line(&session->root, "proc/sys/kernel/hostname", host, sizeof(host)) > 0)
		head.host = host;
	if (host_read_line(&session->root, "proc/sys/kernel/osrelease", kernel, sizeof(kernel)) > 0)
		head.kernel = kernel;
	for (i = 0; i < session->source_count; i++)
		head.sources[i] = (char *)source_name(session->sources[i]->ops->kind);
	return recording_writer_open(options->record, &head, &recorder->writer);
}

static void list_guests(struct recorder *recorder)
{
	int r = session_update_guests(recorder->session);

	if (r < 0 && !recorder->said_guests)
		message_warning("cannot list the guests, so they have no names: %s", strerror(-r));
	recorder->said_guests |= r < 0;
}

/*
 * The guests that the file tells of: with -p or -g nobody's but that one, nor that of who has its
 * number when it has ended. It may be given to others, and a replay would show those it knows as
 * guests that did nothing.
 */
static struct guests selected_guests(const struct session *session)
{
	const struct guests *all = &session->guests;
	const struct guest *one;

	if (!session->selection.pid)
		return *all;
	one = session_guest_ended(session) ? NULL : guests_find_pid(all, session->selection.pid);
	return one ? (struct guests){.list = all->list + (one - all->list), .count = 1}
		   : (struct guests){0};
}

/* Records a sample. Returns -1 to go on, or the exit status. */
static int record_sample(struct recorder *recorder, const struct options *options)
{
	struct session *session = recorder->session;
	struct recording_moment moment = {0};
	struct guests guests;
	size_t i;
	int r;

	list_guests(recorder);
	r = session_read(session);
	if (r < 0)
		return say_read(r);
	guests = selected_guests(session);
	moment.monotonic_ns = session->sample.time_ns;
	moment.time = session->time;
	moment.partial = session->sample.partial;
	for (i = 0; i < session->source_count; i++)
		moment.unreadable[i] = session->unreadable[i];
	r = recording_writer_add(recorder->writer, &session->sample, &moment, &guests);
	return r < 0 ? say_write(options, r) : -1;
}

static int record_all(struct recorder *recorder, const struct options *options, int signal_fd)
{
	uint64_t delay = (uint64_t)(options->delay * 1e9);
	uint64_t next = clock_now_ns(), left = options->count;
	int status = record_sample(recorder, options);

	/* With --count so many intervals, as elsewhere: between one sample more. */
	while (status < 0) {
		uint64_t now = clock_now_ns();

		if (options->count && !left--)
			return 0;
		for (next += delay; next <= now;)
			next += delay;
		if (signals_wait(signal_fd, -1, next) != 0)
			return 0;
		status = record_sample(recorder, options);
	}
	return status;
}

int recorder_run(struct session *session, const struct options *options, int signal_fd)
{
	struct recorder recorder = {.session = session};
	int status, r = open_writer(&recorder, options);

	if (r < 0)
		return say_write(options, r);
	status = record_all(&recorder, options, signal_fd);
	r = recording_writer_close(recorder.writer);
	return r < 0 ? say_write(options, r) : status;
}
