/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the interactive program knows between two keys, and the changes that keys make to it. Only
 * the files tui*.c use this.
 */
#pragma once

#include "kvm_stat/prompt.h"
#include "kvm_stat/session.h"
#include "kvm_stat/view.h"

enum tui_page {
	TUI_LIST,
	TUI_DETAIL, /* of the selected row */
	TUI_HELP,
	TUI_PROMPT,
};

struct tui {
	struct session *session;
	uint64_t refreshes_left; /* 0: without end */
	double delay;            /* seconds between refreshes */
	bool paused;             /* of a recording: time stands still */
	uint64_t next_refresh;   /* CLOCK_MONOTONIC, nanoseconds */
	enum tui_page page;
	struct prompt prompt;
	struct view_model model;
	struct view_rows rows;
	char *row_name, *row_parent; /* the selected row, by what identifies it */
	pid_t row_guest;
	struct sample_thread row_thread;
	char *event;     /* what guests or vCPUs were shown of last */
	bool drilled;    /* the guest was selected by going down from the guests */
	pid_t vcpus_pid; /* the guest whose vCPUs led to the exits of one; 0: those of all */
	struct exit_table exits;
	struct history history;
	bool quit;
	int failure; /* -errno that ends the program */
};

/* Takes the first sample; the first rates follow soon. */
void tui_start(struct tui *tui);

/* Releases what the state owns; the session stays. */
void tui_done(struct tui *tui);

/*
 * After a call that changed what is counted: a first sample now, the first rates soon. `result`
 * is what the call returned; a failure has told its reason, and the selection before counts again.
 */
void tui_restart(struct tui *tui, int result);

/* Waits for the next refresh only as long as for the first one. */
void tui_refresh_soon(struct tui *tui);

/* Takes a sample, unless the selected guest is gone, and waits the whole delay again. */
void tui_refresh(struct tui *tui);

/* Of a recording: whether its last sample is shown. */
bool tui_at_end(const struct tui *tui);

/*
 * Of a recording: shows the sample that is `step` samples from the one that is shown, as far as there
 * are so many.
 */
void tui_step(struct tui *tui, int64_t step);

/* Looks for guests anew. */
void tui_update_guests(struct tui *tui);

/*
 * Looks whether the selected guest has ended, and selects it when it is back. Returns whether there
 * is something to sample: not of one that is gone, nor of one that came back, which was sampled.
 */
bool tui_check_guest(struct tui *tui);

/* Shows the guest of process `pid` only, or all with 0. */
void tui_select_pid(struct tui *tui, pid_t pid);

/*
 * Makes rows of another kind: of guests or vCPUs by the event `only`, and of `pid` and `tid` only
 * unless they are 0. Returns 0 or -errno; a failure has told its reason.
 */
int tui_select_kind(struct tui *tui, enum view_kind kind, const char *only, pid_t pid, pid_t tid);

/* Selects a row of the list, or none. The selection follows the row's name from then on. */
void tui_select_row(struct tui *tui, size_t row);

/* Works out the rows anew, after another order or another sample. */
void tui_update_rows(struct tui *tui);

/* Does what a key of the current page stands for. Returns whether that is a refresh. */
bool tui_take_key(struct tui *tui, uint32_t key) must_check;

/* The lines of the help page. Returns how many there are, `room` at most. */
size_t tui_help_lines(const struct tui *tui, struct prompt_help *ret_lines, size_t room);
