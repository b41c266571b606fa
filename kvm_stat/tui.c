/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/tui.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "host/kvm_uevent.h"
#include "host/message.h"
#include "kvm_stat/replay.h"
#include "kvm_stat/screen.h"
#include "kvm_stat/signals.h"
#include "kvm_stat/tui_state.h"

#define NOTICE_SECONDS 8
#define NS_PER_S       1000000000ULL

/* Read like keys: no handler runs while ncurses writes. */
static const int handled_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};

/* What the loop waits for, and what is on the screen. */
struct loop {
	struct tui tui;
	struct view_spans spans;
	size_t messages_seen;
	uint64_t notice_until;
	int signals;                        /* signalfd */
	struct kvm_uevent_monitor *monitor; /* NULL: guests are only looked for on refresh */
};

/* Stops as any program does on Ctrl-Z, with the terminal in order meanwhile. */
static void suspend(struct session *session)
{
	session_give_back(session);
	screen_suspend();
	signals_stop();
	screen_resume();
}

static void take_signals(struct loop *loop)
{
	int number;

	while ((number = signals_next(loop->signals)) > 0) {
		if (number == SIGWINCH)
			screen_resize();
		else if (number == SIGTSTP)
			suspend(loop->tui.session);
		else
			loop->tui.quit = true;
	}
}

static void take_keys(struct loop *loop)
{
	struct tui *tui = &loop->tui;
	bool refresh = false;
	uint32_t key;

	while (!tui->quit && (key = screen_read_key()) != SCREEN_KEY_NONE)
		refresh |= tui_take_key(tui, key);
	/* Once, however many keys a hurried user pressed. */
	if (refresh && !tui->quit && !tui->session->replay)
		tui_refresh(tui);
}

static void take_uevents(struct loop *loop)
{
	struct tui *tui = &loop->tui;
	struct kvm_uevent event;
	bool guests = false, device = false;

	while (kvm_uevent_receive(loop->monitor, &event) > 0) {
		if (event.kind == KVM_UEVENT_VM_CREATED || event.kind == KVM_UEVENT_VM_DESTROYED)
			guests = true;
		else
			device = true;
	}
	if (guests) {
		tui_update_guests(tui);
		(void)tui_check_guest(tui);
	}
	/* Whether the sources outlive the module is theirs to tell. */
	if (device)
		tui_refresh(tui);
}

/* The message or remark that is due on the screen, or NULL. */
static const char *notice(struct loop *loop)
{
	size_t count;
	const char *message = screen_message(&count);

	if (count != loop->messages_seen) {
		loop->messages_seen = count;
		loop->notice_until = clock_now_ns() + NOTICE_SECONDS * NS_PER_S;
	}
	if (message && clock_now_ns() < loop->notice_until)
		return message;
	if (loop->tui.session->rates.partial)
		return "a guest ended, counters were cleared or events lost: numbers are too low";
	return NULL;
}

/* Where the recording is: its time, the sample, and whether it goes on. */
static void set_position(struct tui *tui)
{
	const struct session *session = tui->session;
	uint64_t count = replay_count(session->replay), next = replay_next(session->replay);
	char clock[16] = "";
	struct tm local;

	if (next && localtime_r(&session->time.tv_sec, &local))
		strftime(clock, sizeof(clock), "%H:%M:%S ", &local);
	snprintf(tui->model.position, sizeof(tui->model.position), "%s%" PRIu64 "/%" PRIu64 "%s",
		 clock, next, count,
		 tui_at_end(tui) ? " end"
		 : tui->paused   ? " paused"
				 : "");
}

static void prepare_model(struct loop *loop, int height)
{
	const struct session *session = loop->tui.session;
	struct view_model *model = &loop->tui.model;

	model->notice = notice(loop);
	model->rates = &session->rates;
	model->rows = &loop->tui.rows;
	model->guests = &session->guests;
	model->pid = session->selection.pid;
	model->guest_name = session->watched.name;
	model->pattern = field_filter_pattern(session->filter);
	model->tid = session->selection.tid;
	model->only = session->only;
	model->exits = &loop->tui.exits;
	model->history = &loop->tui.history;
	model->unreadable = session_is_unreadable(session);
	model->utf8 = screen_utf8();
	if (session->replay)
		set_position(&loop->tui);
	model->first = view_first_row(model, height);
}

