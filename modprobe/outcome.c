/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/outcome.h"

#include "host/kvm_cause.h"

/* Causes that all programs share have the same name in all of them. */
static const struct {
	int status;
	enum kvm_cause cause;
	const char *name; /* where there is no such cause */
} outcomes[] = {
	[OUTCOME_LOADED] = {0, KVM_CAUSE_NONE, "loaded"},
	[OUTCOME_BUILT_IN] = {0, KVM_CAUSE_NONE, "built-in"},
	[OUTCOME_LOADABLE] = {0, KVM_CAUSE_NONE, "loadable"},
	[OUTCOME_SKIPPED] = {0, KVM_CAUSE_NONE, "skipped"},
	[OUTCOME_OTHER] = {1, KVM_CAUSE_OTHER, NULL},
	[OUTCOME_NO_CPU_SUPPORT] = {3, KVM_CAUSE_NO_CPU_SUPPORT, NULL},
	[OUTCOME_DISABLED_BY_FIRMWARE] = {4, KVM_CAUSE_DISABLED_BY_FIRMWARE, NULL},
	[OUTCOME_MISSING] = {5, KVM_CAUSE_MODULE_MISSING, NULL},
	[OUTCOME_BLACKLISTED] = {6, KVM_CAUSE_MODULE_BLACKLISTED, NULL},
	[OUTCOME_SIGNATURE] = {7, KVM_CAUSE_NONE, "module-signature"},
	[OUTCOME_LOCKDOWN] = {8, KVM_CAUSE_NONE, "lockdown"},
	[OUTCOME_PERMISSION] = {9, KVM_CAUSE_PERMISSION, NULL},
	[OUTCOME_NOT_LOADED] = {10, KVM_CAUSE_MODULE_NOT_LOADED, NULL},
	[OUTCOME_BUSY] = {11, KVM_CAUSE_BUSY, NULL},
};

bool outcome_is_fine(enum outcome outcome)
{
	return outcome <= OUTCOME_LOADABLE;
}

const char *outcome_name(enum outcome outcome)
{
	return outcomes[outcome].name ? outcomes[outcome].name
				      : kvm_cause_name(outcomes[outcome].cause);
}

int outcome_status(enum outcome outcome)
{
	return outcomes[outcome].status;
}

void inserted_free(struct inserted *inserted)
{
	free(inserted->name);
	free(inserted->options);
	free(inserted->command);
}

void verdict_free(struct verdict *verdict)
{
	free(verdict->message);
	modprobe_line_free(&verdict->line);
	while (verdict->inserted_count > 0)
		inserted_free(&verdict->inserted[--verdict->inserted_count]);
	free(verdict->inserted);
	verdict->inserted = NULL;
}
