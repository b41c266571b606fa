/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/explain.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>

#include "host/kernel.h"
#include "host/kvm_cause.h"
#include "host/text.h"
#include "modprobe/options.h"
#include "modprobe/package.h"

static int set(struct verdict *verdict, enum outcome outcome, char *message)
{
	verdict->outcome = outcome;
	free(verdict->message);
	verdict->message = message;
	return message ? 0 : -ENOMEM;
}

/* With the words that all programs have for it. */
static int set_shared(const struct host_root *root, struct verdict *verdict, enum outcome outcome,
		      enum kvm_cause cause)
{
	struct kvm_verdict shared = {.cause = cause, .module = verdict->module};
	struct cpu_virtualisation cpu;

	if (cpu_virtualisation(root, &cpu) == 0) {
		shared.is_x86 = cpu.is_x86;
		shared.is_guest = cpu.is_guest;
	}
	return set(verdict, outcome, kvm_verdict_describe(&shared));
}

static int explain_missing(const struct host_root *root, const char *modules_dir,
			   struct verdict *verdict)
{
	cleanup_free char *release = package_kernel_release(root, modules_dir);
	cleanup_free char *package = package_of_modules(root, release);

	if (!package)
		return set(verdict, OUTCOME_MISSING, NULL);
	return set(verdict, OUTCOME_MISSING,
		   text_format("%s: the kernel %s has no module %s; install %s",
			       outcome_name(OUTCOME_MISSING), release ? release : "that runs",
			       verdict->module, package));
}

/* `module` is the one that is forbidden, perhaps only needed by the wanted one. */
static int explain_blacklist(const struct host_root *root, const char *module,
			     struct verdict *verdict)
{
	const struct modprobe_line *line = &verdict->line;
	const char *name = outcome_name(OUTCOME_BLACKLISTED);
	int r;

	modprobe_line_free(&verdict->line);
	r = modprobe_config_find(root, module, &verdict->line);
	if (r < 0)
		return r;
	if (r == 0)
		return set(
			verdict, OUTCOME_BLACKLISTED,
			text_format("%s: this host forbids to load %s; \"modprobe --showconfig\" "
				    "may show where",
				    name, module));
	if (line->number == 0)
		return set(verdict, OUTCOME_BLACKLISTED,
			   text_format("%s: the kernel's command line forbids to load %s: \"%s\"; "
				       "take it out to have the module loaded",
				       name, module, line->text));
	return set(verdict, OUTCOME_BLACKLISTED,
		   text_format("%s: %s:%d forbids to load %s: \"%s\"; remove the line to have the "
			       "module loaded",
			       name, line->file, line->number, module, line->text));
}

int explain_outcome(const struct host_root *root, const char *modules_dir, enum outcome outcome,
		    struct verdict *verdict)
{
	switch (outcome) {
	case OUTCOME_NO_CPU_SUPPORT:
		return set_shared(root, verdict, outcome, KVM_CAUSE_NO_CPU_SUPPORT);
	case OUTCOME_DISABLED_BY_FIRMWARE:
		return set_shared(root, verdict, outcome, KVM_CAUSE_DISABLED_BY_FIRMWARE);
	case OUTCOME_BUSY:
		return set_shared(root, verdict, outcome, KVM_CAUSE_BUSY);
	case OUTCOME_MISSING:
		return explain_missing(root, modules_dir, verdict);
	case OUTCOME_BLACKLISTED:
		return explain_blacklist(root, verdict->module, verdict);
	case OUTCOME_NOT_LOADED:
		return set(verdict, outcome,
			   text_format("%s: the module %s is not loaded; run \"kvm-modprobe\" as "
				       "root",
				       outcome_name(outcome), verdict->module));
	default:
		verdict->outcome = outcome;
		return 0;
	}
}

static bool may_load_modules(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & (1u << CAP_SYS_MODULE));
}

/* Root has switched off the loading of modules until the next boot. */
static bool is_switched_off(const struct host_root *root)
{
	char text[8];

	return host_read(root, "proc/sys/kernel/modules_disabled", text, sizeof(text)) > 0 &&
	       *text == '1';
}

/* EPERM has many causes. */
static int explain_eperm(const struct host_root *root, const char *step, struct verdict *verdict)
{
	const char *name = outcome_name(OUTCOME_PERMISSION);
	enum kernel_lockdown lockdown = kernel_lockdown(root);
	struct modprobe_line line = {0};

	if (!may_load_modules())
		return set(verdict, OUTCOME_PERMISSION,
			   text_format("%s: loading the module %s needs the capability "
				       "CAP_SYS_MODULE; run \"kvm-modprobe\" as root, outside of "
				       "containers",
				       name, step));
	if (is_switched_off(root))
		return set(verdict, OUTCOME_PERMISSION,
			   text_format("%s: the module %s cannot be loaded because "
				       "kernel.modules_disabled is set; restart the host",
				       name, step));
	if (modprobe_cmdline_find(root, step, &line) > 0) {
		modprobe_line_free(&line);
		return explain_blacklist(root, step, verdict);
	}
	if (lockdown == KERNEL_LOCKDOWN_INTEGRITY || lockdown == KERNEL_LOCKDOWN_CONFIDENTIALITY)
		return set(verdict, OUTCOME_LOCKDOWN,
			   text_format("%s: the kernel is locked down and the module %s has no "
				       "signature that it trusts; install the distribution's own "
				       "module, or sign it and enrol the key",
				       outcome_name(OUTCOME_LOCKDOWN), step));
	return set(
		verdict, OUTCOME_PERMISSION,
		text_format("%s: the kernel does not let the module %s be loaded: %s; a security "
			    "module or a seccomp filter may forbid it",
			    name, step, strerror(EPERM)));
}

