/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of Intel: locked, and VMX allowed outside of SMX. Of AMD: SVM disabled. */
#define MSR_FEATURE_CONTROL    0x3a
#define FEATURE_CONTROL_LOCKED (1u << 0)
#define FEATURE_CONTROL_VMX    (1u << 2)
#define MSR_VM_CR              0xc0010114
#define VM_CR_SVM_DISABLED     (1u << 4)

/* Of the largest hosts it has some megabytes; what is asked for stands with the first CPU, or last. */
#define CPUINFO_MAX (16 << 20)

/* One record of /dev/kmsg is at most 8 KiB with what surrounds it (PRINTKRB_RECORD_MAX). */
#define LOG_RECORD_SIZE 8192
#define LOG_RECORDS_MAX 100000
/* Above it is the facility, which is 0 for the kernel's own. */
#define LOG_KERNEL_PRIORITY_MAX 7

/* All of /proc/cpuinfo, to be freed, or NULL. What is beyond the limit is not looked at. */
static char *read_cpuinfo(const struct host_root *root)
{
	cleanup_close int fd = host_open(root, "proc/cpuinfo", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = fd < 0 ? NULL : malloc(CPUINFO_MAX + 1);
	size_t length = 0;

	while (text && length < CPUINFO_MAX) {
		ssize_t n = read(fd, text + length, CPUINFO_MAX - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	if (text)
		text[length] = '\0';
	return take_ptr(text);
}

/* The value of the first line that begins with `field`, to be freed; "" when there is none. */
static char *field_value(const char *cpuinfo, const char *field)
{
	size_t length = strlen(field);
	const char *line;

	for (line = cpuinfo; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t end = strcspn(line, "\n");
		const char *colon = memchr(line, ':', end);

		if (colon && strncmp(line, field, length) == 0 &&
		    line + length + strspn(line + length, " \t") == colon) {
			colon += 1 + strspn(colon + 1, " \t");
			return strndup(colon, (size_t)(line + end - colon));
		}
	}
	return strdup("");
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	while (*text) {
		size_t end = strcspn(text, " \t");

		if (end == length && memcmp(text, word, length) == 0)
			return true;
		text += end + strspn(text + end, " \t");
	}
	return false;
}

static bool has_flag(const char *cpuinfo, const char *flag)
{
	/* x86, ARM, s390. All CPUs of a host have the same flags, so the first line decides. */
	static const char *const fields[] = {"flags", "Features", "features"};
	size_t i;

	for (i = 0; i < array_size(fields); i++) {
		cleanup_free char *flags = field_value(cpuinfo, fields[i]);

		if (flags && has_word(flags, flag))
			return true;
	}
	return false;
}

bool cpu_has_flag(const struct host_root *root, const char *flag)
{
	cleanup_free char *cpuinfo = read_cpuinfo(root);

	return cpuinfo && has_flag(cpuinfo, flag);
}

char *cpu_field(const struct host_root *root, const char *field)
{
	cleanup_free char *cpuinfo = read_cpuinfo(root);

	return field_value(cpuinfo ? cpuinfo : "", field);
}

/* "rv64imafdch_zicsr": one letter each up to the first underscore. */
static bool isa_has_letter(const char *isa, char letter)
{
	const char *end = strchrnul(isa, '_');

	return strncmp(isa, "rv64", 4) == 0 && memchr(isa + 4, letter, (size_t)(end - isa - 4));
}

static bool read_msr(const struct host_root *root, off_t number, uint64_t *ret_value)
{
	cleanup_close int fd = host_open(root, "dev/cpu/0/msr", O_RDONLY | O_NONBLOCK);

	return fd >= 0 && pread(fd, ret_value, sizeof(*ret_value), number) == sizeof(*ret_value);
}

/*
 * Whether a record of /dev/kmsg, "PRIORITY,NUMBER,TIME,FLAGS;TEXT", says that the firmware has switched
 * the feature off. Others can have records with any words: whoever may write there, with a facility
 * that is not the kernel's, and any user, in the name of a program that crashes. The kernel begins such a
 * text with 15 bytes of that name at most, so the beginnings here have more.
 */
static bool record_tells_disabled(const char *record)
{
	static const char *const beginnings[] = {
		"kvm: disabled by bios",                         /* before 5.18 */
		"kvm: support for 'kvm_intel' disabled by bios", /* 5.18 to 6.1 */
		"kvm: support for 'kvm_amd' disabled by bios",
		"kvm_intel: VMX not enabled (by BIOS)",        /* since 6.2 */
		"kvm_amd: SVM disabled (by BIOS)",             /* since 6.2 */
		"x86/cpu: VMX (outside TXT) disabled by BIOS", /* since 5.6, which hides the flag */
		"SVM disabled (by BIOS) in MSR_VM_CR",         /* since 6.6, which hides the flag */
	};
	const char *text = strchr(record, ';');
	char *end;
	unsigned long priority = strtoul(record, &end, 10);
	size_t i;

	if (!text || end == record || *end != ',' || priority > LOG_KERNEL_PRIORITY_MAX)
		return false;
	for (i = 0; i < array_size(beginnings); i++) {
		if (strncmp(text + 1, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	}
	return false;
}

/* Never waits for new records. Ordinary users are often not let in: then nothing is known. */
static bool log_tells_disabled(const struct host_root *root)
{
	cleanup_close int fd = host_open(root, "dev/kmsg", O_RDONLY | O_NONBLOCK);
	char record[LOG_RECORD_SIZE + 1];
	int count;

	for (count = 0; fd >= 0 && count < LOG_RECORDS_MAX; count++) {
		ssize_t length = read(fd, record, LOG_RECORD_SIZE);

		if (length < 0 && (errno == EPIPE || errno == EINTR))
			continue; /* EPIPE: the record was overwritten; the next read has the next one */
		if (length <= 0)
			return false;
		record[length] = '\0';
		if (record_tells_disabled(record))
			return true;
	}
	return false;
}

static enum cpu_firmware firmware_by_log(const struct host_root *root)
{
	/* Silence proves nothing: old records are overwritten, and KVM may not have been tried. */
	return log_tells_disabled(root) ? CPU_FIRMWARE_DISABLED : CPU_FIRMWARE_UNKNOWN;
}

static enum cpu_firmware intel_firmware(const struct host_root *root)
{
	uint64_t value;

	if (!read_msr(root, MSR_FEATURE_CONTROL, &value))
		return firmware_by_log(root);
	/* Where it is not locked, KVM allows VMX itself. */
	return (value & FEATURE_CONTROL_LOCKED) && !(value & FEATURE_CONTROL_VMX)
		       ? CPU_FIRMWARE_DISABLED
		       : CPU_FIRMWARE_ENABLED;
}

static enum cpu_firmware amd_firmware(const struct host_root *root)
{
	uint64_t value;

	if (!read_msr(root, MSR_VM_CR, &value))
		return firmware_by_log(root);
	return value & VM_CR_SVM_DISABLED ? CPU_FIRMWARE_DISABLED : CPU_FIRMWARE_ENABLED;
}

static struct cpu_virtualisation x86(const struct host_root *root, const char *cpuinfo, bool is_amd)
{
	struct cpu_virtualisation cpu = {.is_x86 = true,
					 .module = is_amd ? "kvm_amd" : "kvm_intel",
					 .feature = is_amd ? "svm" : "vmx",
					 .architecture = has_flag(cpuinfo, "lm") ? "x86_64"
										 : "i386"};

	cpu.is_supported = has_flag(cpuinfo, cpu.feature);
	cpu.firmware = is_amd ? amd_firmware(root) : intel_firmware(root);
	cpu.is_disabled = cpu.firmware == CPU_FIRMWARE_DISABLED;
	return cpu;
}

/*
 * kvm_hv on the machine itself; in a partition too since POWER9, whose MMU is in radix mode then: there
 * kvm_pr refuses to load.
 */
static struct cpu_virtualisation power(const char *cpuinfo, const char *platform)
{
	cleanup_free char *mmu = field_value(cpuinfo, "MMU");
	bool is_hv = strcmp(platform, "PowerNV") == 0 || (mmu && strcmp(mmu, "Radix") == 0);

	/* No sign: whether KVM can be had depends on the hypervisor below. */
	return (struct cpu_virtualisation){.is_supported = true,
					   .architecture = "ppc64",
					   .module = is_hv ? "kvm_hv" : "kvm_pr"};
}

/* Architectures other than x86 have one module, and no sign of a firmware's lock. */
static struct cpu_virtualisation other(const char *cpuinfo, const char *vendor)
{
	cleanup_free char *platform = field_value(cpuinfo, "platform");
	cleanup_free char *isa = field_value(cpuinfo, "isa");
	cleanup_free char *arm = field_value(cpuinfo, "CPU implementer");
	struct cpu_virtualisation cpu = {.is_supported = true, .module = "kvm"};

	if (strcmp(vendor, "IBM/S390") == 0) {
		cpu.architecture = "s390x";
		cpu.feature = "sie";
		cpu.is_supported = has_flag(cpuinfo, "sie");
	} else if (platform && *platform) {
		cpu = power(cpuinfo, platform);
	} else if (isa && *isa) {
		cpu.architecture = "riscv64";
		cpu.feature = "h";
		cpu.is_supported = isa_has_letter(isa, 'h');
	} else if (arm && *arm) {
		cpu.architecture = has_flag(cpuinfo, "asimd") ? "aarch64" : "arm";
	}
	return cpu;
}

/* The maker of an x86 CPU has a name; those that are not AMD's or Hygon's have Intel's VMX. */
int cpu_virtualisation(const struct host_root *root, struct cpu_virtualisation *ret)
{
	cleanup_free char *cpuinfo = read_cpuinfo(root);
	cleanup_free char *vendor = cpuinfo ? field_value(cpuinfo, "vendor_id") : NULL;

	if (!vendor || !*cpuinfo)
		return -ENODATA;
	if (has_flag(cpuinfo, "svm") || strcmp(vendor, "AuthenticAMD") == 0 ||
	    strcmp(vendor, "HygonGenuine") == 0)
		*ret = x86(root, cpuinfo, true);
	else if (has_flag(cpuinfo, "vmx") || (*vendor && strcmp(vendor, "IBM/S390") != 0))
		*ret = x86(root, cpuinfo, false);
	else
		*ret = other(cpuinfo, vendor);
	ret->is_guest = has_flag(cpuinfo, "hypervisor");
	return 0;
}
