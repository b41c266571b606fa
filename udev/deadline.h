/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting up to a point in time. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <time.h>

#include "host/cleanup.h"

struct deadline {
	bool is_set;
	struct timespec at; /* CLOCK_MONOTONIC */
};

/* So many seconds from now; negative: never. */
struct deadline deadline_after(double seconds);

/* Waits for an event. Returns 0, -ETIMEDOUT or -errno. A signal does not end it. */
int deadline_poll(const struct deadline *deadline, struct pollfd *fds, size_t count) must_check;
