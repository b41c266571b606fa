/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Closes descriptors whose close(2) is slow, without making the user wait. */
#pragma once

#include <stddef.h>

/*
 * Closes `count` descriptors. The last close of a tracepoint waits for an RCU grace period, about
 * 36 ms each on kernel 6.18 and 3 to 4 s for all of KVM's: a child process that shares them takes
 * the wait and ends by itself. Where it cannot be started, they are closed here and now. Sorts fds.
 */
void fd_reaper_close(int *fds, size_t count);
