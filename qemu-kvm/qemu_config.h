/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's own configuration files, as -readconfig reads them. */
#pragma once

#include "qemu-kvm/keyval.h"

/*
 * Reads a configuration file: calls `take` for each [group], or [group "id"], with its settings,
 * in order. Only a regular file is read: a pipe would be lost for QEMU. `node` is the file as
 * opened with O_PATH, which disturbs no pipe; it stays open.
 * Lines that are none of QEMU's are passed over; QEMU will complain about them.
 * Returns 0, -errno of the file, -ESPIPE for a pipe, -EINVAL for another file that is not regular, -ENOMEM, or what `take`
 * returned when that was negative, which ends the reading.
 */
int qemu_config_read(int node,
		     int (*take)(const char *group, const struct keyvals *settings, void *data),
		     void *data) must_check;
