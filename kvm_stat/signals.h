/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals as events: they are blocked and read from a descriptor, so no work is in handlers. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/cleanup.h"

/*
 * Blocks `count` signals and returns a signalfd that reports them, or -errno. Those that whoever
 * started the program ignores (nohup, background jobs) stay ignored. So is SIGPIPE from here on:
 * writing to a closed pipe is an error like any other.
 */
int signals_open(const int *signals, size_t count) must_check;

/* Takes the next signal that has arrived. Returns its number, or 0 when there is none. */
int signals_next(int fd);

/*
 * Waits until `deadline_ns` (CLOCK_MONOTONIC), a signal, or until `other_fd` (-1: none) can be
 * read. Returns the signal's number, 0 when the time has come, or -1 for other_fd.
 */
int signals_wait(int fd, int other_fd, uint64_t deadline_ns);

/* Stops the program as Ctrl-Z does where that is not handled. Returns when it goes on. */
void signals_stop(void);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_now_ns(void);
