/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device nodes of KVM guests: numbers, owner, mode and ACL. Reading never opens a device. */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "host/root.h"

enum device_node_id {
	DEVICE_NODE_KVM,
	DEVICE_NODE_VHOST_NET,
	DEVICE_NODE_VHOST_VSOCK,
	DEVICE_NODE_MAX,
};

/* What the kernel has for good; all are of the class misc. */
struct device_node_kind {
	const char *name; /* of the device, and of the node in /dev */
	const char *path;
	unsigned int major, minor;
};

/* An entry of an ACL for a user or a group by name. */
struct device_acl_entry {
	bool is_group;
	unsigned int id;          /* uid or gid */
	unsigned int permissions; /* as in a mode: 4 read, 2 write, 1 execute */
};

struct device_acl {
	bool is_known;
	bool is_extended; /* it says more than the mode: the mode's group bits are then the mask */
	unsigned int group,
		mask; /* of the owning group, and the limit of all but owner and others */
	struct device_acl_entry *entries;
	size_t count;
};

struct device_node {
	const struct device_node_kind *kind;
	bool has_device; /* the kernel has the device now: the module is there */
	int error;       /* of looking at the node, -ENOENT where there is none; else 0 */
	/* The rest is set without an error. */
	struct stat st;
	bool is_device;   /* a character device of the right numbers */
	bool is_borrowed; /* bind-mounted from elsewhere, as container engines do */
	bool is_nodev;    /* on a file system that opens no devices */
	struct device_acl acl;
};

/* A device by its number in enum device_node_id. */
const struct device_node_kind *device_node_kind(enum device_node_id id);

/*
 * Reads what is known of a node. Returns 0 or -ENOMEM; a node that is missing or cannot be looked
 * at has its error in *ret_node, which is to be released by device_node_done() in any case.
 */
int device_node_read(const struct host_root *root, enum device_node_id id,
		     struct device_node *ret_node) must_check;

/* Frees what the node holds. */
void device_node_done(struct device_node *node);

/*
 * The permissions of the owning group that count: in an ACL its own entry within the mask, which
 * can be less than the mode shows.
 */
unsigned int device_node_group_permissions(const struct device_node *node);

/*
 * Opens the node itself, not the device: O_PATH, no link at its end. Returns the descriptor or
 * -errno. device_node_proc_path() names it for calls that need a path.
 */
int device_node_open(const struct host_root *root, enum device_node_id id) must_check;

#define DEVICE_NODE_PROC_PATH_MAX 32

/* /proc/self/fd/FD in `buf`, which has DEVICE_NODE_PROC_PATH_MAX bytes. Returns buf. */
const char *device_node_proc_path(int fd, char *buf);
