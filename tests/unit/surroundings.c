/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "host/surroundings.h"
#include "tests/unit/tree.h"

#define ARM "Features\t: fp asimd\nCPU implementer\t: 0x41\n"
#define X86 "vendor_id\t: GenuineIntel\nflags\t: lm vmx"

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

/* One file of a host besides its CPU, and what follows from it. */
struct row {
	const char *path, *text;
	enum surroundings expected;
	const char *name;
};

typedef enum surroundings (*surroundings_fn)(const struct host_root *root, char *ret_name);

static void check_rows(const struct row *rows, size_t count, const char *cpuinfo,
		       surroundings_fn function)
{
	size_t i;

	for (i = 0; i < count; i++) {
		char name[SURROUNDINGS_NAME_SIZE] = "untouched";
		enum surroundings found;

		if (cpuinfo)
			tree_put(&tree, "proc/cpuinfo", cpuinfo);
		tree_put(&tree, rows[i].path, rows[i].text);
		found = function(&tree.root, name);
		if (found != rows[i].expected)
			fail_msg("%s %s: %d", rows[i].path, rows[i].text, found);
		assert_string_equal(name, rows[i].name ? rows[i].name : "untouched");
		tree_delete(&tree, rows[i].path);
	}
}

static void test_container(void **state)
{
	static const struct row rows[] = {
		{"run/systemd/container", "lxc\n", SURROUNDINGS_INSIDE, "lxc"},
		{"run/systemd/container", "", SURROUNDINGS_INSIDE, "unknown"},
		{"run/.containerenv", "", SURROUNDINGS_INSIDE, "podman"},
		{".dockerenv", "", SURROUNDINGS_INSIDE, "docker"},
		{"proc/sys/kernel/osrelease", "5.15-Microsoft-WSL2\n", SURROUNDINGS_INSIDE, "wsl"},
		{"proc/sys/kernel/osrelease", "6.1.0\n", SURROUNDINGS_UNKNOWN, NULL},
		{"proc/1/environ", "A=container=x", SURROUNDINGS_NONE, NULL},
		{"proc/1/environ", "container=x", SURROUNDINGS_INSIDE, "x"},
		{"proc/1/environ", "", SURROUNDINGS_NONE, NULL},
		{"etc/hostname", "x", SURROUNDINGS_UNKNOWN, NULL},
		{"run/systemd/system/x", "", SURROUNDINGS_NONE, NULL},
	};

	(void)state;
	check_rows(rows, array_size(rows), NULL, surroundings_container);
}

static void test_shared_dev(void **state)
{
#define DEVTMPFS "udev /dev devtmpfs rw 0 0\n"
#define TMPFS    "tmpfs /dev tmpfs rw 0 0\n"
#define BELOW    "devpts /dev/pts devpts rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n"
	static const struct {
		const char *container, *mounts;
		bool expected;
	} rows[] = {
		{"docker", "overlay / overlay rw 0 0\n" DEVTMPFS BELOW, true},
		{"lxc", DEVTMPFS, true},
		{"docker", TMPFS BELOW, false},
		/* The last one covers the others. */
		{"docker", TMPFS DEVTMPFS BELOW, true},
		{"docker", DEVTMPFS TMPFS, false},
		/* The host's is to be seen elsewhere. */
		{"docker", TMPFS "udev /host/dev devtmpfs rw 0 0\n", false},
		{"docker", "devtmpfs /dev tmpfs rw 0 0\n", false},
		{"docker", "", false},
		{"docker", NULL, false},
		{"wsl", DEVTMPFS, false},
		{NULL, DEVTMPFS BELOW, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		tree_put(&tree, "proc/1/environ", "");
		if (rows[i].container)
			tree_put(&tree, "run/systemd/container", rows[i].container);
		if (rows[i].mounts)
			tree_put(&tree, "proc/mounts", rows[i].mounts);
		if (surroundings_share_dev(&tree.root) != rows[i].expected)
			fail_msg("row %zu", i);
		tree_delete(&tree, "run");
		tree_delete(&tree, "proc");
	}
}

static void test_hypervisor(void **state)
{
	static const struct row arm[] = {
		{"sys/class/dmi/id/sys_vendor", "QEMU\n", SURROUNDINGS_INSIDE, "QEMU"},
		{"sys/class/dmi/id/sys_vendor", "VMware, Inc.\n", SURROUNDINGS_INSIDE, "VMware"},
		{"sys/class/dmi/id/sys_vendor", "Amazon EC2\n", SURROUNDINGS_NONE, NULL},
		{"sys/class/dmi/id/product_name", "KVM Virtual Machine\n", SURROUNDINGS_INSIDE,
		 "KVM Virtual Machine"},
		{"proc/device-tree/hypervisor/compatible", "linux,kvm", SURROUNDINGS_INSIDE,
		 "linux,kvm"},
		{"proc/device-tree/ibm,partition-name", "x", SURROUNDINGS_INSIDE, "PowerVM"},
		{"etc/hostname", "x", SURROUNDINGS_NONE, NULL},
	};
	static const struct row s390x[] = {
		{"proc/sysinfo", "Type: 1\nVM00 Control Program: KVM/Linux  \nVM01\n",
		 SURROUNDINGS_INSIDE, "KVM/Linux"},
		{"proc/sysinfo", "Type: 1\n", SURROUNDINGS_NONE, NULL},
		{"etc/hostname", "x", SURROUNDINGS_UNKNOWN, NULL},
	};
	static const struct row guest[] = {
		{"etc/hostname", "x", SURROUNDINGS_INSIDE, "unknown"},
	};
	static const struct row nothing[] = {
		{"proc/cpuinfo", "", SURROUNDINGS_UNKNOWN, NULL},
	};

	(void)state;
	check_rows(arm, array_size(arm), ARM, surroundings_hypervisor);
	check_rows(s390x, array_size(s390x), "vendor_id : IBM/S390\nfeatures\t: sie\n",
		   surroundings_hypervisor);
	check_rows(guest, array_size(guest), X86 " hypervisor\n", surroundings_hypervisor);
	check_rows(nothing, array_size(nothing), NULL, surroundings_hypervisor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_container, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_dev, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hypervisor, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
