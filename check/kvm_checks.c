/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM itself: the device, and what it needs of CPU, firmware and modules. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "check/checks.h"
#include "host/module.h"
#include "host/surroundings.h"
#include "host/text.h"

static bool kernel_has_kvm(const struct subject *subject)
{
	return host_exists(subject->root, "sys/class/misc/kvm") ||
	       (subject->is_asked && subject->kvm.cause == KVM_CAUSE_NONE);
}

/* "CODE: what is wrong; what to do" of the shared list of causes, taken apart. */
static int set_cause(struct result *result, enum verdict verdict, const struct kvm_verdict *kvm)
{
	cleanup_free char *line = kvm_verdict_describe(kvm);
	const char *code = kvm_cause_name(kvm->cause);
	const char *text;
	char *advice;
	int r;

	if (!line)
		return -ENOMEM;
	text = line + strlen(code) + strlen(": ");
	advice = strstr(text, "; ");
	if (advice)
		*advice = '\0';
	r = result_set(result, verdict, code, "%s", text);
	return r == 0 && advice ? result_advise(result, "%s", advice + 2) : r;
}

int check_kvm(const struct subject *subject, struct result *result)
{
	if (subject->kvm.cause != KVM_CAUSE_NONE)
		return set_cause(result, subject->kvm.is_blind ? VERDICT_UNKNOWN : VERDICT_FAIL,
				 &subject->kvm);
	if (!subject->is_asked)
		return result_set(result, VERDICT_SKIP, "not-asked",
				  "/dev/kvm is there; a copy of a host cannot be asked");
	return result_set(result, VERDICT_PASS, "ok",
			  "/dev/kvm opens, speaks version 12 and makes virtual machines");
}

/* What QEMU does not start without (its own list), and what makes it slow to be without. */
static const struct {
	int number;
	const char *name;
	enum verdict missing;
	bool x86_only;
} wanted[] = {
	{KVM_CAP_USER_MEMORY, "USER_MEMORY", VERDICT_FAIL, false},
	{KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "DESTROY_MEMORY_REGION_WORKS", VERDICT_FAIL, false},
	{KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "JOIN_MEMORY_REGIONS_WORKS", VERDICT_FAIL, false},
	{KVM_CAP_INTERNAL_ERROR_DATA, "INTERNAL_ERROR_DATA", VERDICT_WARN, false},
	{KVM_CAP_IOEVENTFD, "IOEVENTFD", VERDICT_WARN, false},
	{KVM_CAP_IRQFD, "IRQFD", VERDICT_WARN, false},
	{KVM_CAP_IRQCHIP, "IRQCHIP", VERDICT_WARN, true},
};

static int judge_capabilities(const struct subject *subject, const int *values, int vcpus,
			      struct result *result)
{
	bool is_x86 = subject->cpu.is_x86;
	size_t i;

	for (i = 0; i < array_size(wanted); i++) {
		if (values[i] == 0 && (is_x86 || !wanted[i].x86_only))
			return result_set(result, wanted[i].missing, "capability-missing",
					  "KVM has no KVM_CAP_%s%s", wanted[i].name,
					  wanted[i].missing == VERDICT_FAIL
						  ? ", which QEMU needs"
						  : "; some devices are slow or not to be had");
	}
	return result_set(result, VERDICT_PASS, "ok",
			  "KVM has what QEMU needs; up to %d virtual CPUs per guest", vcpus);
}

int check_capabilities(const struct subject *subject, struct result *result)
{
	int numbers[array_size(wanted) + 1];
	int values[array_size(wanted) + 1];
	size_t i;
	int r;

	if (!subject->is_asked || subject->kvm.cause != KVM_CAUSE_NONE)
		return result_set(result, VERDICT_SKIP, "not-asked", "/dev/kvm cannot be asked");
	for (i = 0; i < array_size(wanted); i++)
		numbers[i] = wanted[i].number;
	numbers[i] = KVM_CAP_MAX_VCPUS;
	r = kvm_device_check_extensions(subject->root, numbers, array_size(numbers), values);
	if (r < 0)
		return result_set_unreadable(result, "the list of KVM's capabilities", -r);
	return judge_capabilities(subject, values, values[array_size(wanted)], result);
}

