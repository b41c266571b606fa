/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -o: metrics in a file, each sample in place of the last, until a signal ends it. */
#pragma once

#include "kvm_stat/session.h"

/*
 * Keeps the metrics of the session in options->output. A file that cannot be written is said once
 * for each cause, and tried again with each sample. At a signal, and when the counters cannot be
 * read any more, the file is removed, as nothing in it holds any more. Returns the exit status; or
 * -1 when kvm was unloaded and the options say to wait for it. *count is how many samples were
 * taken, now and before, for --count.
 */
int export_run(struct session *session, const struct options *options, int signal_fd,
	       uint64_t *count) must_check;

/* Removes the file: what it says holds no more. Says why where it cannot. */
void export_clear(const struct options *options);
