/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All nodes as they are now, beside the policy, with what udev recorded of them. */
#pragma once

#include "udev/policy.h"

struct node_state {
	struct device_node node;
	bool agrees;     /* with the policy */
	bool has_record; /* udevd has handled the device */
	bool is_uaccess; /* users at the seat get access, by udevd's record */
	char *rule;      /* "FILE:LINE" of ours, where it was applied; else NULL */
};

struct node_set {
	struct policy policy;
	struct node_state nodes[DEVICE_NODE_MAX];
};

/* Reads everything. Returns 0 or -errno; *ret_set is released by node_set_done(). */
int node_set_read(const struct host_root *root, struct node_set *ret_set) must_check;

void node_set_done(struct node_set *set);

/* "OWNER:GROUP MODE" of a node that is there, to be freed; NULL without memory. */
char *node_state_describe(const struct host_root *root, const struct node_state *state) must_check;
