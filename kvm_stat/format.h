/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as people read them. */
#pragma once

#include <stddef.h>

#define FORMAT_TIME_SIZE 16

/*
 * Writes nanoseconds with two or three digits in the unit that fits, such as "1.2s" or "350ms", and
 * `suffix`; "-" for NAN.
 */
void format_time(char *out, size_t size, double ns, const char *suffix);
