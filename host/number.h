/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers from options, configuration and kernel files, checked to the last character. */
#pragma once

#include <stdint.h>

#include "host/cleanup.h"

/*
 * Parses an unsigned decimal number: digits only, no sign, no blanks. Returns 0, -EINVAL when
 * `text` is not such a number, or -ERANGE when it lies outside min..max.
 */
int number_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value) must_check;

/*
 * Parses a finite decimal fraction ("3", "0.25", "1e1"), in the C locale whatever the user's.
 * Returns 0 or -EINVAL.
 */
int number_parse_double(const char *text, double *ret_value) must_check;
