/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "host/vm.h"
#include "tests/unit/tree.h"

static struct tree tree;

static int setup(void **state)
{
	(void)state;
	tree_make(&tree);
	tree_dir(&tree, TREE_KVM);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

static void test_parse_name(void **state)
{
	static const struct {
		const char *name;
		pid_t tid; /* 0: refused */
		int fd;
	} rows[] = {
		{"1-0", 1, 0},
		{"4711-12", 4711, 12},
		{"2147483647-2147483647", 2147483647, 2147483647},
		{"", 0, 0},
		{"-", 0, 0},
		{"1", 0, 0},
		{"1-", 0, 0},
		{"-1", 0, 0},
		{"0-1", 0, 0},
		{"1-2-3", 0, 0},
		{"1--2", 0, 0},
		{"+1-2", 0, 0},
		{"1-+2", 0, 0},
		{" 1-2", 0, 0},
		{"1-2 ", 0, 0},
		{"1-2\n", 0, 0},
		{"a-2", 0, 0},
		{"1-b", 0, 0},
		{"1_2", 0, 0},
		{"2147483648-1", 0, 0},
		{"1-2147483648", 0, 0},
		{"99999999999999999999-1", 0, 0},
		{"1-99999999999999999999", 0, 0},
		{"vcpu0", 0, 0},
		{"halt-wait", 0, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		pid_t tid = 42;
		int fd = 42;
		bool valid = rows[i].tid > 0;

		assert_row(vm_parse_name(rows[i].name, &tid, &fd) == (valid ? 0 : -EINVAL),
			   rows[i].name);
		assert_row(tid == (valid ? rows[i].tid : 42), rows[i].name);
		assert_row(fd == (valid ? rows[i].fd : 42), rows[i].name);
	}
}

static int open_kvm(void)
{
	int fd = host_open(&tree.root, TREE_KVM, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	return fd;
}

static void read_list(const struct vm_list *known, struct vm_list *ret_list)
{
	cleanup_close int fd = open_kvm();

	assert_int_equal(vm_list_read_debugfs(&tree.root, fd, known, ret_list), 0);
}

static void test_list(void **state)
{
	struct vm_list list = {0};
	struct stat st;
	cleanup_free char *path = tree_path(&tree, TREE_KVM "/300-9");

	(void)state;
	read_list(NULL, &list);
	assert_int_equal(list.count, 0);
	vm_list_done(&list);

	tree_put(&tree, TREE_KVM "/exits", "1\n");
	tree_dir(&tree, TREE_KVM "/1000-5");
	tree_dir(&tree, TREE_KVM "/300-11");
	tree_dir(&tree, TREE_KVM "/300-9/vcpu0");
	tree_dir(&tree, TREE_KVM "/vcpu0");
	tree_dir(&tree, TREE_KVM "/not-a-vm");
	tree_process(&tree, 300, "qemu", "", 0);
	tree_process(&tree, 1000, "qemu", "", 0);
	read_list(NULL, &list);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.vms[0].tid, 300);
	assert_int_equal(list.vms[0].fd, 9);
	assert_int_equal(list.vms[0].pid, 300);
	assert_int_equal(list.vms[1].fd, 11);
	assert_int_equal(list.vms[2].tid, 1000);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(list.vms[0].inode, st.st_ino);
	vm_list_done(&list);
}

static void test_many(void **state)
{
	struct vm_list list = {0};
	int i;

	(void)state;
	for (i = 200; i > 0; i--) {
		char path[64];

		snprintf(path, sizeof(path), TREE_KVM "/%d-3", i);
		tree_dir(&tree, path);
	}
	read_list(NULL, &list);
	assert_int_equal(list.count, 200);
	for (i = 0; i < 200; i++)
		assert_int_equal(list.vms[i].tid, i + 1);
	vm_list_done(&list);
}

/* The thread that made the VM is one of several, lives no more, or was never seen. */
static void test_process(void **state)
{
	static const char link[] = "anon_inode:kvm-vm";
	struct vm_list list = {0};

	(void)state;
	tree_dir(&tree, TREE_KVM "/101-8");
	read_list(NULL, &list);
	assert_int_equal(list.vms[0].pid, 0);
	vm_list_done(&list);

	tree_process(&tree, 500, "qemu", "", 0);
	tree_link(&tree, "proc/500/fd/8", link);
	tree_link(&tree, "proc/500/fd/9", "anon_inode:kvm-vcpu:0");
	read_list(NULL, &list);
	assert_int_equal(list.vms[0].pid, 500);
	vm_list_done(&list);

	/* Two processes have such a descriptor: it tells nothing. */
	tree_process(&tree, 600, "qemu", "", 0);
	tree_link(&tree, "proc/600/fd/8", link);
	read_list(NULL, &list);
	assert_int_equal(list.vms[0].pid, 0);
	vm_list_done(&list);

	tree_thread(&tree, 700, 702);
	tree_put(&tree, TREE_KVM "/101-8/vcpu0/pid", "702\n");
	read_list(NULL, &list);
	assert_int_equal(list.vms[0].pid, 700);
	vm_list_done(&list);

	tree_thread(&tree, 100, 101);
	read_list(NULL, &list);
	assert_int_equal(list.vms[0].pid, 100);
	vm_list_done(&list);
}

static void test_descriptor_of_something_else(void **state)
{
	static const char *const targets[] = {
		"anon_inode:kvm-vcpu:0",
		"anon_inode:kvm-vm-stats",
		"anon_inode:kvm-v",
		"/dev/kvm",
		"anon_inode:kvm-vm/",
		"anon_inode:kvm-vmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm",
	};
	struct vm_list list = {0};
	size_t i;

	(void)state;
	tree_dir(&tree, TREE_KVM "/101-8");
	for (i = 0; i < array_size(targets); i++) {
		tree_link(&tree, "proc/500/fd/8", targets[i]);
		read_list(NULL, &list);
		assert_row(list.vms[0].pid == 0, targets[i]);
		vm_list_done(&list);
	}
}

static void test_hostile_vcpu_pid(void **state)
{
	static const char *const texts[] = {"", "-1\n", "0\n", "2147483648\n", "x\n", "999\n"};
	struct vm_list list = {0};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(texts); i++) {
		tree_put(&tree, TREE_KVM "/101-8/vcpu0/pid", texts[i]);
		read_list(NULL, &list);
		assert_row(list.vms[0].pid == 0, texts[i]);
		vm_list_done(&list);
	}
}

/* What is known is not asked again, unless a new VM took the name. */
static void test_known(void **state)
{
	struct vm_list first = {0}, second = {0};
	uint64_t inode;

	(void)state;
	tree_dir(&tree, TREE_KVM "/101-8");
	tree_thread(&tree, 100, 101);
	read_list(NULL, &first);
	assert_int_equal(first.vms[0].pid, 100);

	tree_delete(&tree, "proc/101");
	read_list(&first, &second);
	assert_int_equal(second.vms[0].pid, 100);
	vm_list_done(&second);

	/* The old directory lives on elsewhere, so that its inode cannot be used again. */
	inode = first.vms[0].inode;
	{
		cleanup_free char *from = tree_path(&tree, TREE_KVM "/101-8");
		cleanup_free char *to = tree_path(&tree, "old");

		assert_int_equal(rename(from, to), 0);
	}
	tree_dir(&tree, TREE_KVM "/101-8");
	read_list(&first, &second);
	assert_int_equal(second.count, 1);
	assert_true(second.vms[0].inode != inode);
	assert_int_equal(second.vms[0].pid, 0);
	vm_list_done(&second);
	vm_list_done(&first);
}

static void test_proc(void **state)
{
	struct vm_list list = {0};

	(void)state;
	tree_delete(&tree, "sys");
	assert_int_equal(vm_list_read(&tree.root, &list), -ENOENT);
	tree_link(&tree, "proc/300/fd/12", "anon_inode:kvm-vm");
	tree_link(&tree, "proc/300/fd/9", "anon_inode:kvm-vm");
	tree_link(&tree, "proc/300/fd/3", "anon_inode:kvm-vcpu:0");
	tree_link(&tree, "proc/50/fd/4", "anon_inode:kvm-vm");
	tree_link(&tree, "proc/self/fd/4", "anon_inode:kvm-vm");
	tree_dir(&tree, "proc/60/fd");
	tree_dir(&tree, "proc/70");
	assert_int_equal(vm_list_read(&tree.root, &list), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.vms[0].pid, 50);
	assert_int_equal(list.vms[1].pid, 300);
	assert_int_equal(list.vms[1].fd, 9);
	assert_int_equal(list.vms[2].fd, 12);
	vm_list_done(&list);
}

/* debugfs goes before /proc. */
static void test_prefers_debugfs(void **state)
{
	struct vm_list list = {0};

	(void)state;
	tree_link(&tree, "proc/300/fd/12", "anon_inode:kvm-vm");
	assert_int_equal(vm_list_read(&tree.root, &list), 0);
	assert_int_equal(list.count, 0);
	vm_list_done(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parse_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor_of_something_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_vcpu_pid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_proc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefers_debugfs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