static int fail_without_feature(const struct subject *subject, struct result *result)
{
	struct kvm_verdict kvm = {.cause = KVM_CAUSE_NO_CPU_SUPPORT,
				  .is_x86 = subject->cpu.is_x86,
				  .is_guest = subject->cpu.is_guest};

	if (kernel_has_kvm(subject))
		return result_set(result, VERDICT_WARN, "no-cpu-support",
				  "the CPU shows no \"%s\", but the kernel has KVM all the same, "
				  "as with PVM",
				  subject->cpu.feature);
	return set_cause(result, VERDICT_FAIL, &kvm);
}

int check_cpu(const struct subject *subject, struct result *result)
{
	const struct cpu_virtualisation *cpu = &subject->cpu;
	bool is_amd = cpu->feature && strcmp(cpu->feature, "svm") == 0;

	if (!subject->knows_cpu)
		return result_set(result, VERDICT_UNKNOWN, "unreadable",
				  "/proc/cpuinfo cannot be read, or names no CPU that is known");
	if (!cpu->feature)
		return result_set(result, VERDICT_SKIP, "no-sign",
				  "%s has no sign of virtualisation in /proc/cpuinfo; KVM itself "
				  "tells",
				  cpu->architecture);
	if (!cpu->is_supported)
		return fail_without_feature(subject, result);
	if (!cpu->is_x86)
		return result_set(result, VERDICT_PASS, "ok", "the CPU has \"%s\"", cpu->feature);
	if (!cpu_has_flag(subject->root, is_amd ? "npt" : "ept"))
		return result_set(result, VERDICT_WARN, "no-nested-paging",
				  "the CPU has \"%s\" but no \"%s\": guests are slow", cpu->feature,
				  is_amd ? "npt" : "ept");
	return result_set(result, VERDICT_PASS, "ok", "the CPU has \"%s\" and \"%s\"", cpu->feature,
			  is_amd ? "npt" : "ept");
}

int check_firmware(const struct subject *subject, struct result *result)
{
	struct kvm_verdict disabled = {.cause = KVM_CAUSE_DISABLED_BY_FIRMWARE,
				       .is_guest = subject->cpu.is_guest};
	int r;

	if (!subject->knows_cpu)
		return result_set(result, VERDICT_UNKNOWN, "unreadable",
				  "which CPU this is cannot be read");
	if (subject->cpu.firmware == CPU_FIRMWARE_NO_LOCK)
		return result_set(result, VERDICT_SKIP, "no-lock",
				  "%s has no lock that its firmware could set",
				  subject->cpu.architecture);
	if (kernel_has_kvm(subject))
		return result_set(result, VERDICT_PASS, "ok",
				  "it has not locked virtualisation: the kernel has KVM");
	if (subject->cpu.firmware == CPU_FIRMWARE_DISABLED)
		return set_cause(result, VERDICT_FAIL, &disabled);
	if (subject->cpu.firmware == CPU_FIRMWARE_ENABLED)
		return result_set(result, VERDICT_PASS, "ok",
				  "the CPU's registers say that it has not locked virtualisation");
	r = result_set(result, VERDICT_UNKNOWN, "unreadable",
		       "whether it has locked virtualisation is in registers that cannot be read, "
		       "and the kernel's log does not tell");
	return r < 0 ? r
		     : result_advise(result, "run \"modprobe msr\" and kvm-check as root to know");
}

/* How the module is there: a module that is built in has no initstate, and often no directory. */
static const char *how_loaded(const struct host_root *root, const char *module)
{
	cleanup_free char *path = text_format("sys/module/%s/initstate", module);

	return path && host_exists(root, path) ? "loaded" : "there, built in or loaded";
}

static int fail_without_module(const struct subject *subject, enum module_state state,
			       struct result *result)
{
	struct kvm_verdict kvm = kvm_module_verdict(subject->root, subject->cpu.module, state);

	return set_cause(result, VERDICT_FAIL, &kvm);
}

