/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each key does. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "host/message.h"
#include "host/number.h"
#include "kvm_stat/options.h"
#include "kvm_stat/screen.h"
#include "kvm_stat/tui_state.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

static const struct rate *find_field(const struct tui *tui, const char *name)
{
	size_t row = view_rows_find(&tui->rows, name, NULL, 0, NULL);

	return row == VIEW_NO_ROW ? NULL : tui->rows.list[row].rate;
}

static bool has_source(const struct session *session, enum source_kind kind)
{
	struct session_source sources[SESSION_SOURCES_MAX];
	size_t i, count = session_list_sources(session, sources);

	for (i = 0; i < count; i++) {
		if (strcmp(sources[i].name, source_name(kind)) == 0)
			return true;
	}
	return false;
}

static bool has_event(const struct tui *tui, const char *name)
{
	const struct rates *rates = &tui->session->rates;
	size_t i;

	for (i = 0; i < rates->count; i++) {
		if (strcmp(rates->rows[i].name, name) == 0)
			return true;
	}
	return false;
}

/*
 * The event that guests or vCPUs are compared by: the selected one, the one before, all exits, or
 * the busiest, which among debugfs' events may be one that is not known of vCPUs.
 */
static const char *event_to_compare(const struct tui *tui, enum view_kind kind)
{
	const struct session *session = tui->session;
	const struct rates *rates = &session->rates;
	bool by_vcpu = kind == VIEW_VCPUS;

	if (tui->session->only)
		return tui->session->only;
	if (tui->model.selected < tui->rows.count)
		return tui->rows.list[tui->model.selected].rate->name;
	if (tui->model.kind == VIEW_EXITS)
		return tui->event ? tui->event : "kvm_exit";
	if (has_event(tui, "exits") && (!by_vcpu || has_source(session, SOURCE_STATS)))
		return "exits";
	if (by_vcpu && has_event(tui, "kvm_exit") && has_source(session, SOURCE_DEBUGFS))
		return "kvm_exit";
	if (find_field(tui, "kvm_exit"))
		return "kvm_exit";
	if (tui->rows.count)
		return tui->rows.list[0].rate->name;
	return rates->count ? rates->rows[0].name : NULL;
}

/* Shows guests or vCPUs of an event, or goes back to the events. */
static void compare(struct tui *tui, enum view_kind kind)
{
	bool back = tui->model.kind == kind;
	const char *event = back ? NULL : event_to_compare(tui, kind);
	pid_t pid = tui->session->selection.pid;

	if (!back && !event) {
		message_warning("there is no event yet to show by guest");
		return;
	}
	(void)!tui_select_kind(tui, back ? VIEW_EVENTS : kind, event, pid, 0);
}

static void key_guests(struct tui *tui)
{
	compare(tui, VIEW_GUESTS);
}

static void key_vcpus(struct tui *tui)
{
	compare(tui, VIEW_VCPUS);
}

static void key_exits(struct tui *tui)
{
	enum view_kind kind = tui->model.kind == VIEW_EXITS ? VIEW_EVENTS : VIEW_EXITS;

	(void)!tui_select_kind(tui, kind, NULL, tui->session->selection.pid, 0);
}

/* From guests to the vCPUs of one, from vCPUs to the exits of one, and to the page of any other. */
static void key_down_into(struct tui *tui)
{
	const struct rate *rate = tui->model.selected < tui->rows.count
					  ? tui->rows.list[tui->model.selected].rate
					  : NULL;
	pid_t pid = tui->session->selection.pid;

	if (!rate)
		return;
	if (tui->model.kind == VIEW_GUESTS &&
	    tui_select_kind(tui, VIEW_VCPUS, tui->session->only, rate->guest, 0) == 0)
		tui->drilled = true;
	else if (tui->model.kind == VIEW_VCPUS &&
		 tui_select_kind(tui, VIEW_EXITS, NULL, rate->guest, rate->thread.tid) == 0)
		tui->vcpus_pid = pid;
	else if (tui->model.kind == VIEW_EVENTS || tui->model.kind == VIEW_EXITS)
		tui->page = TUI_DETAIL;
}

