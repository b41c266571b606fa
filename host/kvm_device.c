/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kvm_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "host/account.h"
#include "host/cpu.h"
#include "host/surroundings.h"

#define KVM_MAJOR 10 /* misc */
#define KVM_MINOR 232

#define CREATE_TRIES 100

static enum kvm_cause cause_of_module(enum module_state state)
{
	switch (state) {
	case MODULE_LOADED: /* and it found no hardware that it could use */
		return KVM_CAUSE_NO_CPU_SUPPORT;
	case MODULE_BLACKLISTED:
		return KVM_CAUSE_MODULE_BLACKLISTED;
	case MODULE_MISSING:
	case MODULE_TREE_MISSING:
		return KVM_CAUSE_MODULE_MISSING;
	case MODULE_LOADABLE:
	case MODULE_UNKNOWN:
		break;
	}
	return KVM_CAUSE_MODULE_NOT_LOADED;
}

static bool is_container(const struct host_root *root)
{
	char name[SURROUNDINGS_NAME_SIZE];

	return surroundings_container(root, name) == SURROUNDINGS_INSIDE;
}

static bool has_modules_of_any_kernel(const struct host_root *root)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;

	return host_opendir(root, "lib/modules", &dir) == 0 && host_readdir(dir, &entry) > 0;
}

struct kvm_verdict kvm_module_verdict(const struct host_root *root, const char *module,
				      enum module_state state)
{
	return (struct kvm_verdict){
		.cause = cause_of_module(state),
		.module = module,
		.is_container = is_container(root),
		.is_monolithic = !host_exists(root, "proc/modules") && state != MODULE_LOADABLE,
		.modules_are_old = state == MODULE_TREE_MISSING && has_modules_of_any_kernel(root),
	};
}

/* Why the kernel has no KVM to offer: the CPU, the firmware, the module, or only the node. */
static struct kvm_verdict why_no_kvm(const struct host_root *root, int error)
{
	struct kvm_verdict verdict = {.error = error, .is_container = is_container(root)};
	struct cpu_virtualisation cpu;

	if (host_exists(root, "sys/class/misc/kvm")) {
		verdict.cause = KVM_CAUSE_NO_DEVICE_NODE;
		return verdict;
	}
	if (!host_exists(root, "sys/class") || cpu_virtualisation(root, &cpu) < 0) {
		verdict.cause = KVM_CAUSE_OTHER;
		verdict.is_blind = true;
		return verdict;
	}
	if (cpu.is_supported && !cpu.is_disabled) {
		verdict = kvm_module_verdict(root, cpu.module, module_state(root, cpu.module));
		verdict.error = error;
	} else {
		verdict.cause = cpu.is_disabled ? KVM_CAUSE_DISABLED_BY_FIRMWARE
						: KVM_CAUSE_NO_CPU_SUPPORT;
	}
	verdict.is_x86 = cpu.is_x86;
	verdict.is_guest = cpu.is_guest;
	return verdict;
}

/* Only for this host: who may open its node depends on who asks. */
static struct kvm_verdict why_no_access(const struct host_root *root, const struct stat *st)
{
	struct kvm_verdict verdict = {.cause = KVM_CAUSE_PERMISSION,
				      .error = EACCES,
				      .is_container = is_container(root),
				      .has_owner = true,
				      .uid = st->st_uid,
				      .gid = st->st_gid,
				      .mode = st->st_mode};

	/* The mount option nodev and security modules refuse with the same error, but only open(). */
	verdict.is_mode_enough = faccessat(root->fd, "dev/kvm", R_OK | W_OK, AT_EACCESS) == 0;
	if (!verdict.is_mode_enough && (st->st_mode & 0060) == 0060 &&
	    !account_process_has_group(st->st_gid) && account_database_has_group(st->st_gid))
		verdict.cause = KVM_CAUSE_GROUP_NOT_ACTIVE;
	return verdict;
}

