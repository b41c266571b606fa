/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages that cover the list: questions with a line to type into, and the help. They only keep
 * what was typed; what an answer means is up to their user.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kvm_stat/view.h"

#define PROMPT_INPUT_MAX 1000 /* bytes */

enum prompt_kind {
	PROMPT_FIELDS,
	PROMPT_GUEST,
	PROMPT_DELAY,
};

enum prompt_state {
	PROMPT_TYPING,
	PROMPT_ENTERED, /* prompt.input is the answer */
	PROMPT_CANCELLED,
};

struct prompt {
	enum prompt_kind kind;
	char input[PROMPT_INPUT_MAX + 1]; /* UTF-8, as typed */
	size_t length;
	char *error; /* why the answer before was refused; owned */
};

/* What the pages tell about the present. */
struct prompt_context {
	const char *pattern;
	double delay;
	const struct guests *guests;
};

/* A line of the help page. */
struct prompt_help {
	const char *key, *text;
};

/* Starts a question. */
void prompt_start(struct prompt *prompt, enum prompt_kind kind);

/* Takes a key of screen_read_key(). */
enum prompt_state prompt_key(struct prompt *prompt, uint32_t key);

/* Says why the answer is refused; it can be typed anew. */
void prompt_refuse(struct prompt *prompt, const char *format, ...) printf_like(2, 3);

/* Releases what the prompt owns. */
void prompt_done(struct prompt *prompt);

/* Lays out the question. */
void prompt_layout(const struct prompt *prompt, const struct prompt_context *context, int width,
		   int height, struct view_spans *spans);

/* Lays out the help page. */
void prompt_help_layout(const struct prompt_help *lines, size_t count, int width, int height,
			struct view_spans *spans);
