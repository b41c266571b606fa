/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/device_node.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <acl/libacl.h>

/* The misc minors that include/linux/miscdevice.h fixes. */
static const struct device_node_kind kinds[DEVICE_NODE_MAX] = {
	[DEVICE_NODE_KVM] = {"kvm", "/dev/kvm", 10, 232},
	[DEVICE_NODE_VHOST_NET] = {"vhost-net", "/dev/vhost-net", 10, 238},
	[DEVICE_NODE_VHOST_VSOCK] = {"vhost-vsock", "/dev/vhost-vsock", 10, 241},
};

const struct device_node_kind *device_node_kind(enum device_node_id id)
{
	return &kinds[id];
}

int device_node_open(const struct host_root *root, enum device_node_id id)
{
	return host_open(root, kinds[id].path, O_PATH | O_NOFOLLOW);
}

const char *device_node_proc_path(int fd, char *buf)
{
	snprintf(buf, DEVICE_NODE_PROC_PATH_MAX, "/proc/self/fd/%d", fd);
	return buf;
}

static void cleanup_acl_fn(const acl_t *acl)
{
	if (*acl)
		acl_free(*acl);
}

static unsigned int permissions_of(acl_entry_t entry)
{
	static const struct {
		acl_perm_t perm;
		unsigned int bit;
	} bits[] = {{ACL_READ, 4}, {ACL_WRITE, 2}, {ACL_EXECUTE, 1}};
	unsigned int permissions = 0;
	acl_permset_t set;
	size_t i;

	if (acl_get_permset(entry, &set) < 0)
		return 0;
	for (i = 0; i < array_size(bits); i++) {
		if (acl_get_perm(set, bits[i].perm) > 0)
			permissions |= bits[i].bit;
	}
	return permissions;
}

static int add_entry(struct device_acl *acl, acl_entry_t entry, bool is_group)
{
	struct device_acl_entry *grown;
	unsigned int *id = acl_get_qualifier(entry);

	if (!id)
		return -errno;
	grown = reallocarray(acl->entries, acl->count + 1, sizeof(*grown));
	if (grown) {
		acl->entries = grown;
		grown[acl->count++] = (struct device_acl_entry){
			.is_group = is_group, .id = *id, .permissions = permissions_of(entry)};
	}
	acl_free(id);
	return grown ? 0 : -ENOMEM;
}

static int take_entry(struct device_acl *acl, acl_entry_t entry)
{
	acl_tag_t tag;

	if (acl_get_tag_type(entry, &tag) < 0)
		return -errno;
	switch (tag) {
	case ACL_GROUP_OBJ:
		acl->group = permissions_of(entry);
		return 0;
	case ACL_MASK:
		acl->mask = permissions_of(entry);
		acl->is_extended = true;
		return 0;
	case ACL_USER:
	case ACL_GROUP:
		return add_entry(acl, entry, tag == ACL_GROUP);
	default:
		return 0;
	}
}

/* What cannot be read, as without /proc, stays unknown. Returns 0 or -ENOMEM. */
static int read_acl(int fd, struct device_acl *acl)
{
	char path[DEVICE_NODE_PROC_PATH_MAX];
	acl_entry_t entry;
	acl_t cleanup(cleanup_acl_fn)
		list = acl_get_file(device_node_proc_path(fd, path), ACL_TYPE_ACCESS);
	int id, r = 0;

	if (!list)
		return errno == ENOMEM ? -ENOMEM : 0;
	acl->mask = 7;
	for (id = ACL_FIRST_ENTRY; r == 0 && acl_get_entry(list, id, &entry) > 0;
	     id = ACL_NEXT_ENTRY)
		r = take_entry(acl, entry);
	acl->is_known = r == 0;
	return r == -ENOMEM ? r : 0;
}

static int read_node(const struct host_root *root, struct device_node *node, int fd)
{
	cleanup_close int dev = host_open(root, "dev", O_PATH | O_DIRECTORY);
	struct statvfs fs;
	struct stat dev_st;

	if (fstat(fd, &node->st) < 0) {
		node->error = -errno;
		return 0;
	}
	node->is_device = S_ISCHR(node->st.st_mode) &&
			  node->st.st_rdev == makedev(node->kind->major, node->kind->minor);
	node->is_borrowed = dev >= 0 && fstat(dev, &dev_st) == 0 &&
			    dev_st.st_dev != node->st.st_dev;
	node->is_nodev = fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NODEV);
	return read_acl(fd, &node->acl);
}

int device_node_read(const struct host_root *root, enum device_node_id id,
		     struct device_node *ret_node)
{
	cleanup_close int fd = device_node_open(root, id);
	char sysfs[64];

	*ret_node = (struct device_node){.kind = &kinds[id]};
	snprintf(sysfs, sizeof(sysfs), "sys/class/misc/%s", kinds[id].name);
	ret_node->has_device = host_exists(root, sysfs);
	if (fd < 0) {
		ret_node->error = fd;
		return 0;
	}
	return read_node(root, ret_node, fd);
}

void device_node_done(struct device_node *node)
{
	free(node->acl.entries);
	node->acl = (struct device_acl){0};
}

unsigned int device_node_group_permissions(const struct device_node *node)
{
	unsigned int mode = (node->st.st_mode >> 3) & 7;

	return node->acl.is_extended ? node->acl.group & node->acl.mask : mode;
}
