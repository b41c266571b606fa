/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which line forbids a module: in modprobe.d(5) or on the kernel's command line. libkmod, which
 * decides, does not tell where it has read what; this reads the same files in the same order.
 */
#pragma once

#include "host/root.h"

/* The directories of modprobe.d, below the root of a host, the most important one first. */
extern const char *const modprobe_config_dirs[];
extern const size_t modprobe_config_dir_count;

struct modprobe_line {
	char *file; /* "/etc/modprobe.d/x.conf", "/proc/cmdline"; NULL: not found */
	int number; /* of the line; 0 on the kernel's command line */
	char *text; /* such as "blacklist kvm_amd" */
};

/* Frees what the line holds; one of zeroes is fine. */
void modprobe_line_free(struct modprobe_line *line);

/*
 * Finds what forbids the module `name` (with underscores) below `root`: "blacklist", "install" and
 * "alias NAME off" in modprobe.d, "module_blacklist=" and "modprobe.blacklist=" on the kernel's
 * command line. Files that cannot be read are passed over, as libkmod does. Returns 1 with
 * *ret_line, to be freed, 0 when there is nothing, or -ENOMEM.
 */
int modprobe_config_find(const struct host_root *root, const char *name,
			 struct modprobe_line *ret_line) must_check;

/* As modprobe_config_find(), of the kernel's command line alone. */
int modprobe_cmdline_find(const struct host_root *root, const char *name,
			  struct modprobe_line *ret_line) must_check;
