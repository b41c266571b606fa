/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/policy.h"

#include <errno.h>

#include "host/account.h"

int policy_read(const struct host_root *root, struct policy *ret_policy)
{
	struct policy policy = {.mode = KVM_DEVICE_MODE};
	int r = account_group_find(root, POLICY_GROUP, &policy.gid);

	if (r < 0 && r != -ENOENT)
		return r;
	policy.has_group = r == 0;
	*ret_policy = policy;
	return 0;
}

bool policy_agrees(const struct policy *policy, const struct device_node *node)
{
	return !node->error && policy->has_group && node->is_device && node->st.st_uid == 0 &&
	       node->st.st_gid == policy->gid && (node->st.st_mode & 07777) == policy->mode &&
	       device_node_group_permissions(node) == ((policy->mode >> 3) & 7);
}
