/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All names of a recording that was read to its end, and what they tell together. */
#pragma once

#include "kvm_stat/recording_reader.h"

struct replay_names {
	/* By index; should the file change, the reader may have more. */
	const struct recorded_name **list;
	size_t count;
	const struct recorded_name **sorted; /* by name */
	bool *timed;                         /* by index: an exit whose time is known, or a part */
};

/* Takes them; they live as long as the reader. Returns 0 or -ENOMEM; replay_names_done() is called in
 * any case. */
int replay_names_take(struct replay_names *names, const struct recording_reader *reader) must_check;

/* Frees everything but what is the reader's. */
void replay_names_done(struct replay_names *names);

/* The event that a name is a part of, or NULL. */
const struct recorded_name *replay_names_parent(const struct replay_names *names,
						const struct recorded_name *name);
