/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/monitor.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "host/guest.h"
#include "host/kvm_uevent.h"
#include "host/message.h"
#include "host/stdout.h"
#include "host/text.h"

/* A thread that has created VMs: when they are destroyed, its process has often ended. */
struct creator {
	pid_t tid, pid;
	char *guest;
	unsigned int vms;
};

struct monitor {
	const struct host_root *root;
	bool json;
	struct creator *creators;
	size_t count;
};

static const char *const kind_names[] = {
	[KVM_UEVENT_VM_CREATED] = "created",
	[KVM_UEVENT_VM_DESTROYED] = "destroyed",
	[KVM_UEVENT_DEVICE_ADDED] = "device-added",
	[KVM_UEVENT_DEVICE_REMOVED] = "device-removed",
};

static struct creator *find_creator(struct monitor *monitor, pid_t tid)
{
	size_t i;

	for (i = 0; i < monitor->count; i++) {
		if (monitor->creators[i].tid == tid)
			return &monitor->creators[i];
	}
	return NULL;
}

static struct creator *add_creator(struct monitor *monitor, pid_t tid)
{
	struct creator *grown = reallocarray(monitor->creators, monitor->count + 1, sizeof(*grown));

	if (!grown)
		return NULL;
	monitor->creators = grown;
	grown += monitor->count++;
	*grown = (struct creator){.tid = tid};
	return grown;
}

static void drop_creator(struct monitor *monitor, struct creator *creator)
{
	free(creator->guest);
	*creator = monitor->creators[--monitor->count];
}

/* Looks the process up while it is there. The name is made safe for terminals and for UTF-8. */
static void identify(const struct monitor *monitor, struct creator *creator)
{
	cleanup_free char *name = NULL;
	pid_t pid = guest_process_of_thread(monitor->root, creator->tid);

	if (pid <= 0)
		return;
	creator->pid = pid;
	if (guest_name(monitor->root, pid, &name) < 0)
		return;
	free(creator->guest);
	creator->guest = text_clean(name);
}

/* Who the event is about; NULL without memory. */
static struct creator *creator_of(struct monitor *monitor, const struct kvm_uevent *event)
{
	struct creator *creator = find_creator(monitor, event->tid);

	if (!creator)
		creator = add_creator(monitor, event->tid);
	if (!creator)
		return NULL;
	if (event->kind == KVM_UEVENT_VM_CREATED) {
		identify(monitor, creator); /* anew: the number may be another thread's now */
		creator->vms++;
	} else {
		if (!creator->guest)
			identify(monitor, creator);
		if (creator->vms > 0)
			creator->vms--;
	}
	return creator;
}

static void add(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add(object, key, value);
}

static int print_json(const struct kvm_uevent *event, const struct creator *creator,
		      const char *stamp)
{
	struct json_object *object = json_object_new_object();
	const char *text;

	add(object, "time", json_object_new_string(stamp));
	add(object, "event", json_object_new_string(kind_names[event->kind]));
	if (creator) {
		add(object, "tid", json_object_new_int64(creator->tid));
		add(object, "pid", creator->pid ? json_object_new_int64(creator->pid) : NULL);
		add(object, "guest",
		    creator->guest ? json_object_new_string(creator->guest) : NULL);
		add(object, "count",
		    event->count >= 0 ? json_object_new_int64(event->count) : NULL);
	}
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		puts(text);
	json_object_put(object);
	return text ? 0 : -ENOMEM;
}

static int print_text(const struct kvm_uevent *event, const struct creator *creator,
		      const char *stamp)
{
	printf("%s %s", stamp, kind_names[event->kind]);
	if (creator) {
		if (creator->pid)
			printf(" pid %d", (int)creator->pid);
		else
			printf(" tid %d", (int)creator->tid);
		printf(" guest %s", creator->guest ? creator->guest : "unknown");
		if (event->count >= 0)
			printf(" count %lld", (long long)event->count);
	}
	putchar('\n');
	return 0;
}

static int print_event(struct monitor *monitor, const struct kvm_uevent *event)
{
	bool is_vm = event->kind == KVM_UEVENT_VM_CREATED || event->kind == KVM_UEVENT_VM_DESTROYED;
	struct creator *creator = is_vm ? creator_of(monitor, event) : NULL;
	time_t now = time(NULL);
	struct tm utc;
	char stamp[32];
	int r;

	if (is_vm && !creator)
		return -ENOMEM;
	gmtime_r(&now, &utc);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
	r = monitor->json ? print_json(event, creator, stamp) : print_text(event, creator, stamp);
	if (creator && creator->vms == 0)
		drop_creator(monitor, creator);
	return r;
}

static int receive(struct monitor *monitor, struct kvm_uevent_monitor *events)
{
	struct kvm_uevent event;
	int r;

	while ((r = kvm_uevent_receive(events, &event)) > 0) {
		r = print_event(monitor, &event);
		if (r < 0)
			return r;
		if (stdout_flush() < 0)
			return 1; /* has been told */
	}
	if (r == -ENOBUFS) {
		message_warning("events were lost: there were more than could be read");
		r = 0;
	}
	return r;
}

static int listen_to(struct monitor *monitor, struct kvm_uevent_monitor *events)
{
	for (;;) {
		struct pollfd pfd = {.fd = kvm_uevent_fd(events), .events = POLLIN};
		int r;

		if (poll(&pfd, 1, -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		r = receive(monitor, events);
		if (r != 0)
			return r;
	}
}

int monitor_run(const struct host_root *root, const struct options *options)
{
	struct monitor monitor = {.root = root, .json = options->json};
	struct kvm_uevent_monitor *events;
	int r = kvm_uevent_open(&events);

	if (r < 0) {
		message_error("cannot listen to the kernel's events: %s", strerror(-r));
		return 1;
	}
	r = listen_to(&monitor, events);
	if (r < 0)
		message_error("cannot read the kernel's events: %s", strerror(-r));
	kvm_uevent_close(events);
	while (monitor.count > 0)
		drop_creator(&monitor, &monitor.creators[0]);
	free(monitor.creators);
	return 1;
}
