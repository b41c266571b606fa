/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest as its process shows it: name, threads, whether it still runs. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "host/root.h"

/*
 * Finds the guest's name in a VMM's command line of `length` bytes with NULs between arguments:
 * the value of -name or --name (also --name=VALUE), of which the part without '=' wins over
 * guest=; ",," stands for a comma. Returns the name, to be freed, or NULL when there is none.
 */
char *guest_name_from_cmdline(const char *cmdline, size_t length) must_check;

/*
 * The name by which users know the guest of process `pid`: as guest_name_from_cmdline(), else
 * COMM-PID. The bytes are the user's own: clean them before they reach a terminal.
 * Returns 0; 1 for a process without a command line, as of one that is about to end, whose memory goes
 * before its VM; or -errno (-ENOENT: no such process). *ret_name is to be freed unless that is an error.
 */
int guest_name(const struct host_root *root, pid_t pid, char **ret_name) must_check;

/*
 * The process (thread group) that thread `tid` belongs to. Returns it, or -errno (-ESRCH: there is
 * no such thread).
 */
pid_t guest_process_of_thread(const struct host_root *root, pid_t tid) must_check;

/*
 * Lists the threads of process `pid` in ascending order. *ret_tids is to be freed. Returns 0 or
 * -errno (-ESRCH: the process is gone).
 */
int guest_threads(const struct host_root *root, pid_t pid, pid_t **ret_tids,
		  size_t *ret_count) must_check;

/*
 * Finds the CPU that a thread last ran on, from its stat file (field 39, see proc_pid_stat(5)).
 * Returns 0 or -errno (-ENOENT or -ESRCH: the thread is gone).
 */
int guest_thread_cpu(const struct host_root *root, pid_t pid, pid_t tid,
		     unsigned int *ret_cpu) must_check;

/*
 * When process `pid` started, in clock ticks since boot, from its stat file (field 22): no other
 * process that ever has its number started then. Returns 0 or -errno (-ENOENT or -ESRCH: it is
 * gone).
 */
int guest_start_time(const struct host_root *root, pid_t pid, uint64_t *ret_ticks) must_check;
