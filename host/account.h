/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users and groups by number and name: of this host, or of the files below a moved root. */
#pragma once

#include <sys/types.h>

#include "host/root.h"

/* The name of a user, or its number where it has none. Memory to be freed, NULL without memory. */
char *account_user_name(const struct host_root *root, uid_t uid) must_check;

/* As account_user_name(), of a group. */
char *account_group_name(const struct host_root *root, gid_t gid) must_check;

/* Finds the group of this name. Returns 0 or -errno (-ENOENT: there is none). */
int account_group_find(const struct host_root *root, const char *name, gid_t *ret_gid) must_check;

/* Whether this process has the group, as its own or as a supplementary one. */
bool account_process_has_group(gid_t gid);

/*
 * Whether the user database puts the user of this process into the group; a login of before that
 * change does not have it yet.
 */
bool account_database_has_group(gid_t gid);

/* What the kernel shows for users and groups that this user namespace does not have. */
#define ACCOUNT_OVERFLOW_ID 65534

/* Whether users of this host can be put into the group: it has a name, and is not root's own. */
bool account_group_is_joinable(gid_t gid);

/* Whether "usermod -aG" can put the user of this process into the group. */
bool account_can_join_group(gid_t gid);
