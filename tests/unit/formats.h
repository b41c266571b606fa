/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorded format files in tests/fixtures/formats, and records made after them. */
#pragma once

#include "kvm_stat/event_format.h"

#define RECORD_SIZE 80

/* Parses MACHINE/GROUP/EVENT; aborts when it cannot. Freed with event_format_free(). */
struct event_format *formats_parse(const char *machine, const char *group, const char *event);

/* The text of such a file, to be freed; aborts when it cannot be read. */
char *formats_read(const char *machine, const char *group, const char *event);

/* Sets a field of a record; aborts when there is no such field. */
void record_set(unsigned char record[RECORD_SIZE], const struct event_format *format,
		const char *field, uint64_t value);
