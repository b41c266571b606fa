/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/cpuinfo, against a second reader that takes it apart byte by byte: fields and flags are
 * what that one finds, and what is said of the CPU follows from them and from nothing else.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <unistd.h>

#include "host/cpu.h"
#include "tests/unit/tree.h"

static struct tree tree;

static void remove_tree(void)
{
	tree_remove(&tree);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	tree_make(&tree);
	promise(atexit(remove_tree) == 0);
	return 0;
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

/* The input, and a piece of it. */
struct span {
	const uint8_t *start, *end;
};

/* Whether the line is "NAME blanks : blanks VALUE". */
static bool read_line(struct span line, const char *name, struct span *ret_value)
{
	const uint8_t *p = line.start;

	for (; *name; name++, p++) {
		if (p == line.end || *p != (uint8_t)*name)
			return false;
	}
	while (p < line.end && is_blank(*p))
		p++;
	if (p == line.end || *p != ':')
		return false;
	for (p++; p < line.end && is_blank(*p);)
		p++;
	*ret_value = (struct span){p, line.end};
	return true;
}

static bool read_field(struct span text, const char *name, struct span *ret_value)
{
	const uint8_t *p = text.start;

	while (p < text.end) {
		struct span line = {p, p};

		while (p < text.end && *p != '\n')
			p++;
		line.end = p;
		if (read_line(line, name, ret_value))
			return true;
		p++;
	}
	return false;
}

static bool span_is(struct span span, const char *text)
{
	size_t length = (size_t)(span.end - span.start);

	return strlen(text) == length && memcmp(span.start, text, length) == 0;
}

static bool span_has_word(struct span span, const char *word)
{
	const uint8_t *p = span.start;

	while (p < span.end) {
		struct span item;

		while (p < span.end && is_blank(*p))
			p++;
		item.start = p;
		while (p < span.end && !is_blank(*p))
			p++;
		item.end = p;
		if (span_is(item, word))
			return true;
	}
	return false;
}

static bool has_flag(struct span text, const char *flag)
{
	static const char *const names[] = {"flags", "Features", "features"};
	struct span value;
	size_t i;

	for (i = 0; i < array_size(names); i++) {
		if (read_field(text, names[i], &value) && span_has_word(value, flag))
			return true;
	}
	return false;
}

static void check_field(struct span text, const char *name)
{
	char *value = cpu_field(&tree.root, name);
	struct span expected;

	promise(value);
	if (read_field(text, name, &expected))
		promise(span_is(expected, value));
	else
		promise(!*value);
	free(value);
}

static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(text, *list) == 0)
			return true;
	}
	return false;
}

static void check_cpu(struct span text)
{
	static const char *const architectures[] = {"x86_64",  "i386",    "s390x", "ppc64",
						    "aarch64", "riscv64", "arm",   NULL};
	static const char *const modules[] = {"kvm_intel", "kvm_amd", "kvm",
					      "kvm_hv",    "kvm_pr",  NULL};
	struct cpu_virtualisation cpu;
	int r = cpu_virtualisation(&tree.root, &cpu);

	promise(r == (text.start == text.end ? -ENODATA : 0));
	if (r < 0)
		return;
	promise(is_one_of(cpu.module, modules));
	promise(!cpu.architecture || is_one_of(cpu.architecture, architectures));
	promise(!cpu.is_x86 == (cpu.firmware == CPU_FIRMWARE_NO_LOCK));
	promise(cpu.is_guest == has_flag(text, "hypervisor"));
	/* There are neither registers nor a log, and x86 alone has the lock. */
	promise(!cpu.is_disabled && cpu.firmware != CPU_FIRMWARE_DISABLED &&
		cpu.firmware != CPU_FIRMWARE_ENABLED);
	promise((cpu.firmware == CPU_FIRMWARE_UNKNOWN) ==
		(strncmp(cpu.module, "kvm_", 4) == 0 && cpu.feature));
	/* The letter of RISC-V stands in no line of flags; without a sign it is taken for granted. */
	if (!cpu.feature)
		promise(cpu.is_supported);
	else if (strcmp(cpu.feature, "h") != 0)
		promise(cpu.is_supported == has_flag(text, cpu.feature));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const flags[] = {"vmx", "svm", "sie", "lm", "hypervisor", "asimd"};
	static const char *const fields[] = {"flags", "features", "vendor_id",      "platform",
					     "isa",   "Features", "CPU implementer"};
	struct span text = {data, data + size};
	size_t i;

	/* A NUL, which no kernel writes, ends it. */
	if (memchr(data, '\0', size))
		text.end = memchr(data, '\0', size);
	tree_write(&tree, "proc/cpuinfo", 0644, data, size);
	for (i = 0; i < array_size(fields); i++)
		check_field(text, fields[i]);
	for (i = 0; i < array_size(flags); i++)
		promise(cpu_has_flag(&tree.root, flags[i]) == has_flag(text, flags[i]));
	check_cpu(text);
	return 0;
}