/* Back to where key_down_into() came from. */
static void key_up_from(struct tui *tui)
{
	pid_t pid = tui->session->selection.pid;

	if (tui->model.kind == VIEW_EXITS && tui->session->selection.tid && tui->event) {
		(void)!tui_select_kind(tui, VIEW_VCPUS, tui->event, tui->vcpus_pid, 0);
	} else if (tui->model.kind == VIEW_VCPUS && tui->drilled) {
		tui->drilled = false;
		(void)!tui_select_kind(tui, VIEW_GUESTS, tui->session->only, 0, 0);
	} else if (tui->model.kind != VIEW_EVENTS) {
		(void)!tui_select_kind(tui, VIEW_EVENTS, NULL, pid, 0);
	}
}

static void key_clear(struct tui *tui)
{
	struct session *session = tui->session;
	cleanup_free char *why = NULL;

	if (session->filter)
		tui_restart(tui, session_select_fields(session, "", &why));
	if (session->selection.pid)
		tui_select_pid(tui, 0);
}

static void ask(struct tui *tui, enum prompt_kind kind)
{
	prompt_start(&tui->prompt, kind);
	tui->page = TUI_PROMPT;
}

static void key_fields(struct tui *tui)
{
	ask(tui, PROMPT_FIELDS);
}

static void key_guest(struct tui *tui)
{
	tui_update_guests(tui);
	ask(tui, PROMPT_GUEST);
}

static void key_delay(struct tui *tui)
{
	ask(tui, PROMPT_DELAY);
}

static void key_help(struct tui *tui)
{
	tui->page = TUI_HELP;
}

static void key_sort(struct tui *tui)
{
	tui->model.sort = tui->model.sort == VIEW_SORT_RATE ? VIEW_SORT_TOTAL : VIEW_SORT_RATE;
	tui_update_rows(tui);
}

static void key_quit(struct tui *tui)
{
	tui->quit = true;
}

static void key_reset(struct tui *tui)
{
	session_reset(tui->session);
	tui_restart(tui, 0);
}

static void key_children(struct tui *tui)
{
	struct selection selection = tui->session->selection;

	selection.children = !selection.children;
	tui_restart(tui, session_select(tui->session, &selection));
}

static void move(struct tui *tui, ptrdiff_t rows)
{
	ptrdiff_t count = (ptrdiff_t)tui->rows.count;
	ptrdiff_t to = (ptrdiff_t)tui->model.first + (rows == 1 || rows == -1 ? 0 : rows);

	if (!count)
		return;
	if (tui->model.selected < tui->rows.count)
		to = (ptrdiff_t)tui->model.selected + rows;
	to = to < 0 ? 0 : to >= count ? count - 1 : to;
	tui_select_row(tui, (size_t)to);
}

static ptrdiff_t page_rows(const struct tui *tui)
{
	int width, height;

	screen_size(&width, &height);
	return (ptrdiff_t)view_page(&tui->model, height);
}

static void key_up(struct tui *tui)
{
	move(tui, -1);
}

static void key_down(struct tui *tui)
{
	move(tui, 1);
}

static void key_page_up(struct tui *tui)
{
	move(tui, -page_rows(tui));
}

static void key_page_down(struct tui *tui)
{
	move(tui, page_rows(tui));
}

static void key_home(struct tui *tui)
{
	tui_select_row(tui, 0);
}

static void key_end(struct tui *tui)
{
	if (tui->rows.count)
		tui_select_row(tui, tui->rows.count - 1);
}

/* In a recording */

#define LEAP 10 /* samples */

static void key_pause(struct tui *tui)
{
	tui->paused = !tui->paused;
	tui_refresh_soon(tui);
}

static void step(struct tui *tui, int64_t samples)
{
	tui->paused = true;
	tui_step(tui, samples);
}

static void key_next(struct tui *tui)
{
	step(tui, 1);
}

static void key_back(struct tui *tui)
{
	step(tui, -1);
}

static void key_leap_on(struct tui *tui)
{
	step(tui, LEAP);
}

static void key_leap_back(struct tui *tui)
{
	step(tui, -LEAP);
}

static void key_first_sample(struct tui *tui)
{
	step(tui, -INT64_MAX);
}

