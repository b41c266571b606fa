/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the CPU of a host offers KVM, by /proc/cpuinfo, the firmware's lock and the kernel's log. */
#pragma once

#include "host/root.h"

struct cpu_virtualisation {
	bool is_supported; /* the CPU shows the feature, or its architecture has no sign for it */
	bool is_disabled;  /* the firmware has switched it off; unknown counts as not */
	bool is_x86;
	bool is_guest;      /* this host is a virtual machine itself; known of x86 only */
	const char *module; /* that drives it, "kvm_intel" or so */
};

/* Looks at the CPU below `root`. Returns 0, or -ENODATA when /proc/cpuinfo cannot be read. */
int cpu_virtualisation(const struct host_root *root, struct cpu_virtualisation *ret) must_check;

/* Whether the CPU's line of flags in /proc/cpuinfo has the word `flag`. */
bool cpu_has_flag(const struct host_root *root, const char *flag);
