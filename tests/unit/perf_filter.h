/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evaluates event filters as the kernel does (kernel/trace/trace_events_filter.c): comparisons of
 * integer fields with && || ! and parentheses. For tests: what a filter takes can then be asked
 * for any record without a tracepoint that fires.
 */
#pragma once

#include <stddef.h>

#include "kvm_stat/event_format.h"

enum { PERF_FILTER_BAD = -1, PERF_FILTER_DROPS = 0, PERF_FILTER_TAKES = 1 };

/*
 * Whether the filter takes the record. PERF_FILTER_BAD for what the kernel would refuse with
 * EINVAL: syntax, unknown fields, a negative number for an unsigned field.
 */
int perf_filter_eval(const char *filter, const struct event_format *format, const void *record,
		     size_t size);
