/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

/* Of Intel: locked, and VMX allowed outside of SMX. Of AMD: SVM disabled. */
#define MSR_FEATURE_CONTROL    0x3a
#define FEATURE_CONTROL_LOCKED (1u << 0)
#define FEATURE_CONTROL_VMX    (1u << 2)
#define MSR_VM_CR              0xc0010114
#define VM_CR_SVM_DISABLED     (1u << 4)

/* One record of /dev/kmsg is at most 8 KiB with what surrounds it (PRINTKRB_RECORD_MAX). */
#define LOG_RECORD_SIZE 8192
#define LOG_RECORDS_MAX 100000

/* The value of the first line of /proc/cpuinfo that begins with `field`; "" when there is none. */
static char *cpuinfo_field(const struct host_root *root, const char *field)
{
	cleanup_fclose FILE *cpuinfo = NULL;
	cleanup_free char *line = NULL;
	size_t length = strlen(field), room = 0;
	int fd = host_open(root, "proc/cpuinfo", O_RDONLY);

	if (fd < 0)
		return strdup("");
	cpuinfo = fdopen(fd, "re");
	if (!cpuinfo) {
		close(fd);
		return NULL;
	}
	while (getline(&line, &room, cpuinfo) > 0) {
		char *colon = strchr(line, ':');

		if (colon && strncmp(line, field, length) == 0 &&
		    line + length + strspn(line + length, " \t") == colon) {
			colon[strcspn(colon, "\n")] = '\0';
			return strdup(colon + 1 + strspn(colon + 1, " \t"));
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

bool cpu_has_flag(const struct host_root *root, const char *flag)
{
	/* x86, ARM, s390. All CPUs of a host have the same flags, so the first line decides. */
	static const char *const fields[] = {"flags", "Features", "features"};
	size_t i;

	for (i = 0; i < array_size(fields); i++) {
		cleanup_free char *flags = cpuinfo_field(root, fields[i]);

		if (flags && has_word(flags, flag))
			return true;
	}
	return false;
}

/* "rv64imafdch_zicsr": one letter each up to the first underscore. */
static bool isa_has_letter(const char *isa, char letter)
{
	const char *end = strchrnul(isa, '_');

	return strncmp(isa, "rv64", 4) == 0 && memchr(isa + 4, letter, (size_t)(end - isa - 4));
}

static bool read_msr(const struct host_root *root, off_t number, uint64_t *ret_value)
{
	cleanup_close int fd = host_open(root, "dev/cpu/0/msr", O_RDONLY);

	return fd >= 0 && pread(fd, ret_value, sizeof(*ret_value), number) == sizeof(*ret_value);
}

/* Whether a record of the kernel's log says that the firmware has switched the feature off. */
static bool record_tells_disabled(const char *record)
{
	static const char *const texts[] = {
		"disabled by bios",                   /* kvm, before 5.19 */
		"VMX not enabled (by BIOS)",          /* kvm_intel since 5.19 */
		"VMX (outside TXT) disabled by BIOS", /* x86/cpu since 5.6, which hides the flag */
		"SVM disabled (by BIOS)",             /* kvm_amd since 5.19 */
	};
	size_t i;

	for (i = 0; i < array_size(texts); i++) {
		if (strstr(record, texts[i]))
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

static struct cpu_virtualisation intel(const struct host_root *root)
{
	struct cpu_virtualisation cpu = {.module = "kvm_intel"};
	uint64_t value;

	cpu.is_supported = cpu_has_flag(root, "vmx");
	if (read_msr(root, MSR_FEATURE_CONTROL, &value))
		cpu.is_disabled = (value & FEATURE_CONTROL_LOCKED) &&
				  !(value & FEATURE_CONTROL_VMX);
	else
		cpu.is_disabled = log_tells_disabled(root);
	return cpu;
}

static struct cpu_virtualisation amd(const struct host_root *root)
{
	struct cpu_virtualisation cpu = {.module = "kvm_amd"};
	uint64_t value;

	cpu.is_supported = cpu_has_flag(root, "svm");
	if (read_msr(root, MSR_VM_CR, &value))
		cpu.is_disabled = value & VM_CR_SVM_DISABLED;
	else
		cpu.is_disabled = log_tells_disabled(root);
	return cpu;
}

/* Architectures other than x86 have one module, and no sign of a firmware's lock. */
static struct cpu_virtualisation other(const struct host_root *root)
{
	cleanup_free char *platform = cpuinfo_field(root, "platform");
	cleanup_free char *isa = cpuinfo_field(root, "isa");
	cleanup_free char *vendor = cpuinfo_field(root, "vendor_id");
	struct cpu_virtualisation cpu = {.is_supported = true, .module = "kvm"};

	if (vendor && strcmp(vendor, "IBM/S390") == 0)
		cpu.is_supported = cpu_has_flag(root, "sie");
	else if (platform && *platform)
		cpu.module = strcmp(platform, "PowerNV") == 0 ? "kvm_hv" : "kvm_pr";
	else if (isa && *isa)
		cpu.is_supported = isa_has_letter(isa, 'h');
	return cpu;
}

/* The maker of an x86 CPU has a name; those that are not AMD's or Hygon's have Intel's VMX. */
struct cpu_virtualisation cpu_virtualisation(const struct host_root *root)
{
	cleanup_free char *vendor = cpuinfo_field(root, "vendor_id");
	const char *name = vendor ? vendor : "";
	struct cpu_virtualisation cpu;

	if (cpu_has_flag(root, "svm") || strcmp(name, "AuthenticAMD") == 0 ||
	    strcmp(name, "HygonGenuine") == 0)
		cpu = amd(root);
	else if (cpu_has_flag(root, "vmx") || (*name && strcmp(name, "IBM/S390") != 0))
		cpu = intel(root);
	else
		cpu = other(root);
	cpu.is_guest = cpu_has_flag(root, "hypervisor");
	return cpu;
}
