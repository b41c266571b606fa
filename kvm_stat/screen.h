/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal: the only place that knows ncurses. One screen at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

#include "host/cleanup.h"
#include "kvm_stat/view.h"

enum screen_key {
	SCREEN_KEY_NONE = 0x200000, /* beyond Unicode: nothing (more) to read */
	SCREEN_KEY_UP,
	SCREEN_KEY_DOWN,
	SCREEN_KEY_LEFT,
	SCREEN_KEY_RIGHT,
	SCREEN_KEY_PAGE_UP,
	SCREEN_KEY_PAGE_DOWN,
	SCREEN_KEY_HOME,
	SCREEN_KEY_END,
	SCREEN_KEY_ENTER,
	SCREEN_KEY_BACKSPACE,
	SCREEN_KEY_ESCAPE,
	SCREEN_KEY_OTHER,
};

#define SCREEN_KEY_CTRL(c) ((c)&0x1f)

/*
 * Captures messages from now on, for the screen that is to be opened: what its sources have to
 * say would be out of sight behind it.
 */
void screen_capture_messages(void);

/* Prints the messages that were captured, when no screen is open. */
void screen_release_messages(void);

/*
 * Takes over the terminal of stdin and stdout and captures messages from then on. Returns 0,
 * -ENOTTY when one of both is no terminal, or -EINVAL when the terminal's type in $TERM is
 * unknown or cannot place text.
 */
int screen_open(void) must_check;

/*
 * Gives the terminal back as it was, then prints the messages that were captured. Also done at
 * exit; doing it twice is fine.
 */
void screen_close(void);

/* Whether the terminal shows Unicode, by the locale. */
bool screen_utf8(void);

/* The size of the screen, at least 1x1. */
void screen_size(int *ret_width, int *ret_height);

/* Takes over the terminal's current size, after SIGWINCH. */
void screen_resize(void);

/* Gives the terminal to others and takes it back, around SIGTSTP. */
void screen_suspend(void);
void screen_resume(void);

/* Shows exactly these spans. */
void screen_draw(const struct view_spans *spans);

/* Reads a key without waiting: a Unicode character, or one of enum screen_key. */
uint32_t screen_read_key(void);

/*
 * The message captured last, or NULL. *ret_count tells how many there were so far, so that a new
 * one can be told from an old one.
 */
const char *screen_message(size_t *ret_count);
