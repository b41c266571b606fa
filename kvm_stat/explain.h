/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --explain: what a row means, in words. */
#pragma once

#include "host/cleanup.h"

/*
 * Prints what explains `name`, or with "help" the names that have an explanation. What the table
 * does not know is looked for in this host's kernel (below `sysroot`, NULL: this host). Returns
 * the exit status: 1, after a message, for names that neither knows.
 */
int explain_run(const char *name, const char *sysroot) must_check;
