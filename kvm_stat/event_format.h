/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tracepoint's "format" file says about the meaning of its values: field offsets, and the
 * tables of names that the kernel prints for them. Parsed by libtraceevent; the syntax is that of
 * the kernel's TP_printk() and __print_symbolic().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/cleanup.h"

/* Where a field lies in the event's record. */
struct event_field {
	char *name;
	unsigned int offset, size; /* bytes; size is 1, 2, 4 or 8 */
	bool is_signed;
};

enum event_operator { EVENT_EQ, EVENT_NE, EVENT_LT, EVENT_GE, EVENT_GT, EVENT_LE };

/* A condition of the print format, such as "isa == 1", under which a table or text is used. */
struct event_guard {
	struct event_field field;
	enum event_operator operator;
	int64_t value;
};

#define EVENT_GUARDS_MAX 4

struct event_guards {
	struct event_guard list[EVENT_GUARDS_MAX]; /* all must hold */
	size_t count;
};

struct event_symbol {
	uint64_t value;
	char *name;
};

/* One __print_symbolic() or __print_flags() of a field, or one fixed text. */
struct event_table {
	enum event_table_kind {
		EVENT_SYMBOLS, /* `symbols` name the values of field & mask */
		EVENT_FLAGS,   /* `symbols` name bits of field & mask */
		EVENT_TEXT,    /* symbols[0].name is printed; no field */
	} kind;
	struct event_guards guards;
	struct event_field field;
	uint64_t mask; /* of the bits that are looked at; all ones without a mask */
	struct event_symbol *symbols;
	size_t count;
};

struct event_format {
	struct event_field *fields; /* integers only; without the common_ ones */
	size_t field_count;
	struct event_table *tables;
	size_t table_count;
};

/*
 * Parses the `length` bytes of a format file of group `group`. Parts of the print format that are
 * no table are passed over. Returns 0, -EBADMSG for what is no format file, or -ENOMEM;
 * *ret_format is freed with event_format_free().
 */
int event_format_parse(const char *text, size_t length, const char *group,
		       struct event_format **ret_format) must_check;

/* Frees a format; NULL is fine. */
void event_format_free(struct event_format *format);

/* The field of that name, or NULL. */
const struct event_field *event_format_field(const struct event_format *format, const char *name);

/*
 * Reads a field from a record of `size` bytes, sign-extended if it is signed. Returns 0 or
 * -EBADMSG when the record is too short.
 */
int event_field_read(const struct event_field *field, const void *record, size_t size,
		     uint64_t *ret_value) must_check;

/* Copies guards with their names; free `to` also after a failure. Returns 0 or -ENOMEM. */
int event_guards_copy(const struct event_guards *from, struct event_guards *to) must_check;

/* Frees the names and leaves no guards. */
void event_guards_free(struct event_guards *guards);

/* Whether all guards hold for a record; a record that is too short holds none. */
bool event_guards_hold(const struct event_guards *guards, const void *record, size_t size);

/* The operator as perf filters and C write it, such as "==". */
const char *event_operator_text(enum event_operator operator);
