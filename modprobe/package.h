/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which package of the distribution has the modules of a kernel. */
#pragma once

#include "host/root.h"

/*
 * The release of the kernel whose modules are in `modules_dir`, NULL: of the one that runs. Returns
 * memory to be freed, or NULL when it is not known.
 */
char *package_kernel_release(const struct host_root *root, const char *modules_dir) must_check;

/*
 * What to install for modules that the kernel `release` (or NULL) lacks, "the package ..." by the
 * os-release(5) below `root`. Returns memory to be freed, or NULL without memory.
 */
char *package_of_modules(const struct host_root *root, const char *release) must_check;
