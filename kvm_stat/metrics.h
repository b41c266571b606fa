/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reports as metrics: OpenMetrics 1.0, or Prometheus' text format 0.0.4, which is what the textfile
 * collector of node_exporter reads. Both are described in kvm_stat-metrics(5).
 */
#pragma once

#include <stdio.h>

#include "kvm_stat/report.h"

struct metrics_options {
	/*
	 * OpenMetrics gives the type of a counter to its name without "_total", Prometheus to the
	 * whole name, so no text says both.
	 */
	bool openmetrics;
	uint64_t limit;        /* of series; guests beyond it are left out as a whole */
	uint64_t write_errors; /* how often the metrics could not be written so far */
};

/* Writes all metrics. Returns 0 with how many guests were left out, or -ENOMEM. */
int metrics_write(FILE *stream, const struct report *report, const struct metrics_options *options,
		  size_t *ret_dropped) must_check;
