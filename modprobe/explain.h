/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what the host and the kernel say to an outcome and a sentence. */
#pragma once

#include "host/cpu.h"
#include "host/module.h"
#include "modprobe/outcome.h"

/*
 * The sentence for an outcome that needs no errno: the CPU, the firmware, another hypervisor, a
 * module that is missing, forbidden or not loaded. For BLACKLISTED the line is looked for.
 * Returns 0 or -ENOMEM.
 */
int explain_outcome(const struct host_root *root, const char *modules_dir, enum outcome outcome,
		    struct verdict *verdict) must_check;

/*
 * Judges a load that failed with `error` (-errno); `step` is the module that the kernel was given
 * last, NULL when it did not come to that. Returns 0 or -ENOMEM.
 */
int explain_failure(const struct host_root *root, const char *modules_dir, int error,
		    const char *step, struct verdict *verdict) must_check;

/* There are no modules at all: of the running kernel, or in `modules_dir`. Returns 0 or -ENOMEM. */
int explain_no_modules(const struct host_root *root, const char *modules_dir,
		       struct verdict *verdict) must_check;

/* Nothing tells which CPU this is. Returns 0 or -ENOMEM. */
int explain_no_cpu_known(struct verdict *verdict) must_check;
