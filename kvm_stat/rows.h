/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What batch and log modes write when rows are of guests or vCPUs: each row on a line of its own,
 * as the rows come and go with the guests.
 */
#pragma once

#include <stdio.h>

#include "kvm_stat/report.h"

/* Writes the titles of the columns of rows_write_batch(). */
void rows_write_batch_titles(FILE *stream, enum selection_by by);

/*
 * Writes guest, process id, with BY_VCPU vCPU and thread, field, total and delta of all rows that
 * are not 0. Returns 0 or -errno.
 */
int rows_write_batch(FILE *stream, const struct report *report) must_check;

/* Writes the line that names the columns of a log. */
void rows_write_log_titles(FILE *stream, enum selection_by by, bool csv);

/*
 * Writes one record of a log: for each row local time, the columns above, and what was counted in
 * the interval, or a gauge's state. Rows of which that is 0 are left out, of CSV only with
 * `skip_zero`. Returns 0 or -errno.
 */
int rows_write_log(FILE *stream, const struct report *report, bool csv, bool skip_zero) must_check;
