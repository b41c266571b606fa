/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/report.h"

#include <errno.h>
#include <string.h>

#include "host/message.h"

void report_start(struct report *report, struct session *session, bool lists_guests)
{
	*report = (struct report){.rates = &session->rates,
				  .guests = &session->guests,
				  .pid = session->selection.pid,
				  .by = session->selection.by,
				  .session = session,
				  .lists_guests = lists_guests};
	if (session_host_name(session, report->host_name, sizeof(report->host_name)))
		report->host = report->host_name;
}

pid_t report_guest_pid(const struct report *report, const struct rate *rate)
{
	return rate->guest ? rate->guest : report->pid;
}

const struct guest *report_guest(const struct report *report, const struct rate *rate)
{
	pid_t pid = report_guest_pid(report, rate);

	/* Another guest may have its number by now. */
	if (report->ended && pid == report->pid && report->guest.name)
		return &report->guest;
	return pid ? guests_find_pid(report->guests, pid) : NULL;
}

static void list_guests(struct report *report)
{
	int r = session_update_guests(report->session);

	if (r < 0 && !report->said) {
		message_warning("cannot list the guests, so they have no names: %s", strerror(-r));
		report->said = true;
	}
}

static bool knows_guests(const struct report *report)
{
	size_t i;

	for (i = 0; i < report->rates->count; i++) {
		const struct rate *rate = &report->rates->rows[i];

		if (report_guest_pid(report, rate) && !report_guest(report, rate))
			return false;
	}
	return true;
}

int report_take(struct report *report)
{
	struct session *session = report->session;
	int r;

	/* Before the sample, for guests that end after it; again for those that came in between. */
	if (report->lists_guests)
		list_guests(report);
	r = session_sample(session);
	if (r < 0)
		return r;
	report->time = session->time;
	if (report->rates->first)
		report->start = report->time;
	if (report->lists_guests && !knows_guests(report))
		list_guests(report);
	report->ended = session_guest_ended(session);
	report->guest = (struct guest){session->watched.pid, session->watched.name,
				       session->watched.raw_name};
	report->source_count = session_list_sources(session, report->sources);
	return 0;
}

static void say_ended(struct report *report)
{
	const char *name = report->session->watched.raw_name;

	if (report->said_ended)
		return;
	report->said_ended = true;
	if (report->session->follows_name && name)
		message_warning("guest \"%s\" (process %d) has ended; counting goes on when it is "
				"back",
				name, (int)report->pid);
	else
		message_warning("process %d has ended: nothing more is counted", (int)report->pid);
}

int report_follow_guest(struct report *report)
{
	struct session *session = report->session;
	enum session_guest guest;
	pid_t pid;
	int r;

	guest = session_look_at_guest(session, &pid);
	if (guest == SESSION_GUEST_ENDED)
		say_ended(report);
	if (guest != SESSION_GUEST_BACK || pid == report->failed)
		return 0;
	/* Should that fail, the reason has been said, and the selection before counts again. */
	if (session_select_guest(session, pid) == 0) {
		report->pid = pid;
		report->said_ended = false;
		message_warning("guest \"%s\" is back as process %d; its totals start from 0",
				session->watched.raw_name, (int)pid);
	} else {
		report->failed = pid;
	}
	r = report_take(report);
	return r < 0 ? r : 1;
}

static int compare_rows(const void *a, const void *b)
{
	const struct rate *left = *(const struct rate *const *)a;
	const struct rate *right = *(const struct rate *const *)b;

	if (left->guest != right->guest)
		return left->guest < right->guest ? -1 : 1;
	if (left->thread.is_vcpu != right->thread.is_vcpu)
		return left->thread.is_vcpu < right->thread.is_vcpu ? -1 : 1;
	if (left->thread.vcpu != right->thread.vcpu)
		return left->thread.vcpu < right->thread.vcpu ? -1 : 1;
	if (left->thread.tid != right->thread.tid)
		return left->thread.tid < right->thread.tid ? -1 : 1;
	/* Both are of one array, which is sorted. */
	return (left > right) - (left < right);
}

int report_rows_by_guest(const struct report *report, const struct rate ***ret_rows)
{
	size_t i, count = report->rates->count;
	const struct rate **rows = calloc(count ? count : 1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		rows[i] = &report->rates->rows[i];
	if (count)
		qsort(rows, count, sizeof(*rows), compare_rows);
	*ret_rows = rows;
	return 0;
}
