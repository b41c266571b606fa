/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether this process may open a device node, and if not why. */
#pragma once

#include "host/device_node.h"

/* The code names (device_access_name()) are stable; those of enum kvm_cause mean the same. */
enum device_access {
	DEVICE_ACCESS_YES,              /* yes: it was opened */
	DEVICE_ACCESS_WITH_MODULE,      /* module-not-loaded: allowed, but there is no device yet */
	DEVICE_ACCESS_UNKNOWN,          /* unknown: another machine's tree */
	DEVICE_ACCESS_NO_NODE,          /* no-device-node */
	DEVICE_ACCESS_NOT_A_DEVICE,     /* not-a-kvm-device: no device, or another one */
	DEVICE_ACCESS_PERMISSION,       /* permission */
	DEVICE_ACCESS_GROUP_NOT_ACTIVE, /* group-not-active: in the group, but not this login */
	DEVICE_ACCESS_ACL_MASK,         /* acl-mask: an entry allows it, the mask takes it away */
	DEVICE_ACCESS_DEVICE_CGROUP,    /* device-cgroup */
	DEVICE_ACCESS_NODEV,            /* nodev-mount */
	DEVICE_ACCESS_SECURITY_MODULE,  /* security-module: owner, mode and ACL would allow it */
	DEVICE_ACCESS_BUSY,             /* busy */
	DEVICE_ACCESS_OTHER,            /* other: the errno says it */
};

struct device_verdict {
	enum device_access access;
	int error;    /* positive errno of what was tried, 0 where nothing failed */
	bool by_user; /* PERMISSION: as the owner, or by an entry of the ACL for the user */
	gid_t group;  /* GROUP_NOT_ACTIVE, PERMISSION: whose members may, and which users can join;
		       * else (gid_t)-1 */
};

/* The stable code name, such as "group-not-active". */
const char *device_access_name(enum device_access access);

/*
 * Tries to open the node for reading and writing, and finds out why that fails. A node whose
 * device the kernel does not have is not opened, which would load a module. Never fails.
 */
struct device_verdict device_access_probe(const struct host_root *root,
					  const struct device_node *node);

/*
 * What is wrong and what to do, as "CODE: text", to be freed; NULL without memory. There is
 * nothing to say of YES and UNKNOWN: the code alone.
 */
char *device_access_describe(const struct host_root *root, const struct device_node *node,
			     const struct device_verdict *verdict) must_check;
