/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One reading of all sources at one moment: rows of totals. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/cleanup.h"
#include "kvm_stat/distribution.h"

/* What a value means, so that unlike things are never added or shown alike. */
enum field_kind {
	FIELD_EVENTS,    /* counts something that happens; only these enter totals, percentages */
	FIELD_TIME,      /* nanoseconds that add up, such as halt_wait_ns */
	FIELD_GAUGE,     /* a state now, such as pages_4k; the total is the state itself */
	FIELD_PEAK,      /* the highest state so far, such as max_mmu_page_hash_collisions */
	FIELD_HISTOGRAM, /* only its distribution says something; the total is its count */
};

/* What a value is counted in, as far as the source tells. */
enum field_unit { UNIT_NONE, UNIT_BYTES, UNIT_NANOSECONDS, UNIT_CYCLES, UNIT_BOOLEAN };

/* A thread of a guest, and the virtual CPU that it runs if it does. All 0: not one thread. */
struct sample_thread {
	pid_t tid;
	bool is_vcpu;
	unsigned int vcpu; /* its number, as the guest's APIC or the VMM gave it */
	bool has_cpu;
	unsigned int cpu; /* of the host, that it ran on last */
};

/* Whether this is one thread, or a virtual CPU of which nobody knows the thread. */
static inline bool sample_thread_is_one(const struct sample_thread *thread)
{
	return thread->tid || thread->is_vcpu;
}

/*
 * `name` is the field as users know it: "kvm_pio", "kvm_exit(HLT)", "io_exits". Both strings
 * belong to the source and stay until its next select(). `guest` is the process of the guest that
 * the value belongs to, 0 for all that are selected.
 */
struct sample_row {
	const char *name;
	const char *parent; /* of an exit reason: its tracepoint; else NULL */
	bool is_flag; /* a reason that stands beside another one: no part of the parent's sum */
	enum field_kind kind;
	enum field_unit unit;
	pid_t guest;
	struct sample_thread thread;
	uint64_t value;      /* since start, reset or select; a gauge's state */
	size_t distribution; /* 1 + its index in the sample; 0: there is none */
};

struct sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	bool partial;     /* some rows miss a part: a guest's last numbers, events without room */
	struct sample_row *rows;
	size_t count, room;
	struct distribution *distributions; /* of the rows that have one */
	size_t distribution_count, distribution_room;
};

/* Whether a row's values are nanoseconds. */
static inline bool field_is_time(enum field_kind kind, enum field_unit unit)
{
	return kind == FIELD_TIME || (unit == UNIT_NANOSECONDS && kind != FIELD_HISTOGRAM);
}

/* Whether a field counts up, so that its change in an interval and its rate mean something. */
static inline bool field_counts_up(enum field_kind kind)
{
	return kind != FIELD_GAUGE && kind != FIELD_PEAK;
}

/* Empties the sample but keeps its memory. */
void sample_clear(struct sample *sample);

/* Frees the sample's memory. */
void sample_done(struct sample *sample);

/* Appends a row. Returns 0 or -ENOMEM. */
int sample_add(struct sample *sample, struct sample_row row) must_check;

/* Appends a row with its distribution, which is copied. Returns 0 or -ENOMEM. */
int sample_add_distribution(struct sample *sample, struct sample_row row,
			    const struct distribution *distribution) must_check;

/* The distribution of a row of this sample, or NULL. */
static inline const struct distribution *sample_distribution(const struct sample *sample,
							     const struct sample_row *row)
{
	return row->distribution ? &sample->distributions[row->distribution - 1] : NULL;
}

/*
 * Puts the rows into upstream's order, by the bytes of "name parent", then by guest and thread,
 * and adds up rows that are the same in all of these.
 */
void sample_sort(struct sample *sample);

/* The order of sample_sort(): negative, 0 or positive. */
int sample_row_compare(const struct sample_row *a, const struct sample_row *b);
