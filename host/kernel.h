/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of the running kernel that decides what may be read. */
#pragma once

#include "host/root.h"

enum kernel_lockdown {
	KERNEL_LOCKDOWN_UNKNOWN, /* securityfs is not mounted, or kernel before 5.4 */
	KERNEL_LOCKDOWN_NONE,
	KERNEL_LOCKDOWN_INTEGRITY,       /* debugfs: only files of mode 0444 can be opened */
	KERNEL_LOCKDOWN_CONFIDENTIALITY, /* and tracefs cannot be opened at all */
};

/* The lockdown state, from /sys/kernel/security/lockdown. */
enum kernel_lockdown kernel_lockdown(const struct host_root *root);

/* Whether module `name` (with underscores) is loaded, or built in with a place in /sys/module. */
bool kernel_has_module(const struct host_root *root, const char *name);

/* Reads /proc/sys/kernel/perf_event_paranoid (-1..4). Returns 0 or -errno. */
int kernel_perf_paranoid(const struct host_root *root, int *ret_level) must_check;
