/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A full disk or a closed pipe behind stdout must not look like success. */
#pragma once

#include "host/cleanup.h"

/*
 * Writes out what stdout has buffered. Returns 0, or -errno after printing one line; what could
 * not be written is then dropped, so that it is told only once.
 */
int stdout_flush(void) must_check;

/*
 * Flushes and closes stdout and stderr at the end of a program. Prints one line and returns 1 when
 * something could not be written, else returns `status`.
 */
int stdout_close(int status) must_check;
