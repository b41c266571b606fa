/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recording as a source: each source_read() takes its next sample, whose time is the recording's. */
#pragma once

#include <signal.h>

#include "kvm_stat/guests.h"
#include "kvm_stat/recording.h"
#include "kvm_stat/source.h"

/*
 * Opens the recording at `path` and reads it once, to know its samples and names. Damage is no
 * failure: the samples before it can be read. Returns 0; -EBADMSG with *ret_why (to be freed) for
 * what is no recording; -ENOTSUP for what is no regular file; or another -errno. Reading can take
 * long: this and source_read() return -EINTR once one of the signals `ending` (NULL: none) is
 * pending, which are blocked and end the program.
 */
int replay_open(const char *path, const sigset_t *ending, struct source **ret_source,
		char **ret_why) must_check;

/* Where the recording is damaged, in words, or NULL. */
const char *replay_damage(const struct source *source);

const struct recording_head *replay_head(const struct source *source);

/* How many samples there are, and the number of the one that is read next: from 0 to that. */
uint64_t replay_count(const struct source *source);
uint64_t replay_next(const struct source *source);

/* Lets sample `next` be read next. */
void replay_seek(struct source *source, uint64_t next);

/*
 * Lets the last sample be read next, as the end of an interval that began with the first one: it has
 * rows also of those who ended in between. Nothing when there are no two.
 */
void replay_leap(struct source *source);

/* Of the sample read last: what it has beside its rows, and the guests. */
const struct recording_moment *replay_moment(const struct source *source);
const struct guests *replay_guests(const struct source *source);

/*
 * The guests that rows of the sample read last can be of. Before the first one nobody runs yet, but
 * may be asked for by name: they are all.
 */
const struct guests *replay_shown_guests(const struct source *source);

/* Whether the guest had ended when the sample was taken that was read last. */
bool replay_guest_ended(const struct source *source, pid_t pid);

/* All guests of the recording. */
const struct guests *replay_all_guests(const struct source *source);
