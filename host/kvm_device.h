/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether KVM can be used here, by asking /dev/kvm. */
#pragma once

#include "host/kvm_cause.h"
#include "host/module.h"

/*
 * Opens /dev/kvm and asks it for its API version and for a VM, which is released at once; where
 * that fails, looks for the cause in the CPU, the modules and this user's groups. Below a moved
 * root nothing is opened: the verdict then rests on the tree alone, where a node whose driver is
 * not in /sys is a static one, of no use. Never fails: what could not
 * be found out is KVM_CAUSE_OTHER.
 */
struct kvm_verdict kvm_device_probe(const struct host_root *root);

/*
 * Asks /dev/kvm for `count` extensions (KVM_CAP_...) of the whole system. ret_values[i] is what
 * KVM_CHECK_EXTENSION says: 0 for what it does not have. Returns 0 or -errno (-EOPNOTSUPP below a
 * moved root, where nothing is opened).
 */
int kvm_device_check_extensions(const struct host_root *root, const int *extensions, size_t count,
				int *ret_values) must_check;

/*
 * Why there is no KVM as far as its module tells, which is in this state: for the module that
 * drives this CPU, where /sys shows no KVM. One that is loaded found no hardware.
 */
struct kvm_verdict kvm_module_verdict(const struct host_root *root, const char *module,
				      enum module_state state);
