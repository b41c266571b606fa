/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rows in the kernel add up to: one tally for each row of the samples. */
#pragma once

#include "kvm_stat/bpf_owners.h"

struct bpf_tally {
	size_t name;      /* its index */
	pid_t guest, tid; /* as far as rows are told apart by them, else 0 */
	/* Of rows that are there; of rows that are gone; both at the last reset. */
	uint64_t now, retired, base;
	struct distribution *latency; /* NULL, or three likewise, by enum bpf_latency */
};

enum bpf_latency { BPF_LATENCY_NOW, BPF_LATENCY_RETIRED, BPF_LATENCY_BASE, BPF_LATENCIES };

/* All 0: there are none. */
struct bpf_tallies {
	void *tree; /* by name, guest and thread */
};

/* The tally of a row, made if there is none; NULL without memory. */
struct bpf_tally *bpf_tallies_make(struct bpf_tallies *tallies, size_t name, pid_t guest,
				   pid_t tid) must_check;

/* The tally of a row that is not of one guest, or NULL. */
const struct bpf_tally *bpf_tallies_find(const struct bpf_tallies *tallies, size_t name);

/*
 * Adds to a tally what a row in the kernel has, with the times in ns (or NULL). `gone`: it has been
 * taken out there. Returns 0 or -ENOMEM.
 */
int bpf_tally_add(struct bpf_tally *tally, bool gone, uint64_t count,
		  const struct distribution *latency) must_check;

/* The value since the last reset. */
uint64_t bpf_tally_value(const struct bpf_tally *tally);

/* The times since the last reset, of a tally that has some. */
struct distribution bpf_tally_latency(const struct bpf_tally *tally);

/* Begins a read: what is there is to be added anew. */
void bpf_tallies_begin(struct bpf_tallies *tallies);

/* Starts all from 0 again, after a read. */
void bpf_tallies_reset(struct bpf_tallies *tallies);

/* Hands every tally to `visit`, by name, guest and thread. */
void bpf_tallies_walk(const struct bpf_tallies *tallies, void (*visit)(void *tally, void *data),
		      void *data);

/* Forgets those of guests and threads that are gone. Returns whether there were any. */
bool bpf_tallies_bury(struct bpf_tallies *tallies, struct bpf_owners *owners);

/* Frees everything. */
void bpf_tallies_done(struct bpf_tallies *tallies);
