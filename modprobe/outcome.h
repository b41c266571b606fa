/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What has become of each module, and why. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/modprobe_config.h"

/* Their code names and exit statuses are stable; the first that is not fine is the program's. */
enum outcome {
	OUTCOME_LOADED,
	OUTCOME_BUILT_IN,
	OUTCOME_LOADABLE, /* of a dry run */
	OUTCOME_SKIPPED,  /* KVM's own module did not work */
	OUTCOME_OTHER,
	OUTCOME_NO_CPU_SUPPORT,
	OUTCOME_DISABLED_BY_FIRMWARE,
	OUTCOME_MISSING,
	OUTCOME_BLACKLISTED,
	OUTCOME_SIGNATURE,
	OUTCOME_LOCKDOWN,
	OUTCOME_PERMISSION,
	OUTCOME_NOT_LOADED,
	OUTCOME_BUSY,
};

/* A module that has been or would be inserted. */
struct inserted {
	char *name, *options;
	char *command; /* NULL, or what modprobe.d wants run in its place: it is not inserted */
};

struct verdict {
	const char *module;
	enum outcome outcome;
	char *message;             /* "CODE: what is wrong; what to do", NULL where all is fine */
	struct modprobe_line line; /* BLACKLISTED: by this one, where it could be found */
	struct inserted *inserted; /* in order, the module itself among them */
	size_t inserted_count;
};

/* Whether the next modules may follow. */
bool outcome_is_fine(enum outcome outcome);

/* The stable code name, such as "module-missing". */
const char *outcome_name(enum outcome outcome);

/* The exit status: 0 or 1, 3, 4, ... */
int outcome_status(enum outcome outcome);

/* Frees what it holds. */
void inserted_free(struct inserted *inserted);

/* Frees what the verdict holds. */
void verdict_free(struct verdict *verdict);
