/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/checks.h"

#include <sys/utsname.h>

const struct check checks[] = {
	{"kvm", check_kvm},
	{"capabilities", check_capabilities},
	{"cpu", check_cpu},
	{"firmware", check_firmware},
	{"modules", check_modules},
	{"node", check_node},
	{"access", check_access},
	{"container", check_container},
	{"virtual-machine", check_virtual_machine},
	{"nested", check_nested},
	{"vhost-net", check_vhost_net},
	{"vhost-vsock", check_vhost_vsock},
	{"tun", check_tun},
	{"bridge-helper", check_bridge_helper},
	{"iommu", check_iommu},
	{"vfio", check_vfio},
	{"huge-pages", check_huge_pages},
	{"ksm", check_ksm},
	{"lockdown", check_lockdown},
	{"emulator", check_emulator},
	{"launcher", check_launcher},
	{"libvirt", check_libvirt},
};

const size_t check_count = array_size(checks);

int checks_run(const struct host_root *root, struct result *results)
{
	struct subject subject = {.root = root,
				  .cpu = {.module = "kvm"},
				  .kvm = kvm_device_probe(root),
				  .is_asked = root->real};
	struct utsname host;
	size_t i;
	int r = 0;

	subject.knows_cpu = cpu_virtualisation(root, &subject.cpu) == 0 && subject.cpu.architecture;
	subject.machine = subject.cpu.architecture;
	if (root->real && uname(&host) == 0)
		subject.machine = host.machine;
	for (i = 0; r == 0 && i < check_count; i++) {
		results[i].name = checks[i].name;
		r = checks[i].run(&subject, &results[i]);
	}
	return r;
}

bool results_are_usable(const struct result *results)
{
	size_t i;

	for (i = 0; i < check_count; i++) {
		bool is_unknown = checks[i].run == check_kvm &&
				  results[i].verdict == VERDICT_UNKNOWN;

		if (results[i].verdict == VERDICT_FAIL || is_unknown)
			return false;
	}
	return true;
}
