/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks: a table of names and functions. */
#pragma once

#include "check/result.h"
#include "host/cpu.h"
#include "host/kvm_device.h"

/* What several checks rest on; found out once. */
struct subject {
	const struct host_root *root;
	const char *machine; /* as uname(2) has it; NULL: a copy of a host does not tell */
	bool knows_cpu;      /* /proc/cpuinfo names a CPU that is known */
	struct cpu_virtualisation cpu;
	struct kvm_verdict kvm;
	bool is_asked; /* /dev/kvm was opened, it is not just a copy of a host */
};

/*
 * Finds out about one thing and fills `result`, whose name is set. Returns 0 or -ENOMEM: what it
 * could not find out is a result as well.
 */
typedef int (*check_function)(const struct subject *subject, struct result *result);

struct check {
	const char *name;
	check_function run;
};

extern const struct check checks[];
extern const size_t check_count;

/* Runs all checks into `results`, of which there are check_count. Returns 0 or -ENOMEM. */
int checks_run(const struct host_root *root, struct result *results) must_check;

/* Whether KVM can be used by this user: no check has failed, and KVM is no unknown. */
bool results_are_usable(const struct result *results);

/* kvm_checks.c */
int check_kvm(const struct subject *subject, struct result *result);
int check_capabilities(const struct subject *subject, struct result *result);
int check_cpu(const struct subject *subject, struct result *result);
int check_firmware(const struct subject *subject, struct result *result);
int check_modules(const struct subject *subject, struct result *result);
int check_node(const struct subject *subject, struct result *result);
int check_access(const struct subject *subject, struct result *result);

/* system_checks.c */
int check_container(const struct subject *subject, struct result *result);
int check_virtual_machine(const struct subject *subject, struct result *result);
int check_nested(const struct subject *subject, struct result *result);
int check_huge_pages(const struct subject *subject, struct result *result);
int check_ksm(const struct subject *subject, struct result *result);
int check_lockdown(const struct subject *subject, struct result *result);

/* device_checks.c */
int check_vhost_net(const struct subject *subject, struct result *result);
int check_vhost_vsock(const struct subject *subject, struct result *result);
int check_tun(const struct subject *subject, struct result *result);
int check_iommu(const struct subject *subject, struct result *result);
int check_vfio(const struct subject *subject, struct result *result);

/* software_checks.c */
int check_bridge_helper(const struct subject *subject, struct result *result);
int check_emulator(const struct subject *subject, struct result *result);
int check_launcher(const struct subject *subject, struct result *result);
int check_libvirt(const struct subject *subject, struct result *result);
