/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/wait.h"

#include <errno.h>
#include <libudev.h>
#include <string.h>
#include <sys/inotify.h>

#include "host/device_access.h"
#include "host/message.h"
#include "udev/deadline.h"
#include "udev/trigger.h"

/*
 * Two watches. The monitor tells of the device: by udevd, when the rules have been applied; where
 * there is none, by the kernel. What logind does as users come and go, and what is done by hand,
 * makes no event: that is seen by watching /dev.
 */
struct watch {
	struct udev *udev;
	struct udev_monitor *monitor;
	int inotify;
};

static void watch_close(struct watch *watch)
{
	udev_monitor_unref(watch->monitor);
	udev_unref(watch->udev);
	if (watch->inotify >= 0)
		close(watch->inotify);
}

static int watch_open(struct watch *watch)
{
	const char *source = trigger_is_possible() ? "udev" : "kernel";
	int r;

	*watch = (struct watch){.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
	if (watch->inotify < 0)
		return -errno;
	if (inotify_add_watch(watch->inotify, "/dev",
			      IN_ATTRIB | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return -errno;
	watch->udev = udev_new();
	if (watch->udev)
		watch->monitor = udev_monitor_new_from_netlink(watch->udev, source);
	if (!watch->monitor)
		return -ENOMEM;
	r = udev_monitor_filter_add_match_subsystem_devtype(watch->monitor, "misc", NULL);
	return r < 0 ? r : udev_monitor_enable_receiving(watch->monitor);
}

/* Whether anything has happened to a node of this name; takes all events. */
static bool drain(struct watch *watch, const char *name)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	struct udev_device *device;
	bool happened = false;
	ssize_t length;
	const char *p;

	while ((length = read(watch->inotify, buf, sizeof(buf))) > 0) {
		for (p = buf; p < buf + length; p += sizeof(*event) + event->len) {
			event = (const void *)p;
			if ((event->mask & IN_Q_OVERFLOW) ||
			    (event->len && strcmp(event->name, name) == 0))
				happened = true;
		}
	}
	while ((device = udev_monitor_receive_device(watch->monitor))) {
		const char *sysname = udev_device_get_sysname(device);

		if (sysname && strcmp(sysname, name) == 0)
			happened = true;
		udev_device_unref(device);
	}
	return happened || errno == ENOBUFS; /* events were lost: look */
}

/* Returns 1 when the node can be opened, 0 when not with *ret_why to be freed, or -ENOMEM. */
static int check(const struct host_root *root, char **ret_why)
{
	struct device_node node;
	struct device_verdict verdict;
	int r = device_node_read(root, DEVICE_NODE_KVM, &node);

	if (r == 0) {
		verdict = device_access_probe(root, &node);
		r = verdict.access == DEVICE_ACCESS_YES;
		free(*ret_why);
		*ret_why = r ? NULL : device_access_describe(root, &node, &verdict);
		if (!r && !*ret_why)
			r = -ENOMEM;
	}
	device_node_done(&node);
	return r;
}

/* Returns 0, -ETIMEDOUT or -errno. */
static int wait_for_node(const struct host_root *root, struct watch *watch, double timeout,
			 char **ret_why)
{
	struct deadline deadline = deadline_after(timeout);
	/* Watched first, then looked at: nothing can happen unseen in between. */
	int r = check(root, ret_why);

	while (r == 0) {
		struct pollfd fds[] = {
			{.fd = udev_monitor_get_fd(watch->monitor), .events = POLLIN},
			{.fd = watch->inotify, .events = POLLIN},
		};

		r = deadline_poll(&deadline, fds, array_size(fds));
		if (r == 0 && drain(watch, device_node_kind(DEVICE_NODE_KVM)->name))
			r = check(root, ret_why);
	}
	return r < 0 ? r : 0;
}

int wait_run(const struct host_root *root, const struct options *options)
{
	struct watch watch;
	cleanup_free char *why = NULL;
	int r = watch_open(&watch);

	if (r < 0)
		message_error("cannot watch devices: %s", strerror(-r));
	else
		r = wait_for_node(root, &watch, options->timeout, &why);
	if (r == -ETIMEDOUT)
		message_error("/dev/kvm cannot be opened after %g seconds: %s", options->timeout,
			      why);
	else if (r < 0 && watch.monitor)
		message_error("cannot wait for /dev/kvm: %s", strerror(-r));
	watch_close(&watch);
	return r < 0;
}
