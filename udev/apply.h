/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "kvm-device apply". */
#pragma once

#include "host/root.h"
#include "udev/options.h"

/* Brings the nodes to the policy, verifies that, and tells. Returns the exit status. */
int apply_run(const struct host_root *root, const struct options *options) must_check;
