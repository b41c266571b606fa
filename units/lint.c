/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/lint.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "units/lint_rules.h"

/* Room for one more: powers of two. */
static int grow(struct lint *lint)
{
	size_t count = lint->count;
	struct lint_finding *findings;

	if (count & (count - 1))
		return 0;
	findings = reallocarray(lint->findings, count ? count * 2 : 1, sizeof(*findings));
	if (!findings)
		return -ENOMEM;
	lint->findings = findings;
	return 0;
}

int lint_report(struct lint *lint, const struct lint_unit *unit, const struct unit_line *line,
		const char *format, ...)
{
	struct lint_finding finding = {
		.rule = lint->rule, .unit = unit, .line = line ? line->number : 1};
	va_list args;

	lint->total++;
	if (lint->count == LINT_FINDINGS_MAX)
		return 0;
	if (grow(lint) < 0)
		return -ENOMEM;
	va_start(args, format);
	if (vasprintf(&finding.text, format, args) < 0)
		finding.text = NULL;
	va_end(args);
	if (!finding.text)
		return -ENOMEM;
	unit_text_cut(finding.text);
	lint->findings[lint->count++] = finding;
	return 0;
}

static int compare_findings(const void *a, const void *b)
{
	const struct lint_finding *left = a, *right = b;
	int order = strcmp(left->unit->name, right->unit->name);

	if (!order)
		order = (left->line > right->line) - (left->line < right->line);
	if (!order)
		order = strcmp(left->rule->code, right->rule->code);
	return order ? order : strcmp(left->text, right->text);
}

int lint_run(const struct lint_set *set, struct lint *ret_lint)
{
	struct lint lint = {.set = set};
	size_t i, j;
	int r = 0;

	for (i = 0; r == 0 && i < set->count; i++) {
		for (j = 0; r == 0 && j < lint_rule_count; j++) {
			lint.rule = &lint_rules[j];
			r = lint.rule->check(&lint, set->units[i]);
		}
	}
	if (r < 0) {
		lint_free(&lint);
		return r;
	}
	if (lint.count)
		qsort(lint.findings, lint.count, sizeof(*lint.findings), compare_findings);
	*ret_lint = lint;
	return 0;
}

void lint_free(struct lint *lint)
{
	size_t i;

	for (i = 0; i < lint->count; i++)
		free(lint->findings[i].text);
	free(lint->findings);
	*lint = (struct lint){0};
}
