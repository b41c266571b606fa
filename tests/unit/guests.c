/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "kvm_stat/guests.h"
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

static void put_guest(pid_t pid, const char *name)
{
	char path[64], cmdline[64];
	int length = snprintf(cmdline, sizeof(cmdline), "qemu%c-name%c%s", 0, 0, name);

	tree_process(&tree, pid, "qemu-kvm", cmdline, (size_t)length + 1);
	snprintf(path, sizeof(path), TREE_KVM "/%d-9", (int)pid);
	tree_dir(&tree, path);
}

/* By process, each once, with names that are safe and the bytes that they come from. */
static void test_list(void **state)
{
	struct guests guests = {0};

	(void)state;
	put_guest(300, "web");
	put_guest(20, "a\033b");
	tree_dir(&tree, TREE_KVM "/300-12");
	tree_thread(&tree, 20, 25);
	tree_dir(&tree, TREE_KVM "/25-10");
	tree_dir(&tree, TREE_KVM "/77-3"); /* of a thread that is gone */
	assert_int_equal(guests_update(&tree.root, &guests), 0);
	assert_int_equal(guests.count, 3);
	assert_int_equal(guests.list[0].pid, 20);
	assert_string_equal(guests.list[0].name, "a\\x1bb");
	assert_string_equal(guests.list[0].raw_name, "a\033b");
	assert_int_equal(guests.list[1].pid, 77);
	assert_string_equal(guests.list[1].name, "vm-77-3");
	assert_string_equal(guests.list[2].name, "web");

	tree_delete(&tree, TREE_KVM "/300-9");
	tree_delete(&tree, TREE_KVM "/300-12");
	tree_delete(&tree, TREE_KVM "/77-3");
	assert_int_equal(guests_update(&tree.root, &guests), 0);
	assert_int_equal(guests.count, 1);
	guests_done(&guests);
	assert_int_equal(guests.count, 0);
	guests_done(&guests);
}

/* A process that ends loses its command line first, and then its entry, before its VM is gone. */
static void test_name_while_it_ends(void **state)
{
	struct guests guests = {0}, fresh = {0};

	(void)state;
	put_guest(20, "web");
	assert_int_equal(guests_update(&tree.root, &guests), 0);
	tree_put(&tree, "proc/20/cmdline", "");
	assert_int_equal(guests_update(&tree.root, &guests), 0);
	assert_string_equal(guests.list[0].name, "web");
	assert_int_equal(guests_update(&tree.root, &fresh), 0);
	assert_string_equal(fresh.list[0].name, "qemu-kvm-20");
	tree_delete(&tree, "proc/20");
	assert_int_equal(guests_update(&tree.root, &guests), 0);
	assert_string_equal(guests.list[0].name, "web");
	/* Another one of its number is another guest. */
	put_guest(20, "db");
	assert_int_equal(guests_update(&tree.root, &guests), 0);
	assert_int_equal(guests.count, 1);
	assert_string_equal(guests.list[0].name, "db");
	guests_done(&guests);
	guests_done(&fresh);
}

static void test_find(void **state)
{
	struct guests guests = {0};
	pid_t pid = 0;

	(void)state;
	assert_null(guests_find_pid(&guests, 1));
	assert_int_equal(guests_find_name(&guests, "web", &pid), 0);
	put_guest(20, "web");
	put_guest(30, "web");
	put_guest(40, "web2");
	put_guest(50, "a\033b");
	assert_int_equal(guests_update(&tree.root, &guests), 0);
	assert_int_equal(guests_find_pid(&guests, 30)->pid, 30);
	assert_null(guests_find_pid(&guests, 3));
	assert_null(guests_find_pid(&guests, 31));
	assert_int_equal(guests_find_name(&guests, "we", &pid), 0);
	assert_int_equal(pid, 0);
	assert_int_equal(guests_find_name(&guests, "web", &pid), 2);
	assert_int_equal(pid, 20);
	assert_int_equal(guests_find_name(&guests, "web2", &pid), 1);
	assert_int_equal(pid, 40);
	assert_int_equal(guests_find_name(&guests, "a\033b", &pid), 1);
	assert_int_equal(guests_find_name(&guests, "a\\x1bb", &pid), 0);
	guests_done(&guests);
}

static void test_check_pid(void **state)
{
	pid_t process = 0;

	(void)state;
	put_guest(20, "web");
	tree_thread(&tree, 20, 25);
	assert_int_equal(guests_check_pid(&tree.root, 20, NULL), 0);
	assert_int_equal(guests_check_pid(&tree.root, 20, &process), 0);
	assert_int_equal(process, 20);
	assert_int_equal(guests_check_pid(&tree.root, 25, &process), -EINVAL);
	assert_int_equal(process, 20);
	assert_int_equal(guests_check_pid(&tree.root, 2, &process), -ESRCH);
	assert_int_equal(guests_check_pid(&tree.root, 200, &process), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_name_while_it_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_check_pid, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
