/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What batch and log modes write, byte for byte as upstream does. */
#pragma once

#include <stdio.h>
#include <time.h>

#include "kvm_stat/exit_table.h"
#include "kvm_stat/rates.h"

/*
 * Writes a line of a batch: the row's name, total and delta, in upstream's columns; a blank keeps
 * apart what fills them.
 */
void output_total(FILE *stream, const struct rate *rate);

/* Writes "name total delta", one line for each row, in the order of the rates. */
void output_batch(FILE *stream, const struct rates *rates);

/*
 * Writes how long exits of the interval took, one line for each reason, with a header; times are
 * rounded to the unit that fits.
 */
void output_exits(FILE *stream, const struct exit_table *table);

/* The columns of a log. */
struct log_columns {
	char **names;   /* "name" */
	char **parents; /* of each, "" for none */
	size_t count;
};

/* Takes over the rows of `rates` as columns. Returns 0 or -ENOMEM. */
int log_columns_set(struct log_columns *columns, const struct rates *rates) must_check;

/* Whether every row of `rates` has a column; there may be columns without a row. */
bool log_columns_cover(const struct log_columns *columns, const struct rates *rates);

/* Frees the columns. */
void log_columns_done(struct log_columns *columns);

/*
 * Writes the line that names the columns: "name name " or, with `csv`, "timestamp,name,name".
 * Returns 0 or -errno.
 */
int log_write_banner(FILE *stream, const struct log_columns *columns, bool csv) must_check;

/*
 * Writes one record: local time, then for each column what was counted in the interval, or a
 * gauge's state. A column without a row, which could not be read, is "-", and empty with `csv`.
 */
void log_write_record(FILE *stream, const struct log_columns *columns, const struct rates *rates,
		      bool csv, time_t now);

/* Whether nothing at all happened in the interval. */
bool log_is_zero(const struct rates *rates);
