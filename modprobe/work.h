/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which modules, in which order, and what becomes of them. */
#pragma once

#include "host/config.h"
#include "host/root.h"
#include "modprobe/options.h"
#include "modprobe/outcome.h"

struct work {
	struct verdict verdicts[MODULES_MAX];
	size_t count;
};

/*
 * Looks at, and without --check or --dry-run loads, KVM's own module and then the others: those of
 * the options, else of `modules`, a set of enum config_module. Returns 0 or -ENOMEM; *work is to be
 * freed in either case.
 */
int work_do(const struct options *options, const struct host_root *root, unsigned int modules,
	    struct work *work) must_check;

/* Frees what the work holds. */
void work_free(struct work *work);

/* The first outcome that is not fine, else the first one. */
enum outcome work_outcome(const struct work *work);
