/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether KVM can be used here, and why not: one closed list of causes for all programs. */
#pragma once

#include "host/root.h"

/* The code names (kvm_cause_name()) are stable: scripts and manuals rely on them. */
enum kvm_cause {
	KVM_CAUSE_NONE,              /* usable */
	KVM_CAUSE_NO_CPU_SUPPORT,    /* no-cpu-support */
	KVM_CAUSE_MODULE_NOT_LOADED, /* module-not-loaded */
	KVM_CAUSE_NO_DEVICE_NODE,    /* no-device-node */
	KVM_CAUSE_NOT_A_KVM_DEVICE,  /* not-a-kvm-device */
	KVM_CAUSE_PERMISSION,        /* permission */
	KVM_CAUSE_DEVICE_CGROUP,     /* device-cgroup */
	KVM_CAUSE_BUSY,              /* busy */
	KVM_CAUSE_API_VERSION,       /* api-version */
	KVM_CAUSE_OTHER,             /* other: the errno says it */
};

struct kvm_verdict {
	enum kvm_cause cause;
	int error; /* positive errno of the call that failed, 0 where none did */
};

/*
 * Opens /dev/kvm and asks it for its API version and for a VM, which is released at once. Below a
 * moved root nothing is opened: the verdict then rests on the tree alone. Never fails: what could
 * not be found out is KVM_CAUSE_OTHER.
 */
struct kvm_verdict kvm_device_probe(const struct host_root *root);

/* The stable code name of a cause, such as "no-cpu-support". */
const char *kvm_cause_name(enum kvm_cause cause);

/* What the cause means, as the second half of a message; never NULL. */
const char *kvm_cause_text(enum kvm_cause cause);

/* What to do about it, as a sentence without its period, or NULL. */
const char *kvm_cause_advice(enum kvm_cause cause);
