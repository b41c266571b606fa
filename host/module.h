/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel modules, by libkmod. The library is loaded when it is first needed: linked to the
 * launcher it would more than double the time of every start, for a question that is seldom asked.
 */
#pragma once

#include "host/modprobe_config.h"
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

/* The modules of one kernel, and how its host wants them loaded. */
struct module_tree;

/*
 * Opens the modules of the kernel that runs on the host below `root`, which must stay open, or
 * those in the directory `dir` below it (such as "/lib/modules/6.1.0"; NULL: the running kernel's).
 * Always gives a tree, without memory NULL: what stands in the way of libkmod is a state.
 */
struct module_tree *module_tree_open(const struct host_root *root, const char *dir) must_check;

/* Frees it; NULL is fine. */
void module_tree_close(struct module_tree *tree);

/* As module_state(). *ret_built_in: it is loaded because it is a part of the kernel. */
enum module_state module_tree_state(struct module_tree *tree, const char *name, bool *ret_built_in);

/* One module on the way to the wanted one. */
struct module_step {
	const char *name;
	const char *options; /* "" for none */
	const char *command; /* that modprobe.d wants run in its place, or NULL */
	bool is_there;       /* loaded or built in */
};

typedef void (*module_step_fn)(const struct module_step *step, void *data);

/*
 * Calls `fn` for each module that a load of `name` would insert, in order, those that are there
 * included; the wanted one is the last, but for its soft dependencies. Returns 0 or -errno as
 * module_load().
 */
int module_tree_plan(struct module_tree *tree, const char *name, module_step_fn fn,
		     void *data) must_check;

/* As module_load(), calling `fn` before each module is inserted. The root must be this host. */
int module_tree_load(struct module_tree *tree, const char *name, module_step_fn fn,
		     void *data) must_check;
