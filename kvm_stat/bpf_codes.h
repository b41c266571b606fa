/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rows in the kernel mean: they have the bytes of an event's fields, which are decoded by
 * its format, once for each value that is seen.
 */
#pragma once

#include "kvm_stat/bpf_events.h"

/* The rows of the samples that one value of an event's fields counts in. */
struct bpf_code {
	uint32_t event;
	uint64_t fields[COUNT_FIELDS_MAX];
	size_t count;
	size_t names[]; /* indexes */
};

struct bpf_codes {
	const struct bpf_events *events; /* these three are borrowed */
	const struct selection *selection;
	struct bpf_names *names; /* gets those of numbers and flags that are new */
	void *tree;
	size_t count;
};

/*
 * What a row of the kernel counts in. The result is valid until bpf_codes_limit(). Returns it, or
 * NULL without memory.
 */
const struct bpf_code *bpf_codes_find(struct bpf_codes *codes,
				      const struct count_key *key) must_check;

/* Forgets everything when it has become much: guests may make new numbers for ever. */
void bpf_codes_limit(struct bpf_codes *codes);

/* Frees everything. */
void bpf_codes_done(struct bpf_codes *codes);
