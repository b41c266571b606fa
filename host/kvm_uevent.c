/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kvm_uevent.h"

#include <errno.h>
#include <libudev.h>
#include <stdint.h>
#include <string.h>

#include "host/number.h"

struct kvm_uevent_monitor {
	struct udev *udev;
	struct udev_monitor *monitor;
};

int kvm_uevent_open(struct kvm_uevent_monitor **ret_monitor)
{
	struct kvm_uevent_monitor *monitor = calloc(1, sizeof(*monitor));
	int r = -ENOMEM;

	if (!monitor)
		return -ENOMEM;
	monitor->udev = udev_new();
	/* "kernel": containers and initramfs have no udevd that would pass events on. */
	if (monitor->udev)
		monitor->monitor = udev_monitor_new_from_netlink(monitor->udev, "kernel");
	if (monitor->monitor)
		r = udev_monitor_filter_add_match_subsystem_devtype(monitor->monitor, "misc", NULL);
	if (r >= 0)
		r = udev_monitor_enable_receiving(monitor->monitor);
	if (r < 0) {
		kvm_uevent_close(monitor);
		return r;
	}
	*ret_monitor = monitor;
	return 0;
}

void kvm_uevent_close(struct kvm_uevent_monitor *monitor)
{
	if (!monitor)
		return;
	udev_monitor_unref(monitor->monitor);
	udev_unref(monitor->udev);
	free(monitor);
}

int kvm_uevent_fd(const struct kvm_uevent_monitor *monitor)
{
	return udev_monitor_get_fd(monitor->monitor);
}

static bool equal(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

bool kvm_uevent_interpret(const struct kvm_uevent_properties *properties,
			  struct kvm_uevent *ret_event)
{
	struct kvm_uevent event = {.count = -1};
	uint64_t number;

	if (!equal(properties->sysname, "kvm"))
		return false;
	if (equal(properties->event, "create"))
		event.kind = KVM_UEVENT_VM_CREATED;
	else if (equal(properties->event, "destroy"))
		event.kind = KVM_UEVENT_VM_DESTROYED;
	else if (equal(properties->action, "add"))
		event.kind = KVM_UEVENT_DEVICE_ADDED;
	else if (equal(properties->action, "remove"))
		event.kind = KVM_UEVENT_DEVICE_REMOVED;
	else
		return false;
	if (properties->pid && number_parse_u64(properties->pid, 1, INT32_MAX, &number) == 0)
		event.tid = (pid_t)number;
	if (properties->count && number_parse_u64(properties->count, 0, INT64_MAX, &number) == 0)
		event.count = (int64_t)number;
	*ret_event = event;
	return true;
}

static bool interpret_device(struct udev_device *device, struct kvm_uevent *ret_event)
{
	const struct kvm_uevent_properties properties = {
		.sysname = udev_device_get_sysname(device),
		.action = udev_device_get_action(device),
		.event = udev_device_get_property_value(device, "EVENT"),
		.pid = udev_device_get_property_value(device, "PID"),
		.count = udev_device_get_property_value(device, "COUNT"),
	};

	return kvm_uevent_interpret(&properties, ret_event);
}

int kvm_uevent_receive(struct kvm_uevent_monitor *monitor, struct kvm_uevent *ret_event)
{
	for (;;) {
		struct udev_device *device;
		bool wanted;

		errno = 0;
		device = udev_monitor_receive_device(monitor->monitor);
		if (!device)
			return errno == 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
		wanted = interpret_device(device, ret_event);
		udev_device_unref(device);
		if (wanted)
			return 1;
	}
}
