/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host is and how its kernel is set up. */
#include <errno.h>
#include <string.h>

#include "check/checks.h"
#include "host/kernel.h"
#include "host/memory.h"
#include "host/surroundings.h"
#include "host/text.h"

int check_container(const struct subject *subject, struct result *result)
{
	char name[SURROUNDINGS_NAME_SIZE];
	int r;

	switch (surroundings_container(subject->root, name)) {
	case SURROUNDINGS_NONE:
		return result_set(result, VERDICT_PASS, "ok", "this is no container");
	case SURROUNDINGS_UNKNOWN:
		r = result_set(result, VERDICT_UNKNOWN, "unreadable",
			       "neither systemd nor the environment of process 1 tell whether this "
			       "is one");
		return r < 0 || !subject->is_asked ? r
						   : result_advise(result, "run kvm-check as root");
	case SURROUNDINGS_INSIDE:
		break;
	}
	if (subject->kvm.cause == KVM_CAUSE_NONE)
		return result_set(result, VERDICT_PASS, "container",
				  "this is a container (%s), and it has /dev/kvm", name);
	r = result_set(result, VERDICT_WARN, "container", "this is a container (%s) without KVM",
		       name);
	return r < 0 ? r
		     : result_advise(result, "what is missing has to be given to it from outside: "
					     "the device /dev/kvm, and the modules of its host");
}

int check_virtual_machine(const struct subject *subject, struct result *result)
{
	char name[SURROUNDINGS_NAME_SIZE];

	switch (surroundings_hypervisor(subject->root, name)) {
	case SURROUNDINGS_NONE:
		return result_set(result, VERDICT_PASS, "ok", "this is no virtual machine");
	case SURROUNDINGS_UNKNOWN:
		return result_set(result, VERDICT_UNKNOWN, "unreadable",
				  "neither CPU nor firmware tell whether this is one");
	case SURROUNDINGS_INSIDE:
		break;
	}
	return result_set(result, VERDICT_PASS, "virtual-machine",
			  "this is a virtual machine (%s): guests are nested, and slower", name);
}

static bool is_on(const char *value)
{
	return strcmp(value, "Y") == 0 || (value[0] >= '1' && value[0] <= '9');
}

int check_nested(const struct subject *subject, struct result *result)
{
	const char *module = subject->cpu.module;
	cleanup_free char *path = text_format("sys/module/%s/parameters/nested", module);
	char value[16];
	ssize_t length;
	int r;

	if (!path)
		return -ENOMEM;
	length = host_read_line(subject->root, path, value, sizeof(value));
	if (length == -ENOENT)
		return result_set(result, VERDICT_SKIP, "no-parameter",
				  "%s is not loaded, or has no parameter for it", module);
	if (length < 0)
		return result_set_unreadable(result, path, (int)-length);
	if (is_on(value))
		return result_set(result, VERDICT_PASS, "ok", "guests may have guests (%s)",
				  module);
	if (strcmp(value, "N") != 0 && strcmp(value, "0") != 0)
		return result_set(result, VERDICT_UNKNOWN, "unreadable", "%s is \"%s\"", path,
				  value);
	/* Off is the default of all but x86. */
	if (subject->cpu.firmware == CPU_FIRMWARE_NO_LOCK)
		return result_set(result, VERDICT_PASS, "nested-off",
				  "guests may not have guests, which is the default");
	r = result_set(result, VERDICT_WARN, "nested-off", "guests may not have guests (%s)",
		       module);
	return r < 0 ? r
		     : result_advise(result,
				     "if they shall, put \"options %s nested=1\" into a file in "
				     "/etc/modprobe.d and load the module again",
				     module);
}

static int describe_pools(const struct memory_pool *pools, int count, char **ret_text)
{
	char *text = strdup("");
	int i;

	for (i = 0; text && i < count; i++) {
		char *longer;

		if (!pools[i].total)
			continue;
		longer = text_format(
			"%s, %llu of %llu kB (%llu free)", text, (unsigned long long)pools[i].total,
			(unsigned long long)pools[i].page_kib, (unsigned long long)pools[i].free);
		free(text);
		text = longer;
	}
	*ret_text = text;
	return text ? 0 : -ENOMEM;
}

int check_huge_pages(const struct subject *subject, struct result *result)
{
	struct memory_pool pools[MEMORY_POOLS_MAX];
	cleanup_free char *reserved = NULL;
	char transparent[16];
	int count = memory_read_pools(subject->root, pools);
	int r = memory_read_transparent(subject->root, transparent, sizeof(transparent));

	if (count < 0 && r < 0)
		return result_set_unreadable(result, "/sys/kernel/mm", -r);
	if (r < 0)
		strcpy(transparent, "not there");
	if (describe_pools(pools, count < 0 ? 0 : count, &reserved) < 0)
		return -ENOMEM;
	if (*reserved || strcmp(transparent, "always") == 0 || strcmp(transparent, "madvise") == 0)
		return result_set(result, VERDICT_PASS, "ok", "transparent: %s; reserved: %s",
				  transparent, *reserved ? reserved + 2 : "none");
	r = result_set(result, VERDICT_WARN, "no-huge-pages",
		       "none are reserved, and transparent ones are %s: guests are slower",
		       transparent);
	return r < 0 ? r
		     : result_advise(result, "write \"madvise\" to "
					     "/sys/kernel/mm/transparent_hugepage/enabled as root");
}

int check_ksm(const struct subject *subject, struct result *result)
{
	struct memory_ksm ksm;
	int r = memory_read_ksm(subject->root, &ksm);

	if (r == -ENOENT && host_exists(subject->root, "sys/kernel/mm"))
		return result_set(result, VERDICT_SKIP, "no-ksm", "this kernel merges no pages");
	if (r < 0)
		return result_set_unreadable(result, "/sys/kernel/mm/ksm", -r);
	return result_set(result, VERDICT_PASS, "ok",
			  ksm.run == 1 ? "on: %llu pages of guests are saved"
				       : "off; %llu pages of guests are saved",
			  (unsigned long long)ksm.sharing);
}

int check_lockdown(const struct subject *subject, struct result *result)
{
	switch (kernel_lockdown(subject->root)) {
	case KERNEL_LOCKDOWN_NONE:
		return result_set(result, VERDICT_PASS, "ok",
				  "off: it takes nothing from kvm_stat");
	case KERNEL_LOCKDOWN_INTEGRITY:
		return result_set(result, VERDICT_WARN, "lockdown",
				  "integrity: \"kvm_stat -d\" may not read KVM's statistics in "
				  "debugfs; its tracepoints can be counted");
	case KERNEL_LOCKDOWN_CONFIDENTIALITY:
		return result_set(result, VERDICT_WARN, "lockdown",
				  "confidentiality: kvm_stat may read neither debugfs nor "
				  "tracepoints");
	case KERNEL_LOCKDOWN_UNKNOWN:
		break;
	}
	return result_set(
		result, VERDICT_UNKNOWN, "unreadable",
		"/sys/kernel/security/lockdown cannot be read: securityfs is not mounted, "
		"or this kernel has no lockdown");
}
