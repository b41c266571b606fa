/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One reading of all sources at one moment: rows of totals. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/cleanup.h"

/* What a value means, so that unlike things are never added or shown alike. */
enum field_kind {
	FIELD_EVENTS, /* counts something that happens; only these enter totals and percentages */
	FIELD_TIME,   /* nanoseconds that add up, such as halt_wait_ns */
	FIELD_GAUGE,  /* a state now, such as pages_4k; the total is the state itself */
};

/*
 * `name` is the field as users know it: "kvm_pio", "kvm_exit(HLT)", "io_exits". Both strings
 * belong to the source and stay until its next select(). `guest` is the process of the guest that
 * the value belongs to, 0 for all that are selected.
 */
struct sample_row {
	const char *name;
	const char *parent; /* of an exit reason: its tracepoint; else NULL */
	enum field_kind kind;
	pid_t guest;
	uint64_t value; /* since start, reset or select; a gauge's state */
};

struct sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	bool partial;     /* a guest ended: what it did last could not be read */
	struct sample_row *rows;
	size_t count, room;
};

/* Empties the sample but keeps its memory. */
void sample_clear(struct sample *sample);

/* Frees the sample's memory. */
void sample_done(struct sample *sample);

/* Appends a row. Returns 0 or -ENOMEM. */
int sample_add(struct sample *sample, struct sample_row row) must_check;

/*
 * Puts the rows into upstream's order, by the bytes of "name parent" and then by guest, and adds
 * up rows of the same name, parent and guest.
 */
void sample_sort(struct sample *sample);

/* The order of sample_sort(): negative, 0 or positive. */
int sample_row_compare(const struct sample_row *a, const struct sample_row *b);
