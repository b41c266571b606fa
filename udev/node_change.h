/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes nodes themselves, where there is no udevd to do it. */
#pragma once

#include "udev/policy.h"

/*
 * Sets owner, group and mode of the node, and takes an ACL off that lets the group do less. What
 * is not the device it should be is left alone. Returns 0 or -errno (-ENODEV: not the device).
 */
int node_change_apply(const struct host_root *root, const struct policy *policy,
		      enum device_node_id id) must_check;

/* Creates the node in a /dev that is there. Returns 0 or -errno (-EEXIST). */
int node_change_create(const struct host_root *root, const struct policy *policy,
		       enum device_node_id id) must_check;
