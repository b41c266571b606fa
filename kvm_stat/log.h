/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log mode: one record after another, until a signal ends it. */
#pragma once

#include "kvm_stat/session.h"

/*
 * Whether the log file can be written, for a program that has to wait before it writes. Returns 0,
 * or the exit status after saying why not.
 */
int log_check(const struct options *options) must_check;

/*
 * Logs the session to options->log_file or standard output; SIGHUP opens the file anew. Returns
 * the exit status; or -1 when kvm was unloaded and the options say to wait for it. *count is how
 * many records were written, now and before, for --count.
 */
int log_run(struct session *session, const struct options *options, int signal_fd,
	    uint64_t *count) must_check;
