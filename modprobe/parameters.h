/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters of modules as the kernel has them in effect. */
#pragma once

#include "host/root.h"

/*
 * Prints those that matter to guests, "kvm_intel.nested=Y" or as JSON. Returns how many there are,
 * 0 when none of the modules is loaded, or -errno with *ret_path, to be freed, that failed.
 */
int parameters_print(const struct host_root *root, bool json, char **ret_path) must_check;