static struct kvm_verdict why_not_opened(const struct host_root *root, const struct stat *st,
					 int error)
{
	switch (error) {
	case EACCES:
		return why_no_access(root, st);
	case EPERM: /* the file mode would be EACCES: this is the cgroup's device controller */
		return (struct kvm_verdict){.cause = KVM_CAUSE_DEVICE_CGROUP, .error = error};
	case ENOENT:
	case ENODEV: /* a static node whose module is not there */
	case ENXIO:
		return why_no_kvm(root, error);
	case EBUSY:
		return (struct kvm_verdict){.cause = KVM_CAUSE_BUSY, .error = error};
	default:
		return (struct kvm_verdict){.cause = KVM_CAUSE_OTHER, .error = error};
	}
}

/* Makes a VM as QEMU does. Returns its descriptor or -errno. */
static int create_vm(int fd)
{
	/* Of arm64 the type is the size of the guest's addresses, of which 0 means 40 bits; there are
	 * CPUs with less. Others do not have the capability. */
	int size = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
	int vm, tries;

	/* EINTR: a signal was pending, as of a frozen cgroup. */
	for (tries = 0; tries < CREATE_TRIES; tries++) {
		vm = ioctl(fd, KVM_CREATE_VM, size > 0 ? size : 0);
		if (vm >= 0)
			return vm;
		if (errno != EINTR)
			return -errno;
	}
	return -EINTR;
}

static struct kvm_verdict ask_device(int fd)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);
	int vm;

	if (version < 0)
		return (struct kvm_verdict){.cause = KVM_CAUSE_NOT_A_KVM_DEVICE, .error = errno};
	if (version != KVM_API_VERSION)
		return (struct kvm_verdict){.cause = KVM_CAUSE_API_VERSION, .api_version = version};
	/* Another hypervisor that has the hardware shows only here. */
	vm = create_vm(fd);
	if (vm == -EBUSY)
		return (struct kvm_verdict){.cause = KVM_CAUSE_BUSY, .error = EBUSY};
	if (vm < 0)
		return (struct kvm_verdict){.cause = KVM_CAUSE_OTHER, .error = -vm};
	close(vm);
	return (struct kvm_verdict){.cause = KVM_CAUSE_NONE};
}

struct kvm_verdict kvm_device_probe(const struct host_root *root)
{
	cleanup_close int node = host_open(root, "dev/kvm", O_PATH);
	cleanup_close int fd = -1;
	struct stat st;

	if (node == -ENOENT)
		return why_no_kvm(root, ENOENT);
	if (node < 0)
		return (struct kvm_verdict){.cause = KVM_CAUSE_OTHER, .error = -node};
	if (fstat(node, &st) < 0)
		return (struct kvm_verdict){.cause = KVM_CAUSE_OTHER, .error = errno};
	/* Below a moved root any file stands for the device: trees can be made without root. */
	if (!root->real) {
		if (host_exists(root, "sys/class/misc") && !host_exists(root, "sys/class/misc/kvm"))
			return why_no_kvm(root, ENODEV);
		return (struct kvm_verdict){.cause = KVM_CAUSE_NONE};
	}
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(KVM_MAJOR, KVM_MINOR))
		return (struct kvm_verdict){.cause = KVM_CAUSE_NOT_A_KVM_DEVICE};
	fd = host_open(root, "dev/kvm", O_RDWR);
	return fd < 0 ? why_not_opened(root, &st, -fd) : ask_device(fd);
}

int kvm_device_check_extensions(const struct host_root *root, const int *extensions, size_t count,
				int *ret_values)
{
	cleanup_close int fd = -1;
	size_t i;

	if (!root->real)
		return -EOPNOTSUPP;
	fd = host_open(root, "dev/kvm", O_RDWR);
	if (fd < 0)
		return fd;
	for (i = 0; i < count; i++) {
		int value = ioctl(fd, KVM_CHECK_EXTENSION, extensions[i]);

		if (value < 0)
			return -errno;
		ret_values[i] = value;
	}
	return 0;
}
