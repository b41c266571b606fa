/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints what was found. */
#pragma once

#include "units/lint.h"

/* Prints "file:line: code: text" for each finding. Returns 0 or -ENOMEM. */
int lint_output_text(const struct lint *lint) must_check;

/* Prints all of it as one JSON object. Returns 0 or -ENOMEM. */
int lint_output_json(const struct lint *lint) must_check;
