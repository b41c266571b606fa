/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kvm_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "host/kernel.h"

#define KVM_MAJOR 10 /* misc */
#define KVM_MINOR 232

static const struct {
	const char *name, *text, *advice;
} causes[] = {
	[KVM_CAUSE_NONE] = {"usable", "KVM is usable", NULL},
	[KVM_CAUSE_NO_CPU_SUPPORT] =
		{"no-cpu-support", "this CPU offers no hardware virtualisation",
		 "enable VT-x or AMD-V in the firmware, or nested virtualisation on the outer host"},
	[KVM_CAUSE_MODULE_NOT_LOADED] = {"module-not-loaded", "the kvm modules are not loaded",
					 "load kvm_intel or kvm_amd with modprobe"},
	[KVM_CAUSE_NO_DEVICE_NODE] =
		{"no-device-node", "/dev/kvm does not exist",
		 "load the module of this CPU, or pass /dev/kvm into the container"},
	[KVM_CAUSE_NOT_A_KVM_DEVICE] = {"not-a-kvm-device", "/dev/kvm is not the KVM device",
					"remove it and let udev create it anew"},
	[KVM_CAUSE_PERMISSION] = {"permission", "this user may not open /dev/kvm",
				  "join the group that owns it and log in again"},
	[KVM_CAUSE_DEVICE_CGROUP] = {"device-cgroup", "the device cgroup forbids /dev/kvm",
				     "allow the device 10:232 for this container or service"},
	[KVM_CAUSE_BUSY] = {"busy", "another hypervisor uses the virtualisation hardware",
			    "stop it or unload its module"},
	[KVM_CAUSE_API_VERSION] = {"api-version", "the kernel speaks another KVM API version",
				   NULL},
	[KVM_CAUSE_OTHER] = {"other", "KVM does not work", NULL},
};

const char *kvm_cause_name(enum kvm_cause cause)
{
	return causes[cause].name;
}

const char *kvm_cause_text(enum kvm_cause cause)
{
	return causes[cause].text;
}

const char *kvm_cause_advice(enum kvm_cause cause)
{
	return causes[cause].advice;
}

static enum kvm_cause why_no_node(const struct host_root *root)
{
	if (kernel_has_module(root, "kvm_intel") || kernel_has_module(root, "kvm_amd"))
		return KVM_CAUSE_NO_DEVICE_NODE;
	if (kernel_cpu_has_flag(root, "vmx") || kernel_cpu_has_flag(root, "svm"))
		return KVM_CAUSE_MODULE_NOT_LOADED;
	return kernel_has_module(root, "kvm") ? KVM_CAUSE_NO_DEVICE_NODE : KVM_CAUSE_NO_CPU_SUPPORT;
}

static struct kvm_verdict verdict_of_open(const struct host_root *root, int error)
{
	switch (error) {
	case ENOENT:
		return (struct kvm_verdict){why_no_node(root), error};
	case EACCES:
		return (struct kvm_verdict){KVM_CAUSE_PERMISSION, error};
	case EPERM: /* the file mode would be EACCES: this is the cgroup's device controller */
		return (struct kvm_verdict){KVM_CAUSE_DEVICE_CGROUP, error};
	case ENODEV:
	case ENXIO:
		return (struct kvm_verdict){KVM_CAUSE_MODULE_NOT_LOADED, error};
	case EBUSY:
		return (struct kvm_verdict){KVM_CAUSE_BUSY, error};
	default:
		return (struct kvm_verdict){KVM_CAUSE_OTHER, error};
	}
}

static struct kvm_verdict ask_device(int fd)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);
	int vm;

	if (version < 0)
		return (struct kvm_verdict){KVM_CAUSE_NOT_A_KVM_DEVICE, errno};
	if (version != KVM_API_VERSION)
		return (struct kvm_verdict){KVM_CAUSE_API_VERSION, 0};
	vm = ioctl(fd, KVM_CREATE_VM, 0);
	if (vm < 0)
		return (struct kvm_verdict){errno == EBUSY ? KVM_CAUSE_BUSY : KVM_CAUSE_OTHER,
					    errno};
	close(vm);
	return (struct kvm_verdict){KVM_CAUSE_NONE, 0};
}

struct kvm_verdict kvm_device_probe(const struct host_root *root)
{
	cleanup_close int node = host_open(root, "dev/kvm", O_PATH);
	cleanup_close int fd = -1;
	struct stat st;

	if (node < 0)
		return verdict_of_open(root, -node);
	if (fstat(node, &st) < 0)
		return (struct kvm_verdict){KVM_CAUSE_OTHER, errno};
	if (!root->real)
		return (struct kvm_verdict){KVM_CAUSE_NONE, 0};
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(KVM_MAJOR, KVM_MINOR))
		return (struct kvm_verdict){KVM_CAUSE_NOT_A_KVM_DEVICE, 0};
	fd = host_open(root, "dev/kvm", O_RDWR);
	return fd < 0 ? verdict_of_open(root, -fd) : ask_device(fd);
}
