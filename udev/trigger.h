/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has udevd handle devices anew. */
#pragma once

#include "host/device_node.h"

/* Whether an udevd runs that this process can hear of. */
bool trigger_is_possible(void);

/*
 * Sends the event "change" for each device of `wanted`, as the kernel would, and waits until udevd
 * has handled exactly these events. Needs root and Linux 4.13. Returns 0, -ETIMEDOUT after
 * `timeout` seconds, or -errno. On an error *ret_id is the device.
 */
int trigger_devices(const struct host_root *root, const bool wanted[DEVICE_NODE_MAX],
		    double timeout, enum device_node_id *ret_id) must_check;
