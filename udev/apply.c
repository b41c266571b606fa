/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/apply.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "host/message.h"
#include "host/surroundings.h"
#include "udev/node_change.h"
#include "udev/node_set.h"
#include "udev/trigger.h"

#define TIMEOUT_DEFAULT 30.0

/*
 * udevd looks for changed rules by itself when an event comes, but every three seconds at most: a
 * rule that was installed a moment ago may have been missed. libudev has no call to reload.
 */
#define RELOAD_MS 3200

struct apply {
	const struct host_root *root;
	const struct options *options;
	struct node_set before, after;
	bool is_udevd;
	bool failed[DEVICE_NODE_MAX]; /* has been told */
};

static const char *path_of(size_t id)
{
	return device_node_kind((enum device_node_id)id)->path;
}

static double timeout_of(const struct apply *apply)
{
	return apply->options->timeout < 0 ? TIMEOUT_DEFAULT : apply->options->timeout;
}

/* Whether it is for udevd: a node without device gets no events, only udevd's start looks at it. */
static bool is_for_udevd(const struct apply *apply, size_t id)
{
	return apply->is_udevd && apply->before.nodes[id].node.has_device;
}

static void fail(struct apply *apply, size_t id, const char *what, int error)
{
	apply->failed[id] = true;
	switch (error) {
	case -EPERM:
	case -EACCES:
		message_error("cannot %s %s: %s; run it as root", what, path_of(id),
			      strerror(-error));
		break;
	case -ENODEV:
		message_error("%s is not the device %u:%u: left as it is", path_of(id),
			      device_node_kind((enum device_node_id)id)->major,
			      device_node_kind((enum device_node_id)id)->minor);
		break;
	case -ETIMEDOUT:
		message_error("udevd has not handled %s within %g seconds", path_of(id),
			      timeout_of(apply));
		break;
	default:
		message_error("cannot %s %s: %s", what, path_of(id), strerror(-error));
	}
}

/* A node that an engine has mounted into a container is the host's own. */
static bool is_left_alone(struct apply *apply, size_t id)
{
	const struct node_state *state = &apply->before.nodes[id];

	if (state->agrees)
		return true;
	if (!state->node.is_borrowed)
		return false;
	message_error("%s is mounted from elsewhere and belongs to another system: left as it is",
		      path_of(id));
	apply->failed[id] = true;
	return true;
}

static void create_node(struct apply *apply, size_t id)
{
	int r;

	if (!apply->options->create)
		return;
	r = node_change_create(apply->root, &apply->before.policy, (enum device_node_id)id);
	if (r < 0)
		fail(apply, id, "create", r);
}

static void change_node(struct apply *apply, size_t id)
{
	const struct device_node *node = &apply->before.nodes[id].node;
	int r;

	if (node->error == -ENOENT) {
		create_node(apply, id);
		return;
	}
	if (node->error) {
		fail(apply, id, "look at", node->error);
		return;
	}
	if (is_left_alone(apply, id))
		return;
	r = node_change_apply(apply->root, &apply->before.policy, (enum device_node_id)id);
	if (r < 0)
		fail(apply, id, "change", r);
}

/*
 * What udevd does not do. Nodes are the kernel's to make, in devtmpfs: one that was removed, or a
 * /dev of another kind, stays without. Rules set the mode, and with that the mask of an ACL, never
 * its entry of the group.
 */
static void prepare_for_udevd(struct apply *apply, size_t id)
{
	const struct device_node *node = &apply->before.nodes[id].node;
	int r;

	if (node->error == -ENOENT) {
		create_node(apply, id);
		return;
	}
	if (!node->error && !node->is_device) {
		fail(apply, id, "change", -ENODEV);
		return;
	}
	if (node->error || !node->acl.is_extended ||
	    (node->acl.group & 6) == ((apply->before.policy.mode >> 3) & 6))
		return;
	r = node_change_apply(apply->root, &apply->before.policy, (enum device_node_id)id);
	if (r < 0)
		fail(apply, id, "change", r);
}

static void trigger(struct apply *apply)
{
	bool wanted[DEVICE_NODE_MAX] = {false};
	enum device_node_id id = DEVICE_NODE_KVM;
	bool any = false;
	size_t i;
	int r;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		wanted[i] = is_for_udevd(apply, i) && !apply->failed[i];
		any = any || wanted[i];
	}
	if (!any)
		return;
	r = trigger_devices(apply->root, wanted, timeout_of(apply), &id);
	if (r < 0)
		fail(apply, id, "have udevd handle", r);
}

static bool is_rule_installed(const struct apply *apply)
{
	static const char *const directories[] = {"etc", "run", "usr/local/lib", "usr/lib", "lib"};
	size_t i;

	for (i = 0; i < array_size(directories); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/udev/rules.d/65-kvm.rules", directories[i]);
		if (host_exists(apply->root, path))
			return true;
	}
	return false;
}

/* Whether udevd has left a node as the policy does not want it, or has not seen the rule yet. */
static bool needs_another(const struct apply *apply)
{
	bool is_installed = is_rule_installed(apply);
	size_t i;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		if (apply->failed[i])
			return false;
	}
	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		const struct node_state *state = &apply->after.nodes[i];

		if (is_for_udevd(apply, i) && (!state->agrees || (is_installed && !state->rule)))
			return true;
	}
	return false;
}

static int read_after(struct apply *apply)
{
	node_set_done(&apply->after);
	apply->after = (struct node_set){0};
	return node_set_read(apply->root, &apply->after);
}

