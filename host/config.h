/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of all programs: /etc/qemu-kvm.conf over /usr/lib/qemu-kvm/qemu-kvm.conf. */
#pragma once

#include "host/root.h"

#define CONFIG_FILE        "/etc/qemu-kvm.conf"
#define CONFIG_VENDOR_FILE "/usr/lib/qemu-kvm/qemu-kvm.conf"

/* Whether guests must run on KVM. */
enum accel_policy {
	ACCEL_REQUIRE, /* KVM or an error */
	ACCEL_PREFER,  /* KVM, else emulation and a warning */
	ACCEL_OFF,     /* nothing is added: QEMU emulates unless told otherwise */
};

/* What kvm-modprobe loads besides KVM itself: bits of a set, in the order of loading. */
enum config_module {
	CONFIG_VHOST_NET = 1 << 0,
	CONFIG_VHOST_VSOCK = 1 << 1,
	CONFIG_TUN = 1 << 2,
};

struct config {
	enum accel_policy accel;
	const char
		*accel_source; /* the file that says so, or NULL: the default, which is require */
	unsigned int modules;  /* set of enum config_module */
	const char *modules_source; /* likewise; the default is vhost_net */
};

/*
 * Reads the configuration below `root`. A file that is not there is empty; any other that cannot
 * be read, and any line that is not understood, is an error.
 * Returns 0 or -errno (-EBADMSG: a bad line). On an error *ret_why, to be freed, is a sentence
 * that names file, line and key, or NULL without memory.
 */
int config_read(const struct host_root *root, struct config *ret, char **ret_why) must_check;

/* The policy of this name. Returns 0 or -EINVAL. */
int accel_policy_parse(const char *text, enum accel_policy *ret_policy) must_check;

/* The name of a policy. */
const char *accel_policy_name(enum accel_policy policy);

/* The names of all policies, for a message: "require, prefer or off". */
const char *accel_policy_names(void);

/* The module of this name, with underscores. Returns 0 or -EINVAL. */
int config_module_parse(const char *text, enum config_module *ret_module) must_check;

/* The name of a module. */
const char *config_module_name(enum config_module module);

/* The names of all modules, for a message. */
const char *config_module_names(void);
