/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "kvm-device status". */
#pragma once

#include "host/root.h"

/* Prints the nodes as a table or as JSON. Returns 0 or -errno. */
int status_print(const struct host_root *root, bool json) must_check;
