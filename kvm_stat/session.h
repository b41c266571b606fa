/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one run of kvm_stat watches: its sources, selection, guests and rates. */
#pragma once

#include <time.h>

#include "kvm_stat/guests.h"
#include "kvm_stat/options.h"
#include "kvm_stat/rates.h"
#include "kvm_stat/source.h"
#include "kvm_stat/watched.h"

#define SESSION_SOURCES_MAX 3

struct session {
	struct host_root root;
	struct source *sources[SESSION_SOURCES_MAX];
	size_t source_count;
	bool silent[SESSION_SOURCES_MAX]; /* has no rows of this selection, but another one has */
	struct source *replay;            /* the one source, when that is a recording; else NULL */
	size_t unreadable[SESSION_SOURCES_MAX]; /* fields, as was said last */
	uint64_t lost[SESSION_SOURCES_MAX];     /* events, likewise */
	uint64_t missed[SESSION_SOURCES_MAX];   /* likewise */
	struct field_filter *filter;            /* owned; NULL: no filter */
	char *only;                             /* owned; as selection.only */
	struct selection selection;             /* filter and only point to the two above */
	struct watched watched;                 /* the guest of selection.pid */
	bool follows_name;    /* that guest is selected again when it comes back */
	bool is_replaced;     /* its number is another process', whose rows nobody asked for */
	struct guests guests; /* as of the last session_update_guests() */
	int failure;          /* -errno: a selection failed and the one before too */
	struct timespec time; /* CLOCK_REALTIME, of the sample; of a recording, when it was taken */
	struct sample sample;
	struct rates rates;
};

/*
 * Opens what `options` ask for: the root, the sources, the filter and the guest. Everything that
 * goes wrong is printed (one line each). Returns 0, or negative when nothing can be shown:
 * -ENOENT when KVM is not loaded, so that waiting for it makes sense; -EAGAIN, of which nothing is
 * printed, when `again` there is no guest of the name, as there was when KVM was loaded last;
 * -EINTR, likewise, when a signal that ends the program came while a recording was read. Call
 * session_close() in any case.
 */
int session_open(struct session *session, const struct options *options, bool again) must_check;

/* Releases everything. */
void session_close(struct session *session);

/*
 * Takes a sample of all sources into session->sample, sorted. When another process has the number
 * of the guest that is selected, rows by field stay as session->rates has them, and others are gone
 * as those of any guest that ended. Returns 0, or -errno when a source
 * has failed as a whole; -ENODATA at the end of a recording; -EINTR as session_open().
 */
int session_read(struct session *session) must_check;

/* As session_read(), and works out session->rates. */
int session_sample(struct session *session) must_check;

/* Starts all totals from 0; the next sample is the first one after that. */
void session_reset(struct session *session);

/* Closes what would hold up guests while the program is stopped. */
void session_give_back(struct session *session);

/*
 * Changes what is counted to `wanted`, whose filter is ignored and whose `only` is copied; all totals
 * start from 0. Sources that have no such rows are silent where another one has. Should it fail (a
 * message says why), the selection before is in force again, or session_sample() fails. Returns 0 or
 * -errno: -ENOENT when no source has the field `only` for such rows.
 */
int session_select(struct session *session, const struct selection *wanted) must_check;

/*
 * Sets the fields to show from a regular expression; "" removes the filter. Returns 0; -EINVAL for
 * a bad expression, with *ret_why (to be freed) saying what is wrong; or another -errno.
 */
int session_select_fields(struct session *session, const char *pattern, char **ret_why) must_check;

/* Whether fields were selected and not one of them can be read. */
bool session_is_unreadable(const struct session *session);

/*
 * Looks for guests anew: in a recording, those at the time of its sample; session->watched learns
 * its name from them. Returns 0 or -errno.
 */
int session_update_guests(struct session *session) must_check;

/* As guests_check_pid(); in a recording every guest that was ever there exists. */
int session_check_pid(const struct session *session, pid_t pid, pid_t *ret_process) must_check;

/*
 * Selects the guest of process `pid`, or all with 0, as session_select() does. Other processes that
 * have that number later are not taken for it.
 */
int session_select_guest(struct session *session, pid_t pid) must_check;

/* Whether one guest is selected and had ended when it was looked at last, as with each sample. */
bool session_guest_ended(const struct session *session);

/*
 * Looks what became of the guest that is selected, unless this is a recording. Of one that has
 * ended, and was asked for by its name or on the screen, *ret_pid is the process in which it runs
 * again, by exactly that name and only once, to be given to session_select_guest().
 */
enum session_guest {
	SESSION_GUEST_RUNS, /* also when none is selected */
	SESSION_GUEST_ENDED,
	SESSION_GUEST_BACK,
};
enum session_guest session_look_at_guest(struct session *session, pid_t *ret_pid) must_check;

/* The name of the host into `buf`. Returns whether it is known. */
bool session_host_name(const struct session *session, char *buf, size_t size);

/* Where the numbers come from. Returns how many there are, SESSION_SOURCES_MAX at most. */
struct session_source {
	const char *name;
	size_t unreadable; /* fields that were selected */
};
size_t session_list_sources(const struct session *session, struct session_source *ret_sources);

/*
 * Of a recording: makes `sample`, which is there, the one that session->rates are of, with its rates
 * where there is one before. Returns 0 or -errno.
 */
int session_seek(struct session *session, uint64_t sample) must_check;
