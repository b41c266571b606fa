/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which program emulates this host's architecture. */
#pragma once

#include "host/root.h"

/*
 * The name of the emulator for a machine as uname(2) calls it: "qemu-system-x86_64". Returns
 * memory to be freed, or NULL without memory.
 */
char *emulator_name(const char *machine) must_check;

/*
 * Looks for `name` in the absolute directories of `path` (NULL: the usual ones), then for RHEL's
 * /usr/libexec/qemu-kvm. This program itself is passed over, under whatever name it is found.
 * Returns 0, -ENOENT when there is none, -EACCES when there is one that may not be executed,
 * -EISDIR, or -ENOMEM. *ret_path, to be freed, is set with 0, -EACCES and -EISDIR.
 */
int emulator_find(const char *name, const char *path, char **ret_path) must_check;

/* As emulator_find(), below `root`: of a moved one, any file with an executable bit will do. */
int emulator_find_below(const struct host_root *root, const char *name, const char *path,
			char **ret_path) must_check;
