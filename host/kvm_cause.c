/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kvm_cause.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "host/account.h"
#include "host/text.h"

static const char *const names[] = {
	[KVM_CAUSE_NONE] = "usable",
	[KVM_CAUSE_NO_CPU_SUPPORT] = "no-cpu-support",
	[KVM_CAUSE_DISABLED_BY_FIRMWARE] = "disabled-by-firmware",
	[KVM_CAUSE_MODULE_MISSING] = "module-missing",
	[KVM_CAUSE_MODULE_BLACKLISTED] = "module-blacklisted",
	[KVM_CAUSE_MODULE_NOT_LOADED] = "module-not-loaded",
	[KVM_CAUSE_NO_DEVICE_NODE] = "no-device-node",
	[KVM_CAUSE_NOT_A_KVM_DEVICE] = "not-a-kvm-device",
	[KVM_CAUSE_PERMISSION] = "permission",
	[KVM_CAUSE_GROUP_NOT_ACTIVE] = "group-not-active",
	[KVM_CAUSE_DEVICE_CGROUP] = "device-cgroup",
	[KVM_CAUSE_BUSY] = "busy",
	[KVM_CAUSE_API_VERSION] = "api-version",
	[KVM_CAUSE_OTHER] = "other",
};

const char *kvm_cause_name(enum kvm_cause cause)
{
	return names[cause];
}

/* Verdicts about access are of this host, whose names the C library knows. */
static const struct host_root here = {.fd = -1, .real = true};

static char *describe_no_cpu(const struct kvm_verdict *verdict)
{
	if (verdict->is_guest)
		return strdup(
			"this is a virtual machine whose CPU offers no virtualisation; enable "
			"nested virtualisation on its host and give it the host's CPU model");
	if (verdict->is_x86)
		return strdup(
			"this CPU offers no virtualisation, or the firmware hides it; look for "
			"VT-x, AMD-V or SVM in the firmware's setup");
	return strdup(
		"the kernel found no virtualisation that it could use (EL2 of arm64, SIE of "
		"s390x, H of riscv); in a virtual machine, enable nested virtualisation on its "
		"host");
}

static char *describe_missing_module(const struct kvm_verdict *verdict)
{
	if (verdict->is_monolithic)
		return strdup("this kernel was built without KVM and without modules; use another");
	if (verdict->is_container)
		return text_format(
			"the module %s is not loaded; load it on the host of this container",
			verdict->module);
	if (verdict->modules_are_old)
		return strdup("there are no modules for the running kernel, which an update may "
			      "have removed; reboot");
	return text_format("the running kernel has no module %s; install the package with the "
			   "kernel's modules",
			   verdict->module);
}

static char *describe_module(const struct kvm_verdict *verdict)
{
	const char *module = verdict->module;

	if (verdict->cause == KVM_CAUSE_MODULE_MISSING || verdict->is_container)
		return describe_missing_module(verdict);
	if (verdict->cause == KVM_CAUSE_MODULE_BLACKLISTED)
		return text_format(
			"the module %s is not loaded and this host forbids to load it; "
			"\"kvm-modprobe --check\" names the line in modprobe.d or on the "
			"kernel's command line",
			module);
	return text_format("the module %s is not loaded; run \"kvm-modprobe\" as root", module);
}

/* What helps depends on whether the device's group may open it, and is one that can be joined. */
static const char *advise_access(const struct kvm_verdict *verdict)
{
	if (verdict->is_mode_enough)
		return "its mode would allow it: look for the mount option nodev, and for SELinux or "
		       "AppArmor in the audit log";
	if (verdict->is_container || verdict->gid == ACCOUNT_OVERFLOW_ID)
		return "start the container with the device's group, as with \"--group-add "
		       "keep-groups\" or its number";
	if ((verdict->mode & 0060) == 0060 && account_group_is_joinable(verdict->gid))
		return "run this as a user in the device's group";
	return "the device rule has not been applied: run \"kvm-device apply\" as root";
}

