/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host runs in: a container, a virtual machine. */
#pragma once

#include "host/root.h"

enum surroundings {
	SURROUNDINGS_NONE,
	SURROUNDINGS_INSIDE,  /* and its name is known */
	SURROUNDINGS_UNKNOWN, /* what would tell cannot be read */
};

#define SURROUNDINGS_NAME_SIZE 64

/*
 * Whether the processes below `root` run in a container. With INSIDE ret_name is its kind, as the
 * container's manager calls it: "docker", "lxc", "wsl". It is the tree's own text: clean it.
 */
enum surroundings surroundings_container(const struct host_root *root,
					 char ret_name[static SURROUNDINGS_NAME_SIZE]);

/* Likewise for a virtual machine, by CPU, firmware tables and device tree: "QEMU", "z/VM". */
enum surroundings surroundings_hypervisor(const struct host_root *root,
					  char ret_name[static SURROUNDINGS_NAME_SIZE]);

/*
 * Whether /dev below `root` is that of the host of this container, as with "-v /dev:/dev": a kernel
 * has one devtmpfs, and no container one of its own. Nothing but the type of the mount tells: owner,
 * numbers and file system of its nodes are what they are on the host.
 */
bool surroundings_share_dev(const struct host_root *root);
