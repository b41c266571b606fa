/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why KVM cannot be used: the closed list of causes that all programs share. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "host/root.h"

/* The code names (kvm_cause_name()) are stable: scripts and manuals rely on them. */
enum kvm_cause {
	KVM_CAUSE_NONE,                 /* usable */
	KVM_CAUSE_NO_CPU_SUPPORT,       /* no-cpu-support */
	KVM_CAUSE_DISABLED_BY_FIRMWARE, /* disabled-by-firmware */
	KVM_CAUSE_MODULE_MISSING,       /* module-missing */
	KVM_CAUSE_MODULE_BLACKLISTED,   /* module-blacklisted */
	KVM_CAUSE_MODULE_NOT_LOADED,    /* module-not-loaded */
	KVM_CAUSE_NO_DEVICE_NODE,       /* no-device-node */
	KVM_CAUSE_NOT_A_KVM_DEVICE,     /* not-a-kvm-device */
	KVM_CAUSE_PERMISSION,           /* permission */
	KVM_CAUSE_GROUP_NOT_ACTIVE,     /* group-not-active */
	KVM_CAUSE_DEVICE_CGROUP,        /* device-cgroup */
	KVM_CAUSE_BUSY,                 /* busy */
	KVM_CAUSE_API_VERSION,          /* api-version */
	KVM_CAUSE_OTHER,                /* other: the errno says it */
};

/* A cause with what is known about this host. */
struct kvm_verdict {
	enum kvm_cause cause;
	int error;          /* positive errno of the call that failed, 0 where none did */
	const char *module; /* the one this CPU needs, "kvm_intel"; NULL where that is no matter */
	bool is_blind;      /* OTHER: /proc or /sys could not be read, so nothing is known */
	bool is_x86;        /* NO_CPU_SUPPORT */
	bool is_guest; /* NO_CPU_SUPPORT, DISABLED_BY_FIRMWARE: this host is itself a virtual machine */
	bool is_container;    /* what is missing has to be given from outside */
	bool is_monolithic;   /* MODULE_MISSING: this kernel has no modules at all */
	bool modules_are_old; /* MODULE_MISSING: there are modules, of other kernels only */
	bool is_mode_enough;  /* PERMISSION: owner and mode allow it, something else does not */
	bool has_owner;       /* the three below are known: PERMISSION and GROUP_NOT_ACTIVE */
	uid_t uid;            /* of /dev/kvm */
	gid_t gid;
	mode_t mode;
	int api_version; /* API_VERSION: what the kernel said */
};

/* The stable code name of a cause, such as "no-cpu-support". */
const char *kvm_cause_name(enum kvm_cause cause);

/*
 * The verdict as one line: "CODE: what is wrong: strerror; what to do". Names of users and groups
 * are looked up. Returns memory to be freed, or NULL without memory.
 */
char *kvm_verdict_describe(const struct kvm_verdict *verdict) must_check;
