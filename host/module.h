/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel modules, by libkmod. The library is loaded when it is first needed: linked to the
 * launcher it would more than double the time of every start, for a question that is seldom asked.
 */
#pragma once

#include "host/root.h"

enum module_state {
	MODULE_LOADED,       /* or built in and initialised */
	MODULE_LOADABLE,     /* the running kernel has it, and nothing forbids to load it */
	MODULE_BLACKLISTED,  /* modprobe.d or the kernel's command line forbids it */
	MODULE_MISSING,      /* the running kernel does not have it */
	MODULE_TREE_MISSING, /* there are no modules at all for the running kernel */
	MODULE_UNKNOWN,      /* it is not loaded; libkmod or its files are not there to say more */
};

/* The state of module `name` (with underscores) on the host below `root`. */
enum module_state module_state(const struct host_root *root, const char *name);

/*
 * Loads a module with what it depends on, as "modprobe -b" does but without install commands, on
 * this host. One that is there already is fine. Returns 0 or -errno: -ENOENT the running kernel
 * does not have it, -ECANCELED modprobe.d forbids it or wants a command run, -EPERM,
 * -EKEYREJECTED its signature was refused, -ELIBACC libkmod is not there, and what the kernel says.
 */
int module_load(const char *name) must_check;
