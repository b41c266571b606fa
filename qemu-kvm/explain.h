/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --kvm-explain: the plan in words. */
#pragma once

#include "qemu-kvm/plan.h"

/*
 * Prints the plan on standard output, a line each: "emulator:", "accelerator:", "policy:",
 * "kvm:", "module:", "warning:", and last "command:" or "refused:". Returns 0 or -ENOMEM.
 */
int explain_plan(const struct plan *plan, const struct host_root *root) must_check;
