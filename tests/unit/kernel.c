/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "host/cpu.h"
#include "host/kernel.h"
#include "host/kvm_device.h"
#include "tests/unit/tree.h"

static struct tree tree;

static int setup(void **state)
{
	(void)state;
	tree_make(&tree);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

static void test_lockdown(void **state)
{
	static const struct {
		const char *text;
		enum kernel_lockdown lockdown;
	} rows[] = {
		{"[none] integrity confidentiality\n", KERNEL_LOCKDOWN_NONE},
		{"none [integrity] confidentiality\n", KERNEL_LOCKDOWN_INTEGRITY},
		{"none integrity [confidentiality]\n", KERNEL_LOCKDOWN_CONFIDENTIALITY},
		{"none integrity confidentiality\n", KERNEL_LOCKDOWN_UNKNOWN},
		{"", KERNEL_LOCKDOWN_UNKNOWN},
	};
	size_t i;

	(void)state;
	assert_int_equal(kernel_lockdown(&tree.root), KERNEL_LOCKDOWN_UNKNOWN);
	for (i = 0; i < array_size(rows); i++) {
		tree_put(&tree, "sys/kernel/security/lockdown", rows[i].text);
		assert_row(kernel_lockdown(&tree.root) == rows[i].lockdown, rows[i].text);
	}
}

static void test_paranoid(void **state)
{
	static const struct {
		const char *text;
		int result, level;
	} rows[] = {
		{"2\n", 0, 2},
		{"-1\n", 0, -1},
		{"0\n", 0, 0},
		{"4", 0, 4},
		{"", -EBADMSG, 9},
		{"\n", -EBADMSG, 9},
		{"-\n", -EBADMSG, 9},
		{"--1\n", -EBADMSG, 9},
		{"two\n", -EBADMSG, 9},
		{"2 \n", -EBADMSG, 9},
		{"99999999999999999999\n", -EFBIG, 9},
	};
	size_t i;
	int level = 9;

	(void)state;
	assert_int_equal(kernel_perf_paranoid(&tree.root, &level), -ENOENT);
	for (i = 0; i < array_size(rows); i++) {
		level = 9;
		tree_put(&tree, "proc/sys/kernel/perf_event_paranoid", rows[i].text);
		assert_row(kernel_perf_paranoid(&tree.root, &level) == rows[i].result,
			   rows[i].text);
		assert_row(level == rows[i].level, rows[i].text);
	}
}

static void test_module(void **state)
{
	char name[300];

	(void)state;
	tree_dir(&tree, "sys/module/kvm_intel");
	assert_true(kernel_has_module(&tree.root, "kvm_intel"));
	assert_false(kernel_has_module(&tree.root, "kvm"));
	assert_false(kernel_has_module(&tree.root, "kvm_amd"));
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_false(kernel_has_module(&tree.root, name));
}

static void test_cpu_flag(void **state)
{
	static const struct {
		const char *cpuinfo;
		bool vmx;
	} rows[] = {
		{"processor\t: 0\nflags\t\t: fpu vmx est\n", true},
		{"flags\t\t: vmx\n", true},
		{"flags\t\t: fpu vmx\n", true},
		{"flags\t\t: fpu vmx", true}, /* the file ends without a newline */
		{"Features\t: fp vmx asimd\n", true},
		/* The word, not a part of one, and not somewhere else. */
		{"flags\t\t: fpu vmx_x est\n", false},
		{"flags\t\t: avmx vmxa\n", false},
		{"vmx flags\t: vmx ept\nflags\t\t: fpu\n", false},
		{"model name\t: vmx\nflags\t\t: fpu\n", false},
		{"flags\t\t:\n", false},
		{"flags\n", false},
		{"flags vmx\n", false},
		{"", false},
		/* The first CPU speaks for all. */
		{"flags\t\t: fpu\n\nflags\t\t: vmx\n", false},
	};
	size_t i;

	(void)state;
	assert_false(cpu_has_flag(&tree.root, "vmx"));
	for (i = 0; i < array_size(rows); i++) {
		tree_put(&tree, "proc/cpuinfo", rows[i].cpuinfo);
		assert_row(cpu_has_flag(&tree.root, "vmx") == rows[i].vmx, rows[i].cpuinfo);
	}
}

static void test_cpu_flag_in_a_long_line(void **state)
{
	char text[70000] = "flags\t\t:";

	(void)state;
	memset(text + 8, ' ', sizeof(text) - 8);
	memcpy(text + sizeof(text) - 6, " svm\n", 6);
	tree_put(&tree, "proc/cpuinfo", text);
	assert_true(cpu_has_flag(&tree.root, "svm"));
}

/* Without /dev/kvm the tree tells why; nothing of it is opened. */
static void test_why_no_device(void **state)
{
	(void)state;
	assert_int_equal(kvm_device_probe(&tree.root).cause, KVM_CAUSE_OTHER);
	assert_true(kvm_device_probe(&tree.root).is_blind);
	tree_put(&tree, "proc/cpuinfo", "vendor_id\t: AuthenticAMD\nflags\t\t: fpu\n");
	assert_true(kvm_device_probe(&tree.root).is_blind);
	tree_dir(&tree, "sys/class");
	assert_int_equal(kvm_device_probe(&tree.root).cause, KVM_CAUSE_NO_CPU_SUPPORT);
	tree_dir(&tree, "sys/module/kvm");
	assert_int_equal(kvm_device_probe(&tree.root).cause, KVM_CAUSE_NO_CPU_SUPPORT);
	tree_put(&tree, "proc/cpuinfo", "flags\t\t: fpu svm\n");
	assert_int_equal(kvm_device_probe(&tree.root).cause, KVM_CAUSE_MODULE_NOT_LOADED);
	assert_string_equal(kvm_device_probe(&tree.root).module, "kvm_amd");
	tree_dir(&tree, "sys/class/misc/kvm");
	assert_int_equal(kvm_device_probe(&tree.root).cause, KVM_CAUSE_NO_DEVICE_NODE);
	assert_int_equal(kvm_device_probe(&tree.root).error, ENOENT);
	tree_fifo(&tree, "dev/kvm");
	assert_int_equal(kvm_device_probe(&tree.root).cause, KVM_CAUSE_NONE);
	assert_int_equal(kvm_device_probe(&tree.root).error, 0);
}

/* Each cause has a code of its own, and says more than the code. */
static void test_cause_names(void **state)
{
	static const char *const names[] = {
		"usable",
		"no-cpu-support",
		"disabled-by-firmware",
		"module-missing",
		"module-blacklisted",
		"module-not-loaded",
		"no-device-node",
		"not-a-kvm-device",
		"permission",
		"group-not-active",
		"device-cgroup",
		"busy",
		"api-version",
		"other",
	};
	int cause;

	(void)state;
	assert_int_equal(array_size(names), KVM_CAUSE_OTHER + 1);
	for (cause = 0; cause <= KVM_CAUSE_OTHER; cause++) {
		struct kvm_verdict verdict = {.cause = (enum kvm_cause)cause};
		cleanup_free char *text = kvm_verdict_describe(&verdict);
		size_t length = strlen(names[cause]);

		assert_string_equal(kvm_cause_name(verdict.cause), names[cause]);
		assert_non_null(text);
		assert_memory_equal(text, names[cause], length);
		assert_memory_equal(text + length, ": ", 2);
	}
}

/* The system's reason stands before the advice. */
static void test_description(void **state)
{
	struct kvm_verdict verdict = {.cause = KVM_CAUSE_DEVICE_CGROUP, .error = EPERM};
	cleanup_free char *text = kvm_verdict_describe(&verdict);

	(void)state;
	assert_string_equal(text,
			    "device-cgroup: the device cgroup forbids /dev/kvm: Operation not "
			    "permitted; allow the device 10:232 for this container or "
			    "service");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lockdown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paranoid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_module, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpu_flag, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpu_flag_in_a_long_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_why_no_device, setup, teardown),
		cmocka_unit_test(test_cause_names),
		cmocka_unit_test(test_description),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
