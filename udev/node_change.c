/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/node_change.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <acl/libacl.h>

/* The ACL that says what the mode says. */
static int take_acl_off(const char *path, mode_t mode)
{
	acl_t acl = acl_from_mode(mode);
	int r = 0;

	if (!acl)
		return -errno;
	if (acl_set_file(path, ACL_TYPE_ACCESS, acl) < 0)
		r = -errno;
	acl_free(acl);
	return r;
}

static int change(const struct policy *policy, int fd, const struct device_node *node)
{
	char path[DEVICE_NODE_PROC_PATH_MAX];
	int r = 0;

	/* Through the descriptor: whatever comes to stand under the name is not changed. */
	device_node_proc_path(fd, path);
	if (fchownat(fd, "", 0, policy->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	if (node->acl.is_extended && (node->acl.group & 6) != ((policy->mode >> 3) & 6))
		r = take_acl_off(path, policy->mode);
	if (r == 0 && chmod(path, policy->mode) < 0)
		r = -errno;
	return r;
}

int node_change_apply(const struct host_root *root, const struct policy *policy,
		      enum device_node_id id)
{
	cleanup_close int fd = device_node_open(root, id);
	struct device_node node;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	r = device_node_read(root, id, &node);
	if (r == 0)
		r = node.error;
	/* Both have to have looked at the same node. */
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0 && (!node.is_device || st.st_rdev != node.st.st_rdev ||
		       st.st_ino != node.st.st_ino || st.st_dev != node.st.st_dev))
		r = -ENODEV;
	if (r == 0)
		r = change(policy, fd, &node);
	device_node_done(&node);
	return r;
}

int node_change_create(const struct host_root *root, const struct policy *policy,
		       enum device_node_id id)
{
	const struct device_node_kind *kind = device_node_kind(id);
	cleanup_close int dev = host_open(root, "dev", O_PATH | O_DIRECTORY);

	if (dev < 0)
		return dev;
	/* For root alone until the owner is right. */
	if (mknodat(dev, kind->name, S_IFCHR | 0600, makedev(kind->major, kind->minor)) < 0)
		return -errno;
	return node_change_apply(root, policy, id);
}
