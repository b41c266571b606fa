/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text that guests, users or the kernel control, made safe for terminals and CSV. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/cleanup.h"

/*
 * Decodes one UTF-8 character at `p`, of text that ends with NUL. Returns its length and sets
 * *ret_code, or 0 for a byte that starts no valid character (truncated, overlong, surrogate or
 * beyond U+10FFFF).
 */
int text_decode(const unsigned char *p, uint32_t *ret_code) must_check;

/*
 * A copy of `text` in which everything that could steer a terminal is shown instead of sent:
 * control characters, invalid or overlong UTF-8, line and direction controls become \xNN or
 * \uNNNN. A backslash stays as it is. Returns memory to be freed, or NULL without memory.
 */
char *text_clean(const char *text) must_check;

/*
 * How many terminal columns clean text takes. Combining characters take none; a character that
 * the locale does not know, as outside of a UTF-8 one, counts as one.
 */
int text_width(const char *clean);

/*
 * The number of bytes at the start of clean text that fit into `columns` terminal columns,
 * never splitting a character. *ret_width, when not NULL, is the columns they take.
 */
size_t text_fit(const char *clean, int columns, int *ret_width);

/* Whether a text ends with another. */
bool text_ends_with(const char *text, const char *end);

/*
 * Whether `name` is what KVM calls its statistics and events: letters, digits, '_', '-' and '.'.
 * Below --sysroot a directory may hold anything; nothing else becomes a row.
 */
bool text_is_field_name(const char *name);

/*
 * Writes `text` as one CSV field (RFC 4180): quoted when it holds a comma, a quote or a line end.
 * Control characters, line ends among them, are shown as \xNN, so that a record is one line.
 * Returns 0 or -errno.
 */
int text_csv_write(FILE *stream, const char *text) must_check;

/* As asprintf(): the formatted text, to be freed, or NULL without memory. */
char *text_format(const char *format, ...) printf_like(1, 2) must_check;

/* As vasprintf(), cleaned as by text_clean(): memory to be freed, or NULL without memory. */
char *text_format_clean(const char *format, va_list args) printf_like(1, 0) must_check;

/*
 * A copy of `text` as a word for the shell: as it is when it is harmless, else quoted. Bytes that
 * could steer a terminal are written as \xNN inside of $'...', which bash, zsh and ksh know.
 * Returns memory to be freed, or NULL without memory.
 */
char *text_shell_quote(const char *text) must_check;
