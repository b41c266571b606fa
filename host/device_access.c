/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/device_access.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "host/account.h"
#include "host/surroundings.h"
#include "host/text.h"

#define READ_WRITE 6

static const char *const access_names[] = {
	[DEVICE_ACCESS_YES] = "yes",
	[DEVICE_ACCESS_WITH_MODULE] = "module-not-loaded",
	[DEVICE_ACCESS_UNKNOWN] = "unknown",
	[DEVICE_ACCESS_NO_NODE] = "no-device-node",
	[DEVICE_ACCESS_NOT_A_DEVICE] = "not-a-kvm-device",
	[DEVICE_ACCESS_PERMISSION] = "permission",
	[DEVICE_ACCESS_GROUP_NOT_ACTIVE] = "group-not-active",
	[DEVICE_ACCESS_ACL_MASK] = "acl-mask",
	[DEVICE_ACCESS_DEVICE_CGROUP] = "device-cgroup",
	[DEVICE_ACCESS_NODEV] = "nodev-mount",
	[DEVICE_ACCESS_SECURITY_MODULE] = "security-module",
	[DEVICE_ACCESS_BUSY] = "busy",
	[DEVICE_ACCESS_OTHER] = "other",
};

const char *device_access_name(enum device_access access)
{
	return access_names[access];
}

static bool allows(unsigned int permissions)
{
	return (permissions & READ_WRITE) == READ_WRITE;
}

/* What owner, mode and ACL give. */
enum grant { GRANT_YES, GRANT_NO, GRANT_MASKED };

static enum grant grant_of(unsigned int permissions, unsigned int mask)
{
	if (!allows(permissions))
		return GRANT_NO;
	return allows(permissions & mask) ? GRANT_YES : GRANT_MASKED;
}

/* The groups of this process; *ret_matched tells whether any has an entry. */
static enum grant grant_by_groups(const struct device_node *node, bool *ret_matched)
{
	const struct device_acl *acl = &node->acl;
	unsigned int mask = acl->is_extended ? acl->mask : 7;
	enum grant best = GRANT_NO, grant;
	size_t i;

	*ret_matched = account_process_has_group(node->st.st_gid);
	if (*ret_matched)
		best = grant_of(acl->is_extended ? acl->group : device_node_group_permissions(node),
				mask);
	for (i = 0; i < acl->count && best != GRANT_YES; i++) {
		if (!acl->entries[i].is_group || !account_process_has_group(acl->entries[i].id))
			continue;
		*ret_matched = true;
		grant = grant_of(acl->entries[i].permissions, mask);
		if (grant != GRANT_NO)
			best = grant;
	}
	return best;
}

/* The kernel's algorithm, acl(5): of owner, named user, groups and others the first counts. */
static enum grant grant_by_mode(const struct device_node *node, bool *ret_by_user)
{
	const struct device_acl *acl = &node->acl;
	enum grant grant;
	bool matched;
	size_t i;

	*ret_by_user = true;
	if (geteuid() == node->st.st_uid)
		return grant_of((node->st.st_mode >> 6) & 7, 7);
	for (i = 0; i < acl->count; i++) {
		if (!acl->entries[i].is_group && acl->entries[i].id == geteuid())
			return grant_of(acl->entries[i].permissions, acl->mask);
	}
	*ret_by_user = false;
	grant = grant_by_groups(node, &matched);
	return matched ? grant : grant_of(node->st.st_mode & 7, 7);
}

/* A group that this user is in by the database, but not in this session. */
static bool is_not_active(gid_t gid)
{
	return !account_process_has_group(gid) && account_database_has_group(gid);
}

/* A group whose members may open the node, and that passes; (gid_t)-1: there is none. */
static gid_t find_group(const struct device_node *node, bool (*passes)(gid_t gid))
{
	const struct device_acl *acl = &node->acl;
	size_t i;

	if (allows(device_node_group_permissions(node)) && passes(node->st.st_gid))
		return node->st.st_gid;
	for (i = 0; i < acl->count; i++) {
		if (acl->entries[i].is_group && allows(acl->entries[i].permissions & acl->mask) &&
		    passes(acl->entries[i].id))
			return acl->entries[i].id;
	}
	return (gid_t)-1;
}

static struct device_verdict why_no_access(const struct device_node *node)
{
	struct device_verdict verdict = {
		.access = DEVICE_ACCESS_PERMISSION, .error = EACCES, .group = (gid_t)-1};

