/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is mounted where. The programs never mount anything themselves. */
#pragma once

#include <stddef.h>

#include "host/root.h"

/*
 * Opens the directory `below` (such as "kvm") of a mounted file system of `type` ("debugfs",
 * "tracefs"): the one at `usual`, else the first in /proc/mounts that has the directory. A moved
 * root without /proc/mounts is looked at in `usual` only.
 * Returns a directory descriptor; -ENODEV when no such file system is mounted; else -errno of the
 * first one that was found (-ENOENT: it has no `below`; -EACCES: not for this user).
 * *ret_path, when not NULL, names what was opened or tried; to be freed.
 */
int mounts_open(const struct host_root *root, const char *type, const char *usual,
		const char *below, char **ret_path) must_check;

/*
 * Opens the tracefs directory `below` ("events"): tracefs where it is mounted, else debugfs'
 * "tracing" (kernels mount tracefs there by themselves; that is deprecated since 6.15).
 * Returns as mounts_open().
 */
int mounts_open_tracefs(const struct host_root *root, const char *below,
			char **ret_path) must_check;

/* Opens the debugfs directory `below` ("kvm"). Returns as mounts_open(). */
int mounts_open_debugfs(const struct host_root *root, const char *below,
			char **ret_path) must_check;

/*
 * Whether the file system that is seen at `dir`, as the last of those mounted there, is of `type`.
 * What cannot be read is not.
 */
bool mounts_is_on_top(const struct host_root *root, const char *type, const char *dir);
