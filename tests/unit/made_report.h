/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports of made samples, for what no host at hand has: latency, vCPUs, every kind and unit. */
#pragma once

#include "kvm_stat/report.h"

struct made_report {
	struct report report;
	struct sample sample;
	struct rates rates;
	struct guests guests;
	struct guest list[4];
};

/*
 * One of the reports, by its number: by field, by guest, by vCPU, one guest alone, nothing at all,
 * names that clash. Returns false behind the last one. Two samples, 2 seconds apart, are behind
 * each; the second is at 2023-11-14 22:13:20.5 UTC.
 */
bool made_report_fill(struct made_report *made, unsigned int number);

/* Frees its memory. */
void made_report_done(struct made_report *made);

/* A distribution of these values, in log2 buckets. */
struct distribution made_distribution(const uint64_t *values, size_t count);
