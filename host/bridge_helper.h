/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-bridge-helper, by which guests of ordinary users get a network. */
#pragma once

#include "host/root.h"

struct bridge_helper {
	const char *path;   /* NULL: it is not installed */
	bool is_privileged; /* set-user-ID root, or with capabilities of its own */
	const char *config; /* bridge.conf; NULL: there is none */
	int config_error;   /* -errno when it cannot be read; it is often not for everybody */
	bool allows_any;    /* it has a line that allows a bridge, or includes another file */
};

/* Looks for it where distributions have it. */
struct bridge_helper bridge_helper_find(const struct host_root *root);
