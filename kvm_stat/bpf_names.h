/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names of the rows that tracepoints counted via BPF have: "event" and "event(reason)". */
#pragma once

#include "kvm_stat/source.h"

struct bpf_name {
	char *name;
	const char *parent; /* of a reason: its event, borrowed; else NULL */
	size_t index;
	bool is_flag; /* as in struct sample_row */
};

struct bpf_names {
	struct bpf_name **list;
	size_t count;
	void *reasons; /* tree of the names of reasons */
};

/* Adds a name, which is taken; NULL stands for no memory. Returns its index or -ENOMEM. */
ssize_t bpf_names_add(struct bpf_names *names, char *text, const char *parent) must_check;

/*
 * The name "event(reason)", added if it is selected and not there; `full` where there are too many
 * names already. `event` is borrowed. Returns its index, -1 when it is not selected, or -ENOMEM.
 */
ssize_t bpf_names_add_reason(struct bpf_names *names, const struct selection *selection,
			     const char *event, const char *reason, ssize_t full) must_check;

/* Takes back the names that were added last, so that `count` stay. */
void bpf_names_cut(struct bpf_names *names, size_t count);

/* Frees all names. */
void bpf_names_done(struct bpf_names *names);
