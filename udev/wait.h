/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "kvm-device wait". */
#pragma once

#include "host/root.h"
#include "udev/options.h"

/* Waits until this user can open /dev/kvm. Returns the exit status. */
int wait_run(const struct host_root *root, const struct options *options) must_check;