int check_modules(const struct subject *subject, struct result *result)
{
	const char *module = subject->cpu.module;
	enum module_state state;

	if (!subject->knows_cpu)
		return result_set(result, VERDICT_UNKNOWN, "unreadable",
				  "which module the CPU needs cannot be read");
	state = module_state(subject->root, module);
	if (state == MODULE_LOADED)
		return result_set(result, VERDICT_PASS, "ok", "%s is %s", module,
				  how_loaded(subject->root, module));
	if (kernel_has_kvm(subject))
		return result_set(result, VERDICT_PASS, "ok",
				  "the kernel has KVM, by something else than %s", module);
	if (!subject->cpu.is_supported || subject->cpu.is_disabled)
		return result_set(result, VERDICT_SKIP, "cpu-first",
				  "%s is not loaded, and would be of no use with this CPU", module);
	if (state == MODULE_UNKNOWN)
		return result_set(result, VERDICT_UNKNOWN, "unreadable",
				  "%s is not loaded; whether it is installed cannot be found out",
				  module);
	return fail_without_module(subject, state, result);
}

static int judge_owner(const struct host_root *root, const struct stat *st, struct result *result)
{
	const struct passwd *user = getpwuid(st->st_uid);
	const struct group *group = getgrgid(st->st_gid);
	cleanup_free char *owner = user ? strdup(user->pw_name) : text_format("%u", st->st_uid);
	cleanup_free char *members = group ? strdup(group->gr_name) : text_format("%u", st->st_gid);
	unsigned int mode = st->st_mode & 07777;
	int r;

	if (!owner || !members)
		return -ENOMEM;
	if ((mode & 0006) == 0006)
		return result_set(result, VERDICT_PASS, "ok", "%s:%s, mode %04o: for everybody",
				  owner, members, mode);
	if ((mode & 0060) == 0060 && st->st_gid != 0)
		return result_set(result, VERDICT_PASS, "ok", "%s:%s, mode %04o: for the group",
				  owner, members, mode);
	r = result_set(result, VERDICT_WARN, "root-only",
		       "%s:%s, mode %04o: for root alone; the device rule has not been applied",
		       owner, members, mode);
	if (r < 0)
		return r;
	return result_advise(result, "run \"kvm-device apply\" as root%s",
			     surroundings_share_dev(root) ? " on this container's host" : "");
}

int check_node(const struct subject *subject, struct result *result)
{
	cleanup_close int fd = host_open(subject->root, "dev/kvm", O_PATH);
	struct kvm_verdict kvm = {.cause = KVM_CAUSE_NO_DEVICE_NODE};
	struct stat st;

	if (fd == -ENOENT && subject->kvm.is_blind)
		return result_set(
			result, VERDICT_UNKNOWN, "unreadable",
			"there is no /dev/kvm; whether there should be one cannot be read");
	if (fd == -ENOENT && !kernel_has_kvm(subject))
		return result_set(result, VERDICT_SKIP, "no-kvm",
				  "there is no /dev/kvm, as the kernel has no KVM");
	if (fd == -ENOENT)
		return set_cause(result, VERDICT_FAIL, &kvm);
	if (fd < 0 || fstat(fd, &st) < 0)
		return result_set_unreadable(result, "/dev/kvm", fd < 0 ? -fd : errno);
	if (!subject->is_asked)
		return result_set(result, VERDICT_SKIP, "not-asked",
				  "/dev/kvm is there; whose it is, a copy does not tell");
	if (subject->kvm.cause == KVM_CAUSE_NOT_A_KVM_DEVICE)
		return set_cause(result, VERDICT_FAIL, &subject->kvm);
	return judge_owner(subject->root, &st, result);
}

int check_access(const struct subject *subject, struct result *result)
{
	switch (subject->kvm.cause) {
	case KVM_CAUSE_PERMISSION:
	case KVM_CAUSE_GROUP_NOT_ACTIVE:
	case KVM_CAUSE_DEVICE_CGROUP:
		return set_cause(result, VERDICT_FAIL, &subject->kvm);
	case KVM_CAUSE_NONE:
	case KVM_CAUSE_BUSY:
	case KVM_CAUSE_API_VERSION:
		if (subject->is_asked)
			return result_set(result, VERDICT_PASS, "ok",
					  "this user may open /dev/kvm");
		break;
	default:
		break;
	}
	return result_set(result, VERDICT_SKIP, "not-asked", "there was nothing to be opened");
}
