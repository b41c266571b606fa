/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks for what breaks hosts in a set of units. */
#pragma once

#include "units/lint_set.h"

#define LINT_FINDINGS_MAX 10000 /* more are counted only */

struct lint;

/* One rule: a stable name, and the function that looks at one unit of the set. */
struct lint_rule {
	const char *code;
	int (*check)(struct lint *lint, const struct lint_unit *unit);
};

struct lint_finding {
	const struct lint_rule *rule;
	const struct lint_unit *unit;
	uint32_t line;
	char *text;
};

struct lint {
	const struct lint_set *set;
	const struct lint_rule *rule; /* that is at work */
	struct lint_finding *findings;
	size_t count; /* of `findings` */
	size_t total; /* of all */
};

/* Applies all rules. Returns 0, with the findings by unit and line, to be freed, or -ENOMEM. */
int lint_run(const struct lint_set *set, struct lint *ret_lint) must_check;

void lint_free(struct lint *lint);

/* For rules: notes a finding. Without a line it is about the whole unit. Returns 0 or -ENOMEM. */
int lint_report(struct lint *lint, const struct lint_unit *unit, const struct unit_line *line,
		const char *format, ...) printf_like(4, 5) must_check;
