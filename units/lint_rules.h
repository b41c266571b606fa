/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules: what is wrong in one unit of a set, each a row of a table with a stable code name. */
#pragma once

#include "units/lint.h"

extern const struct lint_rule lint_rules[];
extern const size_t lint_rule_count;
