/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program layer says on stderr: one line each, "program: text". */
#pragma once

#include "host/cleanup.h"

/* The name that messages start with: the last part of argv[0], or `fallback` without one. */
void message_set_program(const char *argv0, const char *fallback);

/* That name. */
const char *message_program(void);

/* Prints one line on stderr, cleaned for a terminal. No final period, no newline in `format`. */
void message_error(const char *format, ...) printf_like(1, 2);

/* As message_error(), for what does not stop the program: "program: warning: text". */
void message_warning(const char *format, ...) printf_like(1, 2);

/*
 * Sends later messages to `sink` instead of stderr (NULL: stderr again), for a program that has
 * given the terminal to its screen. The text begins with "warning: " where stderr would have that;
 * it has no program name and no newline.
 */
void message_set_sink(void (*sink)(const char *text, void *data), void *data);

/* Prints "Try 'program --help' for more information." on stderr and returns 2, the usage status. */
int message_try_help(void);