/* A module of KVM that found no hardware: the kernel's log knows by now whether it is locked. */
static int explain_hardware(const struct host_root *root, struct verdict *verdict)
{
	struct cpu_virtualisation cpu;

	if (cpu_virtualisation(root, &cpu) < 0)
		return set_shared(root, verdict, OUTCOME_NO_CPU_SUPPORT, KVM_CAUSE_NO_CPU_SUPPORT);
	/* Only where the user named it. */
	if (cpu.is_supported && strcmp(verdict->module, cpu.module) != 0)
		return set(verdict, OUTCOME_NO_CPU_SUPPORT,
			   text_format("%s: the module %s is not for this CPU, which needs %s",
				       outcome_name(OUTCOME_NO_CPU_SUPPORT), verdict->module,
				       cpu.module));
	if (cpu.is_disabled)
		return set_shared(root, verdict, OUTCOME_DISABLED_BY_FIRMWARE,
				  KVM_CAUSE_DISABLED_BY_FIRMWARE);
	return set_shared(root, verdict, OUTCOME_NO_CPU_SUPPORT, KVM_CAUSE_NO_CPU_SUPPORT);
}

/* Of x86's two the kernel has one at a time; without the other it is somebody else. */
static int explain_busy(const struct host_root *root, struct verdict *verdict)
{
	static const char *const vendors[] = {"kvm_intel", "kvm_amd"};
	size_t i;

	for (i = 0; i < array_size(vendors); i++) {
		if (strcmp(vendors[i], verdict->module) != 0 && kernel_has_module(root, vendors[i]))
			return set(verdict, OUTCOME_BUSY,
				   text_format("%s: KVM is there by the module %s, which excludes "
					       "%s; unload that one first",
					       outcome_name(OUTCOME_BUSY), vendors[i],
					       verdict->module));
	}
	return set_shared(root, verdict, OUTCOME_BUSY, KVM_CAUSE_BUSY);
}

static int explain_other(int error, const char *step, struct verdict *verdict)
{
	const char *advice = "the kernel's log may tell more";

	if (error == -ELIBACC)
		return set(verdict, OUTCOME_OTHER,
			   text_format("%s: libkmod.so.2 cannot be loaded; install libkmod2 or "
				       "kmod-libs",
				       outcome_name(OUTCOME_OTHER)));
	if (error == -ENOENT || error == -ENOEXEC)
		advice = "it does not fit to the running kernel; reinstall the kernel's modules, "
			 "or reboot";
	else if (error == -EINVAL)
		advice = "its options in modprobe.d are bad or its file is damaged; the kernel's "
			 "log may tell";
	return set(verdict, OUTCOME_OTHER,
		   text_format("%s: the module %s cannot be loaded: %s; %s",
			       outcome_name(OUTCOME_OTHER), step, strerror(-error), advice));
}

int explain_failure(const struct host_root *root, const char *modules_dir, int error,
		    const char *step, struct verdict *verdict)
{
	const char *module = step ? step : verdict->module;

	/* Nothing has been loaded yet: it was not found out what for. */
	if (!step && error == -EIO)
		return set(verdict, OUTCOME_OTHER,
			   text_format("%s: nothing tells which kernel runs; give the directory of "
				       "its modules with --modules-dir",
				       outcome_name(OUTCOME_OTHER)));
	switch (error) {
	case -ENOENT:
		if (!step)
			return explain_missing(root, modules_dir, verdict);
		return explain_other(error, module, verdict);
	case -ECANCELED:
		return explain_blacklist(root, module, verdict);
	case -EPERM:
		return explain_eperm(root, module, verdict);
	case -EKEYREJECTED:
	case -ENOKEY:
	case -EBADMSG:
	case -ENOPKG:
	case -EKEYEXPIRED:
	case -EKEYREVOKED:
		return set(verdict, OUTCOME_SIGNATURE,
			   text_format("%s: the kernel refused the signature of the module %s: %s; "
				       "install the distribution's own module, or sign it and "
				       "enrol the key",
				       outcome_name(OUTCOME_SIGNATURE), module, strerror(-error)));
	case -ENODEV:
	case -EOPNOTSUPP:
		if (module_is_kvm(module))
			return explain_hardware(root, verdict);
		return explain_other(error, module, verdict);
	case -EBUSY:
		if (module_is_kvm(module))
			return explain_busy(root, verdict);
		return explain_other(error, module, verdict);
	default:
		return explain_other(error, module, verdict);
	}
}

static bool has_modules_of_any_kernel(const struct host_root *root)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;

	return host_opendir(root, "lib/modules", &dir) == 0 && host_readdir(dir, &entry) > 0;
}

int explain_no_modules(const struct host_root *root, const char *modules_dir,
		       struct verdict *verdict)
{
	const char *name = outcome_name(OUTCOME_MISSING);

	if (modules_dir)
		return set(verdict, OUTCOME_MISSING,
			   text_format("%s: there is no directory %s with modules; give that of an "
				       "installed kernel",
				       name, modules_dir));
	if (!host_exists(root, "proc/modules"))
		return set(verdict, OUTCOME_MISSING,
			   text_format("%s: this kernel was built without %s and without modules; "
				       "use another",
				       name, verdict->module));
	if (has_modules_of_any_kernel(root))
		return set(verdict, OUTCOME_MISSING,
			   text_format("%s: there are no modules for the running kernel, which an "
				       "update may have removed; reboot",
				       name));
	return explain_missing(root, NULL, verdict);
}

int explain_no_cpu_known(struct verdict *verdict)
{
	return set(verdict, OUTCOME_OTHER,
		   text_format("%s: /proc/cpuinfo cannot be read, which would tell the module that "
			       "this CPU needs; name the module",
			       outcome_name(OUTCOME_OTHER)));
}
