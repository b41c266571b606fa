/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/tui_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/replay.h"
#include "kvm_stat/signals.h"

#define DELAY_FIRST 0.25 /* seconds until the first rates after a start or a change */
#define NS_PER_S    1000000000ULL

static void refresh_after(struct tui *tui, double seconds)
{
	tui->next_refresh = clock_now_ns() + (uint64_t)(seconds * (double)NS_PER_S);
}

static void fail(struct tui *tui, int error)
{
	tui->failure = error;
	tui->quit = true;
}

void tui_select_row(struct tui *tui, size_t row)
{
	const struct rate *rate = row < tui->rows.count ? tui->rows.list[row].rate : NULL;

	free(tui->row_name);
	free(tui->row_parent);
	tui->row_name = rate ? strdup(rate->name) : NULL;
	tui->row_parent = rate && rate->parent ? strdup(rate->parent) : NULL;
	tui->row_guest = rate ? rate->guest : 0;
	tui->row_thread = rate ? rate->thread : (struct sample_thread){0};
	tui->model.selected = tui->row_name ? row : VIEW_NO_ROW;
}

/* Works out the rows anew. They must never outlive the rates they point into. */
void tui_update_rows(struct tui *tui)
{
	const struct session *session = tui->session;
	int r;

	if (tui->model.kind == VIEW_EXITS) {
		r = exit_table_update(&tui->exits, &session->rates, EXIT_TOTAL);
		r = r < 0 ? r : view_rows_update_exits(&tui->rows, &tui->exits);
	} else {
		r = view_rows_update(&tui->rows, &session->rates, tui->model.sort,
				     session->selection.children);
	}
	if (r < 0)
		fail(tui, r);
	tui->model.selected = tui->row_name
				      ? view_rows_find(&tui->rows, tui->row_name, tui->row_parent,
						       tui->row_guest, &tui->row_thread)
				      : VIEW_NO_ROW;
}

void tui_update_guests(struct tui *tui)
{
	/* On failure the list before is as good as any: rows then show pids. */
	(void)!session_update_guests(tui->session);
}

static bool guests_are_known(const struct session *session)
{
	size_t i;

	for (i = 0; session->only && i < session->rates.count; i++)
		if (!guests_find_pid(&session->guests, session->rates.rows[i].guest))
			return false;
	return true;
}

static void count_refresh(struct tui *tui)
{
	if (tui->refreshes_left && --tui->refreshes_left == 0)
		tui->quit = true;
}

/* Takes over rates that are new, or what kept them away: `r`. */
static void take_rates(struct tui *tui, int r)
{
	const struct rates *rates = &tui->session->rates;

	if (r == -EINTR) { /* a signal ends the program while a recording is read */
		tui->quit = true;
		return;
	}
	if (r < 0) {
		fail(tui, r);
		return;
	}
	if (!guests_are_known(tui->session))
		tui_update_guests(tui);
	tui_update_rows(tui);
	r = history_update(&tui->history, rates);
	if (r < 0)
		fail(tui, r);
	if (!rates->first)
		count_refresh(tui);
}

static void sample(struct tui *tui)
{
	take_rates(tui, session_sample(tui->session));
}

/* The number of the recorded sample that is shown. */
static uint64_t shown(const struct tui *tui)
{
	uint64_t next = replay_next(tui->session->replay);

	return next ? next - 1 : 0;
}

bool tui_at_end(const struct tui *tui)
{
	return shown(tui) + 1 >= replay_count(tui->session->replay);
}

/* Shows a recorded sample, with the rates against the one before it; `follows`: that is shown. */
static void show(struct tui *tui, uint64_t number, bool follows)
{
	if (!follows)
		tui_update_rows(tui);
	/* A recording without samples is a screen without rows. */
	if (!replay_count(tui->session->replay))
		return;
	take_rates(tui,
		   follows ? session_sample(tui->session) : session_seek(tui->session, number));
	tui_update_guests(tui);
	/* It may also come later. */
	tui->model.dead = session_guest_ended(tui->session) &&
			  replay_guest_ended(tui->session->replay, tui->session->selection.pid);
}

void tui_step(struct tui *tui, int64_t step)
{
	uint64_t last = replay_count(tui->session->replay), from = shown(tui), to;

	last -= last > 0;
	if (step < 0)
		to = from > (uint64_t)-step ? from - (uint64_t)-step : 0;
	else
		to = (uint64_t)step < last - from ? from + (uint64_t)step : last;
	/* Past rates are kept only while they follow each other. */
	if (to != from && to != from + 1)
		history_clear(&tui->history);
	if (to != from)
		show(tui, to, to == from + 1);
	refresh_after(tui, tui->delay);
}

void tui_refresh_soon(struct tui *tui)
{
	refresh_after(tui, DELAY_FIRST);
}

void tui_restart(struct tui *tui, int result)
{
	(void)result;
	history_clear(&tui->history);
	if (tui->session->replay) {
		show(tui, shown(tui), false);
		refresh_after(tui, tui->delay);
		return;
	}
	tui_update_rows(tui);
	sample(tui);
	tui_refresh_soon(tui);
}

void tui_select_pid(struct tui *tui, pid_t pid)
{
	int r = session_select_guest(tui->session, pid);

	tui->drilled = false;
	if (r == 0)
		tui->model.dead = false;
	tui_restart(tui, r);
}

int tui_select_kind(struct tui *tui, enum view_kind kind, const char *only, pid_t pid, pid_t tid)
{
	struct selection selection = tui->session->selection;
	/* The session frees its own names meanwhile. */
	char *event = only ? strdup(only) : NULL;
	int r;

	if (only && !event)
		return -ENOMEM;
	selection.by = kind == VIEW_GUESTS ? BY_GUEST : kind == VIEW_VCPUS ? BY_VCPU : BY_FIELD;
	selection.only = event;
	selection.latency = selection.exits_only = kind == VIEW_EXITS;
	selection.pid = pid;
	selection.tid = tid;
	r = session_select(tui->session, &selection);
	if (r == 0) {
		tui->model.kind = kind;
		tui_select_row(tui, VIEW_NO_ROW);
		tui->model.dead = false;
	}
	if (r == 0 && event) {
		free(tui->event);
		tui->event = take_ptr(event);
	}
	free(event);
	tui_restart(tui, r);
	return r;
}

bool tui_check_guest(struct tui *tui)
{
	pid_t pid;
	enum session_guest guest = session_look_at_guest(tui->session, &pid);

	tui->model.dead = guest != SESSION_GUEST_RUNS;
	if (guest == SESSION_GUEST_BACK)
		tui_select_pid(tui, pid);
	return guest == SESSION_GUEST_RUNS;
}

void tui_refresh(struct tui *tui)
{
	/* Keys go on; at the end and in a pause nothing else does. */
	if (tui->session->replay) {
		if (tui->paused || tui_at_end(tui))
			refresh_after(tui, 3600);
		else
			tui_step(tui, 1);
		return;
	}
	refresh_after(tui, tui->delay);
	/* Of a guest that is gone, the last numbers stay. */
	if (tui_check_guest(tui))
		sample(tui);
	else
		count_refresh(tui);
}

void tui_start(struct tui *tui)
{
	tui_update_guests(tui);
	tui->model.selected = VIEW_NO_ROW;
	tui_restart(tui, 0);
}

void tui_done(struct tui *tui)
{
	free(take_ptr(tui->row_name));
	free(take_ptr(tui->row_parent));
	free(take_ptr(tui->event));
	exit_table_done(&tui->exits);
	history_clear(&tui->history);
	prompt_done(&tui->prompt);
	view_rows_done(&tui->rows);
}
