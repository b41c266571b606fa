/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kvm_device.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <pwd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "host/cpu.h"
#include "host/module.h"

#define KVM_MAJOR 10 /* misc */
#define KVM_MINOR 232

/* The groups of a user; NGROUPS_MAX of the kernel is 65536. */
#define GROUPS_MAX 65536

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

/* Why the kernel has no KVM to offer: the CPU, the firmware, the module, or only the node. */
static struct kvm_verdict why_no_kvm(const struct host_root *root, int error)
{
	struct kvm_verdict verdict = {.error = error};
	struct cpu_virtualisation cpu = cpu_virtualisation(root);
	enum module_state state;

	verdict.module = cpu.module;
	verdict.is_guest = cpu.is_guest;
	if (host_exists(root, "sys/class/misc/kvm")) {
		verdict.cause = KVM_CAUSE_NO_DEVICE_NODE;
	} else if (cpu.is_disabled) {
		verdict.cause = KVM_CAUSE_DISABLED_BY_FIRMWARE;
	} else if (!cpu.is_supported) {
		verdict.cause = KVM_CAUSE_NO_CPU_SUPPORT;
	} else {
		state = module_state(root, cpu.module);
		verdict.cause = cause_of_module(state);
		verdict.modules_gone = state == MODULE_TREE_MISSING;
	}
	return verdict;
}

/* Whether this user is in the group by the user database, whatever this session has. */
static bool database_has_user_in_group(gid_t gid)
{
	const struct passwd *user = getpwuid(getuid());
	cleanup_free gid_t *groups = NULL;
	int count = GROUPS_MAX;

	if (!user)
		return false;
	groups = calloc(GROUPS_MAX, sizeof(*groups));
	if (!groups || getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
		return false;
	while (count > 0) {
		if (groups[--count] == gid)
			return true;
	}
	return false;
}

static bool session_has_group(gid_t gid)
{
	cleanup_free gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
	int count = groups ? getgroups(GROUPS_MAX, groups) : 0;

	if (getegid() == gid)
		return true;
	while (count > 0) {
		if (groups[--count] == gid)
			return true;
	}
	return false;
}

static struct kvm_verdict why_no_access(const struct stat *st)
{
	struct kvm_verdict verdict = {.cause = KVM_CAUSE_PERMISSION,
				      .error = EACCES,
				      .has_owner = true,
				      .uid = st->st_uid,
				      .gid = st->st_gid,
				      .mode = st->st_mode};

	if ((st->st_mode & 0060) == 0060 && !session_has_group(st->st_gid) &&
	    database_has_user_in_group(st->st_gid))
		verdict.cause = KVM_CAUSE_GROUP_NOT_ACTIVE;
	return verdict;
}

static struct kvm_verdict why_not_opened(const struct host_root *root, const struct stat *st,
					 int error)
{
	switch (error) {
	case EACCES:
		return why_no_access(st);
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

static struct kvm_verdict ask_device(int fd)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);
	int vm;

	if (version < 0)
		return (struct kvm_verdict){.cause = KVM_CAUSE_NOT_A_KVM_DEVICE, .error = errno};
	if (version != KVM_API_VERSION)
		return (struct kvm_verdict){.cause = KVM_CAUSE_API_VERSION, .api_version = version};
	/* Another hypervisor that has the hardware shows only here. */
	vm = ioctl(fd, KVM_CREATE_VM, 0);
	if (vm < 0)
		return (struct kvm_verdict){
			.cause = errno == EBUSY ? KVM_CAUSE_BUSY : KVM_CAUSE_OTHER, .error = errno};
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
	if (!root->real)
		return (struct kvm_verdict){.cause = KVM_CAUSE_NONE};
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(KVM_MAJOR, KVM_MINOR))
		return (struct kvm_verdict){.cause = KVM_CAUSE_NOT_A_KVM_DEVICE};
	fd = host_open(root, "dev/kvm", O_RDWR);
	return fd < 0 ? why_not_opened(root, &st, -fd) : ask_device(fd);
}
