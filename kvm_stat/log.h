/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log mode: one record after another, until a signal ends it. */
#pragma once

#include "kvm_stat/session.h"

/*
 * Logs the session to options->log_file or standard output; SIGHUP opens the file anew. Returns
 * the exit status; or -1 when kvm was unloaded and the options say to wait for it.
 */
int log_run(struct session *session, const struct options *options, int signal_fd) must_check;
