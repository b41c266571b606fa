/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The results as text and as JSON. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "check/result.h"

/*
 * Writes one line for each of `count` results: verdict, name, cause code, text and, behind "; ",
 * what to do. Returns 0 or -ENOMEM.
 */
int output_text(FILE *stream, const struct result *results, size_t count, bool colour) must_check;

/* Writes one JSON object: "usable" and the list "checks". Returns 0 or -ENOMEM. */
int output_json(FILE *stream, const struct result *results, size_t count, bool usable) must_check;