	switch (grant_by_mode(node, &verdict.by_user)) {
	case GRANT_YES:
		verdict.access = node->is_nodev ? DEVICE_ACCESS_NODEV
						: DEVICE_ACCESS_SECURITY_MODULE;
		return verdict;
	case GRANT_MASKED:
		verdict.access = DEVICE_ACCESS_ACL_MASK;
		return verdict;
	case GRANT_NO:
		break;
	}
	if (node->is_nodev && geteuid() == 0) {
		verdict.access = DEVICE_ACCESS_NODEV; /* root needs no entry */
	} else if (!verdict.by_user) {
		verdict.group = find_group(node, is_not_active);
		if (verdict.group != (gid_t)-1)
			verdict.access = DEVICE_ACCESS_GROUP_NOT_ACTIVE;
		else
			verdict.group = find_group(node, account_group_is_joinable);
	}
	return verdict;
}

static struct device_verdict why_not_opened(const struct device_node *node, int error)
{
	struct device_verdict verdict = {
		.access = DEVICE_ACCESS_OTHER, .error = error, .group = (gid_t)-1};

	switch (error) {
	case EACCES:
		return why_no_access(node);
	case EPERM: /* the file mode would be EACCES: this is the cgroup's device controller */
		verdict.access = DEVICE_ACCESS_DEVICE_CGROUP;
		break;
	case EBUSY:
		verdict.access = DEVICE_ACCESS_BUSY;
		break;
	case ENODEV:
	case ENXIO:
		verdict.access = DEVICE_ACCESS_WITH_MODULE;
		break;
	default:
		break;
	}
	return verdict;
}

struct device_verdict device_access_probe(const struct host_root *root,
					  const struct device_node *node)
{
	struct device_verdict verdict = {.access = DEVICE_ACCESS_OTHER, .group = (gid_t)-1};
	cleanup_close int fd = -1;

	verdict.error = -node->error;
	if (node->error)
		verdict.access = node->error == -ENOENT ? DEVICE_ACCESS_NO_NODE
							: DEVICE_ACCESS_OTHER;
	else if (!root->real)
		verdict.access = DEVICE_ACCESS_UNKNOWN;
	else if (!node->is_device)
		verdict.access = DEVICE_ACCESS_NOT_A_DEVICE;
	else if (faccessat(root->fd, node->kind->path + 1, R_OK | W_OK, AT_EACCESS) < 0)
		return why_not_opened(node, errno);
	else if (!node->has_device)
		verdict.access = DEVICE_ACCESS_WITH_MODULE;
	else if ((fd = host_open(root, node->kind->path, O_RDWR | O_NOCTTY)) < 0)
		return why_not_opened(node, -fd);
	else
		verdict.access = DEVICE_ACCESS_YES;
	return verdict;
}

/* What to add where this is a container. */
static const char *container_note(const struct host_root *root)
{
	char name[SURROUNDINGS_NAME_SIZE];

	if (surroundings_container(root, name) != SURROUNDINGS_INSIDE)
		return "";
	return "; this is a container: it must be started with the device (\"--device /dev/kvm\")";
}

/* Where "kvm-device apply" is to be run: in a container it leaves the nodes of the host alone. */
static const char *host_note(const struct host_root *root)
{
	return surroundings_share_dev(root) ? " on this container's host" : "";
}

/* What is to be told of a node that is not there. */
static const char *missing_note(const struct host_root *root, const struct device_node *node)
{
	const char *note;

	if (!node->has_device)
		return ": its module is not loaded";
	note = container_note(root);
	return *note ? note : "; run \"kvm-device apply --create\" as root";
}

/* A group of the host that this user namespace does not know shows as the overflow group. */
static bool is_unmapped(const struct host_root *root, gid_t gid)
{
	/* What the initial user namespace has: all of them, as they are. */
	static const char identity[] = "0 0 4294967295";
	char map[256], overflow[32];
	const char *from = map;
	char *to = map;

	if (host_read(root, "proc/sys/kernel/overflowgid", overflow, sizeof(overflow)) <= 0 ||
	    host_read(root, "proc/self/gid_map", map, sizeof(map)) <= 0)
		return false;
	if (gid != strtoul(overflow, NULL, 10))
		return false;
	for (from += strspn(from, " "); *from && *from != '\n'; from++) {
		if (*from != ' ' || from[1] != ' ')
			*to++ = *from;
	}
	*to = '\0';
	return strcmp(map, identity) != 0;
}