static void key_last_sample(struct tui *tui)
{
	step(tui, INT64_MAX);
}

static void key_unselect(struct tui *tui)
{
	tui_select_row(tui, VIEW_NO_ROW);
}

/* In the order of the help page; what has no text is the second key of the line before. */
static const struct key_binding {
	uint32_t key;
	void (*act)(struct tui *tui);
	const char *label, *help;
} bindings[] = {
	{'b', key_guests, "b", "one row for each guest, of the selected event; again: back"},
	{'c', key_clear, "c", "clear the regex filter and the guest"},
	{'e', key_exits, "e", "how long exits take, by reason; again: back"},
	{'f', key_fields, "f", "filter events by a regular expression"},
	{'g', key_guest, "g, p", "show one guest, by name or pid"},
	{'p', key_guest, NULL, NULL},
	{'h', key_help, "h, ?", "this page"},
	{'?', key_help, NULL, NULL},
	{'o', key_sort, "o", "sort by total, or by current rate"},
	{'q', key_quit, "q", "quit"},
	{'r', key_reset, "r", "reset: all totals start from 0"},
	{'s', key_delay, "s",
	 "set the time between refreshes (" TEXT(DELAY_MIN) " to " TEXT(DELAY_MAX) " seconds)"},
	{'v', key_vcpus, "v", "one row for each vCPU, of the selected event; again: back"},
	{'x', key_children, "x", "show exit reasons below their events; totals start from 0"},
	{SCREEN_KEY_UP, key_up, "Up, Down", "select a row (also k and j)"},
	{'k', key_up, NULL, NULL},
	{SCREEN_KEY_DOWN, key_down, NULL, NULL},
	{'j', key_down, NULL, NULL},
	{SCREEN_KEY_PAGE_UP, key_page_up, "PgUp, PgDn", "scroll by a screen"},
	{SCREEN_KEY_PAGE_DOWN, key_page_down, NULL, NULL},
	{SCREEN_KEY_HOME, key_home, "Home, End", "go to the first or the last row"},
	{SCREEN_KEY_END, key_end, NULL, NULL},
	{SCREEN_KEY_ENTER, key_down_into, "Enter",
	 "the row's page; of guests: their vCPUs; of vCPUs: their exits"},
	{SCREEN_KEY_BACKSPACE, key_up_from, "Backspace", "go back from there"},
	{SCREEN_KEY_ESCAPE, key_unselect, "Esc", "select no row"},
};

/* Only in a recording; elsewhere these are keys like any other, which refresh. */
static const struct key_binding replay_bindings[] = {
	{' ', key_pause, "Space", "stop the recording, and let it go on"},
	{'.', key_next, "., Right", "the next sample"},
	{SCREEN_KEY_RIGHT, key_next, NULL, NULL},
	{',', key_back, "\",\", Left", "the sample before"},
	{SCREEN_KEY_LEFT, key_back, NULL, NULL},
	{']', key_leap_on, "], [", TEXT(LEAP) " samples on or back"},
	{'[', key_leap_back, NULL, NULL},
	{'<', key_first_sample, "<, >", "the first or the last sample"},
	{'>', key_last_sample, NULL, NULL},
};

static const struct key_binding *find_binding(const struct key_binding *list, size_t count,
					      uint32_t key)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (list[i].key == key)
			return &list[i];
	return NULL;
}

static const struct key_binding *binding_of(const struct tui *tui, uint32_t key)
{
	const struct key_binding *found = find_binding(bindings, array_size(bindings), key);

	if (!found && tui->session->replay)
		found = find_binding(replay_bindings, array_size(replay_bindings), key);
	return found;
}

static size_t add_help(const struct key_binding *list, size_t listed, struct prompt_help *lines,
		       size_t count, size_t room)
{
	size_t i;

	for (i = 0; i < listed && count < room; i++)
		if (list[i].help)
			lines[count++] = (struct prompt_help){list[i].label, list[i].help};
	return count;
}

