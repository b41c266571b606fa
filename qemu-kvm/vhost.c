/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/vhost.h"

#include <errno.h>
#include <string.h>

#include "host/module.h"
#include "host/text.h"

const struct vhost_device vhost_net = {"vhost-net", "vhost_net", "vhost=on"};
const struct vhost_device vhost_vsock = {"vhost-vsock", "vhost_vsock", "the vhost-vsock device"};

bool vhost_is_there(const struct host_root *root, const struct vhost_device *device)
{
	/* Not /dev: a static node is there before its module. Not /sys/module: it may be built in. */
	cleanup_free char *path = text_format("sys/class/misc/%s", device->name);

	return path && host_exists(root, path);
}

int vhost_prepare(const struct host_root *root, const struct vhost_device *device)
{
	cleanup_free char *node = text_format("/dev/%s", device->name);
	int r;

	if (vhost_is_there(root, device))
		return 0;
	r = module_load(device->module);
	/* Where we may not load it, or cannot see it as in a container, the kernel can, for QEMU. */
	if ((r == -EPERM || r == -ENOENT || r == -ELIBACC) && node &&
	    access(node, R_OK | W_OK) == 0)
		return 0;
	return r;
}

const char *vhost_advice(int error)
{
	switch (-error) {
	case ENOENT:
		return "the running kernel does not have it; install the package with the kernel's "
		       "modules";
	case ECANCELED:
		return "modprobe.d forbids it; kvm-modprobe tells the line";
	case EKEYREJECTED:
	case ENOKEY:
		return "the kernel refuses its signature, as with Secure Boot; use the "
		       "distribution's own module";
	case ELIBACC:
		return "libkmod is not installed; load it with modprobe, as root";
	case EPERM:
		return "this user may not; load it by its name with kvm-modprobe, as root";
	default:
		return strerror(-error);
	}
}
