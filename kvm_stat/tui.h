/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interactive program: keys and refreshes around one session. */
#pragma once

#include "kvm_stat/session.h"

/*
 * Shows the session on the terminal until the user quits, a signal ends it, or options->count
 * refreshes are done. The terminal is restored in every case. Returns the exit status; what went
 * wrong is printed after the terminal is restored.
 */
int tui_run(struct session *session, const struct options *options) must_check;
