/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/explanations.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "host/cleanup.h"
#include "kvm_stat/exit_reason.h"

/* Longer than any name of the kernel: what does not fit is none. */
#define NAME_SIZE 80

#define TRACEPOINT(architecture, text, ...)                                                        \
	{.kind = EXPLANATION_TRACEPOINT, .arch = (architecture), .name = (text), __VA_ARGS__},
#define EXIT_REASON(architecture, text, ...)                                                       \
	{.kind = EXPLANATION_EXIT, .arch = (architecture), .name = (text), __VA_ARGS__},
#define USERSPACE_EXIT(architecture, text, ...)                                                    \
	{.kind = EXPLANATION_USERSPACE_EXIT, .arch = (architecture), .name = (text), __VA_ARGS__},
#define STATISTIC(architecture, text, ...)                                                         \
	{.kind = EXPLANATION_STATISTIC, .arch = (architecture), .name = (text), __VA_ARGS__},

/* In the order of the man page; clang-format would sort them. */
/* clang-format off */
static const struct explanation table[] = {
#include "kvm_stat/explanations/generic.inc"
#include "kvm_stat/explanations/userspace.inc"
#include "kvm_stat/explanations/statistics.inc"
#include "kvm_stat/explanations/x86_tracepoints.inc"
#include "kvm_stat/explanations/vmx.inc"
#include "kvm_stat/explanations/svm.inc"
#include "kvm_stat/explanations/arm64.inc"
#include "kvm_stat/explanations/s390.inc"
#include "kvm_stat/explanations/ppc.inc"
#include "kvm_stat/explanations/riscv.inc"
#include "kvm_stat/explanations/loongarch.inc"
#include "kvm_stat/explanations/mips.inc"
};
/* clang-format on */

/* The kinds that are looked for: a set of bits 1 << kind. */
#define ANY_KIND ((1U << _EXPLANATION_KIND_MAX) - 1)

/* What the children of a row can be. */
static unsigned int kinds_below(const char *parent)
{
	char name[NAME_SIZE];
	size_t i;

	if (strlen(parent) >= sizeof(name))
		return 0;
	/* The kernel writes its tracepoints in small letters. */
	for (i = 0; parent[i]; i++)
		name[i] = (char)tolower((unsigned char)parent[i]);
	name[i] = '\0';
	if (strcmp(name, "kvm_userspace_exit") == 0)
		return 1U << EXPLANATION_USERSPACE_EXIT;
	if (strcmp(name, "exit_instruction") == 0) /* s390 */
		return 1U << EXPLANATION_STATISTIC;
	return exit_reasons_apply(name) ? 1U << EXPLANATION_EXIT : 0;
}

/* Takes "parent(name)" apart. Returns false when `row` is not of that form. */
static bool split(const char *row, char name[NAME_SIZE], char parent[NAME_SIZE])
{
	const char *open = strchr(row, '(');
	size_t length = open ? strlen(open + 1) : 0; /* of "name)" */

	if (length == 0 || open == row || open[length] != ')' || strlen(row) >= NAME_SIZE)
		return false;
	memcpy(parent, row, (size_t)(open - row));
	parent[open - row] = '\0';
	memcpy(name, open + 1, length - 1);
	name[length - 1] = '\0';
	return true;
}

enum match { MATCH_EXACT, MATCH_FAMILY, MATCH_ANY_CASE, MATCH_FAMILY_ANY_CASE, _MATCH_MAX };

static bool matches(const struct explanation *entry, const char *name, enum match how)
{
	switch (how) {
	case MATCH_EXACT:
		return strcmp(entry->name, name) == 0;
	case MATCH_ANY_CASE:
		return strcasecmp(entry->name, name) == 0;
	case MATCH_FAMILY:
		return fnmatch(entry->name, name, FNM_NOESCAPE) == 0;
	default:
		return fnmatch(entry->name, name, FNM_NOESCAPE | FNM_CASEFOLD) == 0;
	}
}

size_t explanations_find(const char *name, const char *parent,
			 const struct explanation *ret_found[EXPLANATIONS_MAX])
{
	char own[NAME_SIZE], own_parent[NAME_SIZE];
	unsigned int kinds = ANY_KIND;
	enum match how;
	size_t i, found = 0;

	if (strlen(name) >= NAME_SIZE)
		return 0;
	if (split(name, own, own_parent)) {
		name = own;
		parent = own_parent;
	}
	if (parent)
		kinds = kinds_below(parent);
	for (how = MATCH_EXACT; how < _MATCH_MAX && found == 0; how++) {
		for (i = 0; i < array_size(table) && found < EXPLANATIONS_MAX; i++) {
			if ((kinds & (1U << table[i].kind)) && matches(&table[i], name, how))
				ret_found[found++] = &table[i];
		}
	}
	return found;
}

const struct explanation *explanations_get(size_t index)
{
	return index < array_size(table) ? &table[index] : NULL;
}

const char *explanation_kind_name(enum explanation_kind kind)
{
	static const char *const names[_EXPLANATION_KIND_MAX] = {
		[EXPLANATION_TRACEPOINT] = "tracepoint",
		[EXPLANATION_EXIT] = "exit reason",
		[EXPLANATION_USERSPACE_EXIT] = "reason to return to user space",
		[EXPLANATION_STATISTIC] = "statistic",
	};

	return names[kind];
}

const char *explanation_unit(const struct explanation *explanation)
{
	if (explanation->unit)
		return explanation->unit;
	return explanation->kind == EXPLANATION_EXIT ? "exits" : "events";
}
