/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vhost devices that QEMU will open, and the modules behind them. */
#pragma once

#include <stdbool.h>

#include "host/root.h"

struct vhost_device {
	const char *name;   /* "vhost-net", below /dev and /sys/class/misc */
	const char *module; /* "vhost_net" */
	const char *option; /* what asks for it, for a message */
};

extern const struct vhost_device vhost_net, vhost_vsock;

/* Whether the kernel has the device, its module loaded or built in. */
bool vhost_is_there(const struct host_root *root, const struct vhost_device *device);

/*
 * Makes sure that QEMU can have the device: loads its module where it is missing and we may.
 * Where we may not, QEMU's opening of the node makes the kernel load it, if QEMU may open it.
 * Returns 0, or -errno why it could not be loaded.
 */
int vhost_prepare(const struct host_root *root, const struct vhost_device *device) must_check;

/* Why vhost_prepare() failed and what to do, for a message. */
const char *vhost_advice(int error);
