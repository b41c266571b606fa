/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include "host/kvm_uevent.h"

static void test_interpret(void **state)
{
	static const struct {
		const char *name;
		struct kvm_uevent_properties properties;
		bool result;
		struct kvm_uevent event;
	} rows[] = {
		{"create",
		 {"kvm", "change", "create", "4711", "3"},
		 true,
		 {KVM_UEVENT_VM_CREATED, 4711, 3}},
		{"destroy",
		 {"kvm", "change", "destroy", "1", "0"},
		 true,
		 {KVM_UEVENT_VM_DESTROYED, 1, 0}},
		{"old kernel",
		 {"kvm", "change", "create", NULL, NULL},
		 true,
		 {KVM_UEVENT_VM_CREATED, 0, -1}},
		{"loaded",
		 {"kvm", "add", NULL, NULL, NULL},
		 true,
		 {KVM_UEVENT_DEVICE_ADDED, 0, -1}},
		{"unloaded",
		 {"kvm", "remove", NULL, NULL, NULL},
		 true,
		 {KVM_UEVENT_DEVICE_REMOVED, 0, -1}},
		{"bad numbers",
		 {"kvm", "change", "create", "-1", "0x1"},
		 true,
		 {KVM_UEVENT_VM_CREATED, 0, -1}},
		{"large numbers",
		 {"kvm", "change", "create", "2147483648", "9223372036854775808"},
		 true,
		 {KVM_UEVENT_VM_CREATED, 0, -1}},
		{"trigger", {"kvm", "change", NULL, NULL, NULL}, false, {0}},
		{"other event", {"kvm", "change", "created", "1", "1"}, false, {0}},
		{"other device", {"kvmx", "change", "create", "1", "1"}, false, {0}},
		{"nothing", {NULL, NULL, NULL, NULL, NULL}, false, {0}},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct kvm_uevent event = {0};
		bool result = kvm_uevent_interpret(&rows[i].properties, &event);

		assert_row(result == rows[i].result, rows[i].name);
		assert_row(event.kind == rows[i].event.kind, rows[i].name);
		assert_row(event.tid == rows[i].event.tid, rows[i].name);
		assert_row(event.count == rows[i].event.count, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interpret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
