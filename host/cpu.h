/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the CPU of a host offers KVM, by /proc/cpuinfo, the firmware's lock and the kernel's log. */
#pragma once

#include "host/root.h"

struct cpu_virtualisation {
	bool is_supported;  /* the CPU shows the feature, or its architecture has no sign for it */
	bool is_disabled;   /* the firmware has switched it off; unknown counts as not */
	bool is_guest;      /* this host is a virtual machine itself */
	const char *module; /* that drives it, "kvm_intel" or so */
};

/* Looks at the CPU below `root`. What cannot be read is not there. */
struct cpu_virtualisation cpu_virtualisation(const struct host_root *root);

/* Whether the CPU's line of flags in /proc/cpuinfo has the word `flag`. */
bool cpu_has_flag(const struct host_root *root, const char *flag);
