/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "kvm-device monitor". */
#pragma once

#include "host/root.h"
#include "udev/options.h"

/* Prints VMs that come and go until it is ended by a signal. Returns the exit status. */
int monitor_run(const struct host_root *root, const struct options *options) must_check;