static char *describe_access(const struct kvm_verdict *verdict)
{
	cleanup_free char *user = account_user_name(&here, geteuid());
	cleanup_free char *owner = account_user_name(&here, verdict->uid);
	cleanup_free char *group = account_group_name(&here, verdict->gid);
	unsigned int mode = verdict->mode & 07777;

	if (!user || !owner || !group)
		return NULL;
	if (!verdict->has_owner)
		return text_format("the user %s may not open /dev/kvm", user);
	if (verdict->cause == KVM_CAUSE_GROUP_NOT_ACTIVE)
		return text_format(
			"the user %s is in the group %s, but not in this session; log in "
			"again, or use \"newgrp %s\"",
			user, group, group);
	if (!verdict->is_mode_enough && !verdict->is_container && (mode & 0060) == 0060 &&
	    account_can_join_group(verdict->gid))
		return text_format("the user %s may not open /dev/kvm (%s:%s, mode %04o); run "
				   "\"usermod -aG %s %s\" as root and log in again",
				   user, owner, group, mode, group, user);
	return text_format("the user %s may not open /dev/kvm (%s:%s, mode %04o); %s", user, owner,
			   group, mode, advise_access(verdict));
}

static char *describe_no_node(const struct kvm_verdict *verdict)
{
	if (verdict->is_container)
		return strdup("there is no /dev/kvm in this container; pass the device in, as with "
			      "\"--device /dev/kvm\"");
	return strdup(
		"the kernel has KVM, but there is no /dev/kvm here; run \"mknod /dev/kvm c 10 "
		"232\" and \"kvm-device apply\" as root");
}

static char *describe_firmware(const struct kvm_verdict *verdict)
{
	if (verdict->is_guest)
		return strdup("this is a virtual machine whose firmware or host has disabled the "
			      "CPU's virtualisation; enable nested virtualisation on its host");
	return strdup("the firmware has disabled the CPU's virtualisation; enable VT-x, AMD-V or "
		      "SVM in its setup and switch the machine off and on");
}

static char *describe(const struct kvm_verdict *verdict)
{
	switch (verdict->cause) {
	case KVM_CAUSE_NONE:
		return strdup("KVM is usable");
	case KVM_CAUSE_NO_CPU_SUPPORT:
		return describe_no_cpu(verdict);
	case KVM_CAUSE_DISABLED_BY_FIRMWARE:
		return describe_firmware(verdict);
	case KVM_CAUSE_MODULE_MISSING:
	case KVM_CAUSE_MODULE_BLACKLISTED:
	case KVM_CAUSE_MODULE_NOT_LOADED:
		return describe_module(verdict);
	case KVM_CAUSE_NO_DEVICE_NODE:
		return describe_no_node(verdict);
	case KVM_CAUSE_NOT_A_KVM_DEVICE:
		return strdup(
			"/dev/kvm is not the KVM device (character device 10:232); remove it, "
			"then run \"mknod /dev/kvm c 10 232\" and \"kvm-device apply\" as root");
	case KVM_CAUSE_PERMISSION:
	case KVM_CAUSE_GROUP_NOT_ACTIVE:
		return describe_access(verdict);
	case KVM_CAUSE_DEVICE_CGROUP:
		return strdup(
			"the device cgroup forbids /dev/kvm; allow the device 10:232 for this "
			"container or service");
	case KVM_CAUSE_BUSY:
		return strdup("another hypervisor, such as VirtualBox, uses the CPU's "
			      "virtualisation; stop its guests or unload its module");
	case KVM_CAUSE_API_VERSION:
		return text_format("the kernel speaks version %d of KVM's interface, not 12",
				   verdict->api_version);
	case KVM_CAUSE_OTHER:
		break;
	}
	if (verdict->is_blind)
		return strdup("there is no /dev/kvm, and /proc or /sys cannot be read, which would "
			      "tell why; mount them");
	return strdup("/dev/kvm cannot be used");
}

/* Where the cause is in the CPU, the modules or /dev, "No such file" would only confuse. */
static bool needs_error(const struct kvm_verdict *verdict)
{
	switch (verdict->cause) {
	case KVM_CAUSE_NO_CPU_SUPPORT:
	case KVM_CAUSE_DISABLED_BY_FIRMWARE:
	case KVM_CAUSE_MODULE_MISSING:
	case KVM_CAUSE_MODULE_BLACKLISTED:
	case KVM_CAUSE_MODULE_NOT_LOADED:
	case KVM_CAUSE_NO_DEVICE_NODE:
		return false;
	default:
		return verdict->error != 0 && !verdict->is_blind;
	}
}

char *kvm_verdict_describe(const struct kvm_verdict *verdict)
{
	cleanup_free char *text = describe(verdict);
	const char *name = kvm_cause_name(verdict->cause);
	const char *advice;

	if (!text)
		return NULL;
	if (!needs_error(verdict))
		return text_format("%s: %s", name, text);
	/* The reason of the system stands between what is wrong and what to do. */
	advice = strchrnul(text, ';');
	return text_format("%s: %.*s: %s%s", name, (int)(advice - text), text,
			   strerror(verdict->error), advice);
}
