/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the CPU of a host offers KVM, by /proc/cpuinfo, the firmware's lock and the kernel's log. */
#pragma once

#include "host/root.h"

/* What the firmware has done with the CPU's virtualisation. */
enum cpu_firmware {
	CPU_FIRMWARE_NO_LOCK, /* nothing: this architecture has no such lock */
	CPU_FIRMWARE_UNKNOWN, /* neither its registers nor the kernel's log tell */
	CPU_FIRMWARE_ENABLED,
	CPU_FIRMWARE_DISABLED,
};

struct cpu_virtualisation {
	bool is_supported; /* the CPU shows the feature, or its architecture has no sign for it */
	bool is_disabled;  /* the firmware has switched it off; unknown counts as not */
	bool is_x86;
	bool is_guest;            /* this host is a virtual machine itself; known of x86 only */
	const char *module;       /* that drives it, "kvm_intel" or so */
	const char *architecture; /* as uname(2) has it, "x86_64"; NULL: unknown */
	const char *feature;      /* the sign in /proc/cpuinfo, "vmx"; NULL: there is none */
	enum cpu_firmware firmware;
};

/* Looks at the CPU below `root`. Returns 0, or -ENODATA when /proc/cpuinfo cannot be read. */
int cpu_virtualisation(const struct host_root *root, struct cpu_virtualisation *ret) must_check;

/* Whether the CPU's line of flags in /proc/cpuinfo has the word `flag`. */
bool cpu_has_flag(const struct host_root *root, const char *flag);

/*
 * The value of the first line of /proc/cpuinfo whose name is `field`, to be freed; "" when there
 * is none, NULL without memory.
 */
char *cpu_field(const struct host_root *root, const char *field) must_check;