static void draw(struct loop *loop)
{
	const struct tui *tui = &loop->tui;
	const struct session *session = tui->session;
	struct prompt_context context = {.pattern = field_filter_pattern(session->filter),
					 .delay = tui->delay,
					 .guests = &session->guests};
	struct prompt_help help[32];
	size_t count;
	int width, height;

	screen_size(&width, &height);
	prepare_model(loop, height);
	switch (tui->page) {
	case TUI_LIST:
		view_layout(&tui->model, width, height, &loop->spans);
		break;
	case TUI_DETAIL:
		view_detail_layout(&tui->model, width, height, &loop->spans);
		break;
	case TUI_HELP:
		count = tui_help_lines(tui, help, array_size(help));
		prompt_help_layout(help, count, width, height, &loop->spans);
		break;
	case TUI_PROMPT:
		prompt_layout(&tui->prompt, &context, width, height, &loop->spans);
		break;
	}
	screen_draw(&loop->spans);
}

static struct timespec time_to_wait(const struct loop *loop)
{
	uint64_t now = clock_now_ns(), until = loop->tui.next_refresh;

	if (loop->notice_until > now && loop->notice_until < until)
		until = loop->notice_until;
	until = until > now ? until - now : 0;
	return (struct timespec){.tv_sec = (time_t)(until / NS_PER_S),
				 .tv_nsec = (long)(until % NS_PER_S)};
}

static void wait_and_act(struct loop *loop)
{
	struct pollfd fds[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = loop->signals, .events = POLLIN},
		{.fd = loop->monitor ? kvm_uevent_fd(loop->monitor) : -1, .events = POLLIN},
	};
	struct tui *tui = &loop->tui;
	struct timespec timeout = time_to_wait(loop);

	if (ppoll(fds, array_size(fds), &timeout, NULL) < 0) {
		if (errno != EINTR) {
			tui->failure = -errno;
			tui->quit = true;
		}
		return;
	}
	if (fds[1].revents)
		take_signals(loop);
	if (fds[0].revents & POLLIN)
		take_keys(loop);
	/* The terminal has gone away, perhaps without a SIGHUP for us. */
	if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		tui->quit = true;
	if (fds[2].revents)
		take_uevents(loop);
	if (!tui->quit && clock_now_ns() >= tui->next_refresh)
		tui_refresh(tui);
}

static int open_failed(int error)
{
	const char *term = getenv("TERM");

	if (error == -ENOTTY)
		message_error("the screen needs a terminal: standard input or output is none");
	else if (error == -EINVAL)
		message_error("the screen cannot be used on a terminal of type '%s' ($TERM)",
			      term ? term : "");
	else
		message_error("cannot open the screen: %s", strerror(-error));
	return 1;
}

static int exit_status(int failure)
{
	if (failure == -ENOENT || failure == -ENODEV)
		message_error("KVM is gone: its modules were unloaded while kvm_stat ran");
	else if (failure < 0)
		message_error("cannot read the statistics of KVM: %s", strerror(-failure));
	return failure < 0;
}

int tui_run(struct session *session, const struct options *options)
{
	struct loop loop = {.tui = {.session = session,
				    .delay = options->delay,
				    .refreshes_left = options->count}};
	struct tui *tui = &loop.tui;
	int r;

	/* A recording goes on as fast as it was made, unless the user wants it otherwise. */
	if (session->replay && !options->delay_given &&
	    !options_delay_error(replay_head(session->replay)->interval))
		tui->delay = replay_head(session->replay)->interval;
	loop.signals = signals_open(handled_signals, array_size(handled_signals));
	r = loop.signals < 0 ? loop.signals : 0;

	/* Signals that came before are taken now: the terminal is never left half set up. */
	if (r == 0)
		r = screen_open();
	if (r == 0) {
		/* The events of this host tell nothing about another root's guests. */
		if (session->root.real && !session->replay && kvm_uevent_open(&loop.monitor) < 0)
			loop.monitor = NULL;
		tui_start(tui);
		while (!tui->quit) {
			draw(&loop);
			wait_and_act(&loop);
		}
		screen_close();
	}
	kvm_uevent_close(loop.monitor);
	tui_done(tui);
	view_spans_done(&loop.spans);
	if (loop.signals >= 0)
		close(loop.signals);
	return r < 0 ? open_failed(r) : exit_status(tui->failure);
}
