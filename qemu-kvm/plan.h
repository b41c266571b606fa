/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the launcher is going to do, and why; made once, then carried out or explained. */
#pragma once

#include <stdbool.h>

#include "host/config.h"
#include "host/kvm_device.h"
#include "qemu-kvm/legacy.h"
#include "qemu-kvm/request.h"

enum {
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_CANNOT_RUN = 126,
	STATUS_NOT_FOUND = 127,
};

struct plan {
	char *emulator;         /* absolute path; NULL: there is none */
	struct legacy legacy;   /* the user's arguments, old options translated */
	struct request request; /* what they ask for */
	bool asks_policy; /* the policy decides: it is no information call, nor the user's choice */
	enum accel_policy policy;
	const char *policy_source; /* environment variable or file; NULL: the default */
	bool is_probed;            /* `kvm` was looked at */
	struct kvm_verdict kvm;
	const char *accel; /* put in front as "-accel", or NULL */
	char **argv;       /* for the emulator, NULL-terminated; the strings belong to others */
	char *warning;     /* about KVM; those of `legacy` and `unseen` besides */
	char *unseen;      /* a warning of an accelerator that could not be seen */
	char *refusal;     /* why nothing is executed, NULL: it is */
	int status;        /* of the launcher, when it is refused */
};

/*
 * Makes the plan for a NULL-terminated argv of the user, on the host below `root`. What forbids
 * to go on is a refusal, not an error. Returns 0 or -errno (-ENOMEM). *ret is to be freed with
 * plan_free() and points to strings of `argv`.
 */
int plan_make(char *const argv[], const struct host_root *root, struct plan *ret) must_check;

/* Releases what the plan owns. */
void plan_free(struct plan *plan);
