/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/trigger.h"

#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <poll.h>
#include <string.h>

#include "udev/deadline.h"

/* 36 characters, the newline and the NUL */
#define UUID_SIZE 38

struct trigger {
	struct udev *udev;
	struct udev_monitor *monitor;
	char uuid[UUID_SIZE]; /* marks our events; others may be under way for the same devices */
	bool pending[DEVICE_NODE_MAX];
};

bool trigger_is_possible(void)
{
	struct udev *udev = udev_new();
	struct udev_queue *queue = udev ? udev_queue_new(udev) : NULL;
	bool active = queue && udev_queue_get_udev_is_active(queue) > 0;

	udev_queue_unref(queue);
	udev_unref(udev);
	return active;
}

static void trigger_done(struct trigger *trigger)
{
	udev_monitor_unref(trigger->monitor);
	udev_unref(trigger->udev);
}

static int trigger_open(const struct host_root *root, struct trigger *trigger)
{
	ssize_t length = host_read(root, "proc/sys/kernel/random/uuid", trigger->uuid,
				   sizeof(trigger->uuid));
	int r;

	if (length < 0)
		return (int)length;
	trigger->uuid[strcspn(trigger->uuid, "\n")] = '\0';
	trigger->udev = udev_new();
	if (trigger->udev)
		trigger->monitor = udev_monitor_new_from_netlink(trigger->udev, "udev");
	if (!trigger->monitor)
		return -ENOMEM;
	r = udev_monitor_filter_add_match_subsystem_devtype(trigger->monitor, "misc", NULL);
	return r < 0 ? r : udev_monitor_enable_receiving(trigger->monitor);
}

static int send_event(const struct host_root *root, struct trigger *trigger, size_t id)
{
	char path[96], text[UUID_SIZE + 16];
	cleanup_close int fd = -1;
	int length;

	snprintf(path, sizeof(path), "sys/class/misc/%s/uevent",
		 device_node_kind((enum device_node_id)id)->name);
	length = snprintf(text, sizeof(text), "change %s", trigger->uuid);
	fd = host_open(root, path, O_WRONLY | O_NOCTTY);
	if (fd < 0)
		return fd;
	trigger->pending[id] = true;
	return write(fd, text, (size_t)length) < 0 ? -errno : 0;
}

/* Ticks off what udevd has handled. Returns 0 or -errno. */
static int receive_events(struct trigger *trigger)
{
	for (;;) {
		struct udev_device *device;
		const char *uuid, *name;
		size_t i;

		errno = 0;
		device = udev_monitor_receive_device(trigger->monitor);
		if (!device)
			return errno == 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
		uuid = udev_device_get_property_value(device, "SYNTH_UUID");
		name = udev_device_get_sysname(device);
		for (i = 0; i < DEVICE_NODE_MAX && uuid && name; i++) {
			if (strcmp(uuid, trigger->uuid) == 0 &&
			    strcmp(name, device_node_kind((enum device_node_id)i)->name) == 0)
				trigger->pending[i] = false;
		}
		udev_device_unref(device);
	}
}

/* The first device whose event is under way, or DEVICE_NODE_MAX. */
static size_t first_pending(const struct trigger *trigger)
{
	size_t i;

	for (i = 0; i < DEVICE_NODE_MAX && !trigger->pending[i];)
		i++;
	return i;
}

static int await_events(struct trigger *trigger, double timeout)
{
	struct deadline deadline = deadline_after(timeout);

	while (first_pending(trigger) < DEVICE_NODE_MAX) {
		struct pollfd pfd = {.fd = udev_monitor_get_fd(trigger->monitor), .events = POLLIN};
		int r = deadline_poll(&deadline, &pfd, 1);

		if (r < 0)
			return r;
		r = receive_events(trigger);
		if (r < 0)
			return r;
	}
	return 0;
}

int trigger_devices(const struct host_root *root, const bool wanted[DEVICE_NODE_MAX],
		    double timeout, enum device_node_id *ret_id)
{
	struct trigger trigger = {0};
	size_t i = 0;
	int r = trigger_open(root, &trigger);

	for (; r == 0 && i < DEVICE_NODE_MAX; i++) {
		if (wanted[i])
			r = send_event(root, &trigger, i);
		if (r < 0)
			break;
	}
	if (r == 0) {
		r = await_events(&trigger, timeout);
		i = first_pending(&trigger);
	}
	if (r < 0)
		*ret_id = i < DEVICE_NODE_MAX ? (enum device_node_id)i : DEVICE_NODE_KVM;
	trigger_done(&trigger);
	return r;
}
