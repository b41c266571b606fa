/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether KVM can be used here, by asking /dev/kvm. */
#pragma once

#include "host/kvm_cause.h"

/*
 * Opens /dev/kvm and asks it for its API version and for a VM, which is released at once; where
 * that fails, looks for the cause in the CPU, the modules and this user's groups. Below a moved
 * root nothing is opened: the verdict then rests on the tree alone. Never fails: what could not
 * be found out is KVM_CAUSE_OTHER.
 */
struct kvm_verdict kvm_device_probe(const struct host_root *root);