static int carry_out(struct apply *apply)
{
	size_t i;
	int r;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		if (is_for_udevd(apply, i))
			prepare_for_udevd(apply, i);
		else
			change_node(apply, i);
	}
	trigger(apply);
	r = read_after(apply);
	if (r == 0 && needs_another(apply)) {
		poll(NULL, 0, RELOAD_MS);
		trigger(apply);
		r = read_after(apply);
	}
	return r;
}

static void explain_udevd(const struct node_state *state, const char *now)
{
	const char *path = state->node.kind->path;

	if (state->node.error == -ENOENT)
		message_error("there is no %s, and udevd makes none; run it with --create", path);
	else if (state->rule)
		message_error("udevd has applied %s, but %s is %s: a later rule or another "
			      "program sets it",
			      state->rule, path, now);
	else
		message_error("udevd has not applied 65-kvm.rules, %s is %s: is the rule "
			      "installed, and not masked in /etc/udev/rules.d",
			      path, now);
}

/* Tells how the node is now. Returns 0, 1 when it is not as it should be, or -ENOMEM. */
static int report_node(const struct apply *apply, size_t id)
{
	const struct node_state *before = &apply->before.nodes[id];
	const struct node_state *after = &apply->after.nodes[id];
	cleanup_free char *old = NULL, *now = NULL;

	if (apply->failed[id])
		return 1;
	if (after->node.error == -ENOENT && !is_for_udevd(apply, id))
		return 0; /* nothing to do */
	old = before->node.error ? strdup("none") : node_state_describe(apply->root, before);
	now = after->node.error ? strdup("none") : node_state_describe(apply->root, after);
	if (!old || !now)
		return -ENOMEM;
	if (!after->agrees) {
		if (is_for_udevd(apply, id))
			explain_udevd(after, now);
		else
			message_error("%s is still %s", path_of(id), now);
		return 1;
	}
	if (before->agrees)
		printf("%s: %s\n", path_of(id), now);
	else
		printf("%s: %s -> %s\n", path_of(id), old, now);
	return 0;
}

static int report(const struct apply *apply)
{
	int status = 0;
	size_t i;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		int r = report_node(apply, i);

		if (r < 0)
			return r;
		status = r ? 1 : status;
	}
	return status;
}

/* What would be done. Returns 0, 1 or -ENOMEM. */
static int rehearse_node(struct apply *apply, size_t id)
{
	const struct node_state *state = &apply->before.nodes[id];
	cleanup_free char *now = NULL;

	if (state->node.error == -ENOENT && apply->options->create) {
		printf("%s: would be created as root:%s %04o\n", path_of(id), POLICY_GROUP,
		       apply->before.policy.mode);
		return 0;
	}
	if (state->node.error == -ENOENT && !is_for_udevd(apply, id))
		return 0;
	now = state->node.error ? strdup("none") : node_state_describe(apply->root, state);
	if (!now)
		return -ENOMEM;
	if (is_for_udevd(apply, id))
		printf("%s: %s; udevd would handle it anew\n", path_of(id), now);
	else if (state->agrees)
		printf("%s: %s\n", path_of(id), now);
	else if (!is_left_alone(apply, id))
		printf("%s: %s -> would be root:%s %04o\n", path_of(id), now, POLICY_GROUP,
		       apply->before.policy.mode);
	return apply->failed[id];
}

static int rehearse(struct apply *apply)
{
	int status = 0;
	size_t i;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		int r = rehearse_node(apply, i);

		if (r < 0)
			return r;
		status = r ? 1 : status;
	}
	return status;
}

/*
 * In a chroot, /dev is often the host's own, whose group may have another number. PID 1 tells what
 * the system's root is; where it is not to be seen, an udevd that runs is taken for the system's.
 */
static bool is_own_root(const struct apply *apply)
{
	struct stat init, own;

	if (stat("/proc/1/root", &init) < 0 || stat("/", &own) < 0)
		return apply->is_udevd;
	return init.st_dev == own.st_dev && init.st_ino == own.st_ino;
}

static bool agrees_where_it_is(const struct node_set *set)
{
	size_t i;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		if (set->nodes[i].node.error != -ENOENT && !set->nodes[i].agrees)
			return false;
	}
	return true;
}

/* Whether /dev is not this system's to change, with a message. "--root /" is the way out. */
static bool is_refused(const struct apply *apply)
{
	if (!apply->root->real || (!apply->options->create && agrees_where_it_is(&apply->before)))
		return false;
	if (!is_own_root(apply)) {
		message_error("/dev may be that of another system, as in a chroot; if it is not, "
			      "give \"--root /\"");
		return true;
	}
	if (surroundings_share_dev(apply->root)) {
		message_error("/dev is that of this container's host: run it there; to change the "
			      "host's nodes from here, give \"--root /\"");
		return true;
	}
	return false;
}

/* Returns 0 or 1 with a message, -errno. */
static int run(struct apply *apply)
{
	int r = node_set_read(apply->root, &apply->before);

	if (r < 0)
		return r;
	if (!apply->before.policy.has_group) {
		message_error("there is no group %s: create it first, as by \"systemd-sysusers\"",
			      POLICY_GROUP);
		return 1;
	}
	apply->is_udevd = apply->root->real && trigger_is_possible();
	if (is_refused(apply))
		return 1;
	if (apply->options->dry_run)
		return rehearse(apply);
	r = carry_out(apply);
	return r < 0 ? r : report(apply);
}

int apply_run(const struct host_root *root, const struct options *options)
{
	struct apply apply = {.root = root, .options = options};
	int r = run(&apply);

	node_set_done(&apply.before);
	node_set_done(&apply.after);
	if (r < 0) {
		message_error("cannot read the state of the nodes: %s", strerror(-r));
		return 1;
	}
	return r;
}