size_t tui_help_lines(const struct tui *tui, struct prompt_help *ret_lines, size_t room)
{
	size_t count = add_help(bindings, array_size(bindings), ret_lines, 0, room);

	if (tui->session->replay)
		return add_help(replay_bindings, array_size(replay_bindings), ret_lines, count,
				room);
	if (count < room)
		ret_lines[count++] = (struct prompt_help){"other keys", "refresh at once"};
	return count;
}

/* The answers: each returns whether it was accepted. */
static bool accept_fields(struct tui *tui)
{
	cleanup_free char *text = strdup(tui->prompt.input);
	cleanup_free char *why = NULL;
	int r = text ? session_select_fields(tui->session, text, &why) : -ENOMEM;

	if (r == -EINVAL)
		prompt_refuse(&tui->prompt, "\"%s\": no valid regex: %s", text, why ? why : "");
	tui_restart(tui, r);
	return r != -EINVAL;
}

static bool parse_guest(struct tui *tui, const char *text, pid_t *ret_pid)
{
	pid_t process;
	uint64_t number;
	size_t count;
	int r;

	if (text[strspn(text, "0123456789")] == '\0') {
		if (number_parse_u64(text, 1, INT_MAX, &number) == 0)
			r = session_check_pid(tui->session, (pid_t)number, &process);
		else
			r = -ESRCH;
		if (r == -EINVAL)
			prompt_refuse(&tui->prompt, "%s is a thread of process %d", text,
				      (int)process);
		else if (r < 0)
			prompt_refuse(&tui->prompt, "\"%s\": not a running process", text);
		else
			*ret_pid = (pid_t)number;
		return r == 0;
	}
	count = guests_find_name(&tui->session->guests, text, ret_pid);
	if (count == 0)
		prompt_refuse(&tui->prompt, "\"%s\": no guest of this name is running", text);
	else if (count > 1)
		prompt_refuse(&tui->prompt, "\"%s\": %zu guests have this name, use the pid", text,
			      count);
	return count == 1;
}

static bool accept_guest(struct tui *tui)
{
	cleanup_free char *text = strdup(tui->prompt.input);
	pid_t pid = 0;

	tui_update_guests(tui);
	if (!text || (*text && strcmp(text, "0") != 0 && !parse_guest(tui, text, &pid)))
		return false;
	/* Another process may have the number of one that is gone. */
	if (pid != tui->session->selection.pid || tui->model.dead)
		tui_select_pid(tui, pid);
	return true;
}

static bool accept_delay(struct tui *tui)
{
	cleanup_free char *text = strdup(tui->prompt.input);
	double delay = DELAY_DEFAULT;
	const char *why = NULL;

	if (!text)
		return false;
	if (*text)
		why = number_parse_double(text, &delay) < 0 ? "not a number"
							    : options_delay_error(delay);
	if (why) {
		prompt_refuse(&tui->prompt, "\"%s\": %s", text, why);
		return false;
	}
	tui->delay = delay;
	tui_refresh_soon(tui);
	return true;
}

static void prompt_take_key(struct tui *tui, uint32_t key)
{
	static bool (*const accept[])(struct tui * tui) = {
		[PROMPT_FIELDS] = accept_fields,
		[PROMPT_GUEST] = accept_guest,
		[PROMPT_DELAY] = accept_delay,
	};
	enum prompt_state state = prompt_key(&tui->prompt, key);

	if (state == PROMPT_CANCELLED || (state == PROMPT_ENTERED && accept[tui->prompt.kind](tui)))
		tui->page = TUI_LIST;
}

/* Keys that move go on to other rows; all others lead back. */
static void detail_take_key(struct tui *tui, uint32_t key, const struct key_binding *binding)
{
	if (binding && (binding->act == key_up || binding->act == key_down))
		binding->act(tui);
	else
		tui->page = TUI_LIST;
	if (key == 'q')
		tui->quit = true;
}

bool tui_take_key(struct tui *tui, uint32_t key)
{
	const struct key_binding *binding = binding_of(tui, key);

	if (tui->page == TUI_PROMPT)
		prompt_take_key(tui, key);
	else if (tui->page == TUI_DETAIL)
		detail_take_key(tui, key, binding);
	else if (tui->page == TUI_HELP)
		tui->page = TUI_LIST;
	else if (binding)
		binding->act(tui);
	else
		return true;
	return false;
}