static char *describe_permission(const struct host_root *root, const struct device_node *node,
				 const struct device_verdict *verdict)
{
	cleanup_free char *owner = account_user_name(root, node->st.st_uid);
	cleanup_free char *group = account_group_name(root, node->st.st_gid);
	cleanup_free char *user = account_user_name(root, geteuid());
	cleanup_free char *allowed = NULL;

	if (!owner || !group || !user)
		return NULL;
	if (is_unmapped(root, node->st.st_gid))
		return text_format("%s belongs to a group that is not mapped into this user "
				   "namespace%s",
				   node->kind->path, container_note(root));
	if (verdict->by_user)
		return text_format("%s (%s:%s, mode %04o) lets %s do less than others: it is the "
				   "owner, or has an entry in the ACL; run \"kvm-device apply\" "
				   "as root%s",
				   node->kind->path, owner, group, node->st.st_mode & 07777, user,
				   host_note(root));
	if (verdict->group == (gid_t)-1)
		return text_format("%s is %s:%s with mode %04o, which lets no group use it that "
				   "users can be put into; the device rule has not been applied: "
				   "run \"kvm-device apply\" as root%s",
				   node->kind->path, owner, group, node->st.st_mode & 07777,
				   host_note(root));
	allowed = account_group_name(root, verdict->group);
	if (!allowed)
		return NULL;
	if (!account_can_join_group(verdict->group))
		return text_format("%s is for group %s (%s:%s, mode %04o), and %s is not in it; "
				   "run this as a user in that group",
				   node->kind->path, allowed, owner, group,
				   node->st.st_mode & 07777, user);
	return text_format("%s is for group %s (%s:%s, mode %04o), and %s is not in it; run "
			   "\"usermod -aG %s %s\" as root, then log in anew",
			   node->kind->path, allowed, owner, group, node->st.st_mode & 07777, user,
			   allowed, user);
}

static char *describe_group(const struct host_root *root, const struct device_verdict *verdict)
{
	cleanup_free char *user = account_user_name(root, geteuid());
	cleanup_free char *group = account_group_name(root, verdict->group);

	if (!user || !group)
		return NULL;
	return text_format("%s is in group %s, but not in this session; log in anew, or run "
			   "\"newgrp %s\"",
			   user, group, group);
}

static char *describe(const struct host_root *root, const struct device_node *node,
		      const struct device_verdict *verdict)
{
	const char *path = node->kind->path;

	switch (verdict->access) {
	case DEVICE_ACCESS_WITH_MODULE:
		return text_format("the kernel has no device %s: its module is not loaded; run "
				   "\"kvm-modprobe\" as root",
				   node->kind->name);
	case DEVICE_ACCESS_NO_NODE:
		return text_format("there is no %s%s", path, missing_note(root, node));
	case DEVICE_ACCESS_NOT_A_DEVICE:
		return text_format("%s is not the character device %u:%u; remove it and run "
				   "\"kvm-device apply --create\" as root%s",
				   path, node->kind->major, node->kind->minor, host_note(root));
	case DEVICE_ACCESS_PERMISSION:
		return describe_permission(root, node, verdict);
	case DEVICE_ACCESS_GROUP_NOT_ACTIVE:
		return describe_group(root, verdict);
	case DEVICE_ACCESS_ACL_MASK:
		return text_format("the ACL of %s allows it, its mask takes it away; run "
				   "\"kvm-device apply\" as root%s",
				   path, host_note(root));
	case DEVICE_ACCESS_DEVICE_CGROUP:
		return text_format("the device controller of this process's cgroup refuses %s%s",
				   path, container_note(root));
	case DEVICE_ACCESS_NODEV:
		return text_format("%s is on a file system that is mounted with nodev", path);
	case DEVICE_ACCESS_SECURITY_MODULE:
		return text_format("owner, mode and ACL of %s allow it, but a security module "
				   "such as SELinux or AppArmor does not",
				   path);
	case DEVICE_ACCESS_BUSY:
		return text_format("another hypervisor has %s", path);
	default:
		return text_format("cannot open %s: %s", path, strerror(verdict->error));
	}
}

char *device_access_describe(const struct host_root *root, const struct device_node *node,
			     const struct device_verdict *verdict)
{
	const char *name = device_access_name(verdict->access);
	cleanup_free char *text = NULL;

	if (verdict->access == DEVICE_ACCESS_YES || verdict->access == DEVICE_ACCESS_UNKNOWN)
		return strdup(name);
	text = describe(root, node, verdict);
	return text ? text_format("%s: %s", name, text) : NULL;
}
