/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy that qemu-kvm goes by: its environment variable's, else the configuration's. */
#pragma once

#include "host/config.h"

#define ACCEL_VARIABLE "QEMU_KVM_ACCEL"

struct accel_setting {
	enum accel_policy policy;
	const char *source; /* the variable or the file that says so; NULL: the default */
};

/*
 * Settles the policy: `text` is the variable's value (NULL or "": it is unset), `root` holds the
 * configuration. Returns and sets *ret_why as config_read() (-EBADMSG also for a bad value).
 */
int accel_setting_read(const struct host_root *root, const char *text, struct accel_setting *ret,
		       char **ret_why) must_check;
