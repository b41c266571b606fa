/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of metrics and the text of their labels: pure functions of fields, so that they stay. */
#pragma once

#include <stdio.h>

#include "kvm_stat/rates.h"

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

/* The unit of a row's value or, with METRICS_HISTOGRAM, of what its distribution is of. */
enum field_unit metrics_unit(const struct rate *rate, enum metrics_type type);

/* What a unit adds to names: "_seconds", or "" where there is nothing to add. */
const char *metrics_unit_suffix(enum field_unit unit);

/*
 * The family that a row, or with METRICS_HISTOGRAM its distribution, belongs to: "kvm_", the
 * field's name (that of the reason's tracepoint), and the unit; a counter's "_total" is left out.
 * Returns memory to be freed, or NULL without memory.
 */
char *metrics_family_name(const struct rate *rate, enum metrics_type type) must_check;

/*
 * Whether a row is a reason of its parent, "kvm_exit(HLT)" of "kvm_exit". If so and `ret_reason` is
 * not NULL, that is the reason, to be freed, or NULL without memory.
 */
bool metrics_is_reason(const struct rate *rate, char **ret_reason);

/* Writes the value of a label in its quotes. `text` is clean: see text_clean(). */
void metrics_write_label(FILE *stream, const char *clean);
