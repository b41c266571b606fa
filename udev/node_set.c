/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/node_set.h"

#include <errno.h>
#include <libudev.h>
#include <string.h>

#include "host/account.h"
#include "host/text.h"

/* The rule leaves its own place in udev's record; libudev knows of no other rule. */
#define RULE_PROPERTY "KVM_DEVICE_RULE"

static int read_record(struct udev *udev, struct node_state *state)
{
	struct udev_device *device = udev_device_new_from_subsystem_sysname(udev, "misc",
									    state->node.kind->name);
	const char *rule;
	int r = 0;

	if (!device)
		return 0;
	state->has_record = udev_device_get_is_initialized(device) > 0;
	state->is_uaccess = udev_device_has_tag(device, "uaccess") > 0;
	rule = udev_device_get_property_value(device, RULE_PROPERTY);
	if (rule) {
		state->rule = strdup(rule);
		r = state->rule ? 0 : -ENOMEM;
	}
	udev_device_unref(device);
	return r;
}

static int read_nodes(const struct host_root *root, struct udev *udev, struct node_set *set)
{
	size_t i;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		struct node_state *state = &set->nodes[i];
		int r = device_node_read(root, (enum device_node_id)i, &state->node);

		if (r == 0 && udev)
			r = read_record(udev, state);
		if (r < 0)
			return r;
		state->agrees = policy_agrees(&set->policy, &state->node);
	}
	return 0;
}

int node_set_read(const struct host_root *root, struct node_set *ret_set)
{
	struct node_set set = {0};
	struct udev *udev = NULL;
	int r = policy_read(root, &set.policy);

	if (r < 0)
		return r;
	if (root->real) {
		udev = udev_new();
		if (!udev)
			return -ENOMEM;
	}
	r = read_nodes(root, udev, &set);
	udev_unref(udev);
	if (r < 0) {
		node_set_done(&set);
		return r;
	}
	*ret_set = set;
	return 0;
}

void node_set_done(struct node_set *set)
{
	size_t i;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		device_node_done(&set->nodes[i].node);
		free(set->nodes[i].rule);
		set->nodes[i].rule = NULL;
	}
}

char *node_state_describe(const struct host_root *root, const struct node_state *state)
{
	const struct device_node *node = &state->node;
	cleanup_free char *owner = account_user_name(root, node->st.st_uid);
	cleanup_free char *group = account_group_name(root, node->st.st_gid);
	cleanup_free char *text = NULL;
	bool cut = device_node_group_permissions(node) != ((node->st.st_mode >> 3) & 7);

	if (!owner || !group)
		return NULL;
	text = text_format("%s:%s %04o%s", owner, group, node->st.st_mode & 07777,
			   cut ? ", the ACL lets the group do less" : "");
	/* Names below another root may be anything. */
	return text ? text_clean(text) : NULL;
}
