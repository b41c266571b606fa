/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --record: samples into a recording, until a signal ends it. */
#pragma once

#include "kvm_stat/session.h"

/* Records the session into options->record. Returns the exit status. */
int recorder_run(struct session *session, const struct options *options, int signal_fd) must_check;
