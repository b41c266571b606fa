/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tracepoints, statistics and exit reasons of KVM mean: one table, from which --explain,
 * the screen and the man page kvm-events(7) take their text.
 */
#pragma once

#include <stddef.h>

enum explanation_kind {
	EXPLANATION_TRACEPOINT,
	EXPLANATION_EXIT,           /* a reason of kvm_exit, kvm_nested_vmexit and the like */
	EXPLANATION_USERSPACE_EXIT, /* a reason of kvm_userspace_exit */
	EXPLANATION_STATISTIC,      /* of debugfs and of the binary statistics */
	_EXPLANATION_KIND_MAX
};

struct explanation {
	enum explanation_kind kind;
	/* "x86", "vmx, svm"...; NULL: all. vmx and svm are the two halves of x86. */
	const char *arch;
	/* As a row shows it. '*' stands for any characters, where the text is true of them all. */
	const char *name;
	const char *counts;
	const char *unit;   /* NULL: explanation_unit() has that of its kind */
	const char *causes; /* what usually raises it; NULL: nothing worth a sentence */
	const char *advice; /* what to try when it is high; NULL: nothing sensible */
	/* Kernels known not to have the name: all up to the one, all from the other. NULL: none. */
	const char *newer_than, *older_than;
};

/* No name has more explanations; the unit test looks at each. */
#define EXPLANATIONS_MAX 8

/*
 * Finds what explains a row: "kvm_exit", "halt_wait_ns", "kvm_exit(HLT)", or "HLT" with "kvm_exit"
 * as its parent. Without a parent a reason's name alone finds every explanation of that name. Case
 * counts only when a name of that very spelling exists; a family ('*') is found when its member
 * has no explanation of its own. Returns how many are in ret_found.
 */
size_t explanations_find(const char *name, const char *parent,
			 const struct explanation *ret_found[EXPLANATIONS_MAX]);

/* The table: entry `index`, or NULL behind the last one. */
const struct explanation *explanations_get(size_t index);

/* "tracepoint", "exit reason" and so on. */
const char *explanation_kind_name(enum explanation_kind kind);

/* What the numbers of its row are. */
const char *explanation_unit(const struct explanation *explanation);
