/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include "kvm_stat/running_vms.h"
#include "tests/unit/tree.h"

/* Those that have no process are listed by debugfs alone. */
#define ONE_VM TREE_KVM "/300-9"
#define OTHER  TREE_KVM "/400-9"

static struct tree tree;

static void assert_only(struct running_vms *vms, pid_t tid)
{
	assert_int_equal(running_vms_update(vms, false), 0);
	assert_int_equal(vms->list.count, tid ? 1 : 0);
	if (tid)
		assert_int_equal(vms->list.vms[0].tid, tid);
}

/* KVM's directory goes and comes with the module for the CPU, also while VMs are counted. */
static void test_directory_comes_and_goes(void **state)
{
	struct running_vms vms;

	(void)state;
	tree_make(&tree);
	tree_dir(&tree, "proc");
	running_vms_open(&vms, &tree.root);
	assert_only(&vms, 0);
	tree_dir(&tree, ONE_VM);
	assert_only(&vms, 300);
	tree_delete(&tree, ONE_VM);
	tree_delete(&tree, TREE_KVM);
	tree_dir(&tree, OTHER);
	assert_only(&vms, 400);
	tree_delete(&tree, OTHER);
	tree_delete(&tree, TREE_KVM);
	assert_int_equal(running_vms_update(&vms, true), 0);
	assert_int_equal(vms.list.count, 0);
	tree_dir(&tree, ONE_VM);
	assert_only(&vms, 300);
	running_vms_done(&vms);
	tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory_comes_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
