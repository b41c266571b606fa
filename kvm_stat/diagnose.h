/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a source cannot be read, in words: what was tried, why it failed, what to do. */
#pragma once

#include "kvm_stat/source.h"

/* Says why a source cannot be used at all. Returns a line to be freed, or NULL without memory. */
char *diagnose_source(const struct host_root *root, enum source_kind kind,
		      const struct source_error *error) must_check;

/* Says which part of a source cannot be read and why. Returns as diagnose_source(). */
char *diagnose_health(const struct host_root *root, enum source_kind kind,
		      const struct source_health *health) must_check;

/* Why tracepoints are counted by perf instead of by a program in the kernel. */
char *diagnose_no_bpf(const struct host_root *root, const struct source_error *error) must_check;

/* Says that not every event could be counted in all of its rows. */
char *diagnose_lost(enum source_kind kind, const struct source_health *health) must_check;

/* The same for events that were not counted at all. */
char *diagnose_missed(enum source_kind kind, const struct source_health *health) must_check;
