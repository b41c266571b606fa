/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who shall be able to open the nodes: the one policy that 65-kvm.rules is made from, too. */
#pragma once

#include "host/device_node.h"

#define POLICY_GROUP "kvm"

struct policy {
	mode_t mode;    /* 0660 or 0666 */
	bool has_group; /* the group exists; else `gid` is not set */
	gid_t gid;
};

/* Reads the number of the group below the root. Returns 0 or -errno. */
int policy_read(const struct host_root *root, struct policy *ret_policy) must_check;

/*
 * Whether owner, group, mode and ACL are those of the policy. Further users and groups in an ACL
 * are what uaccess is for; the mode with its mask has to let the owning group in all the same.
 */
bool policy_agrees(const struct policy *policy, const struct device_node *node);
