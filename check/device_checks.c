/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices that guests use besides KVM. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "check/checks.h"
#include "host/iommu.h"
#include "host/module.h"
#include "host/text.h"

struct device {
	const char *name;   /* below /sys/class/misc */
	const char *node;   /* below /dev */
	const char *module; /* behind it */
	const char *use;    /* what goes without it */
};

static int warn_without_node(const struct device *device, struct result *result)
{
	int r = result_set(result, VERDICT_WARN, "no-device-node",
			   "the kernel has %s, but there is no /dev/%s here", device->name,
			   device->node);

	return r < 0 ? r : result_advise(result, "in a container, pass the device in");
}

static int warn_without_module(const struct device *device, enum module_state state, bool has_node,
			       struct result *result)
{
	int r;

	switch (state) {
	case MODULE_BLACKLISTED:
		r = result_set(
			result, VERDICT_WARN, "module-blacklisted",
			"the module %s is not loaded and this host forbids to load it: no %s",
			device->module, device->use);
		return r < 0 ? r : result_advise(result, "look for it in modprobe.d");
	case MODULE_TREE_MISSING:
		r = result_set(result, VERDICT_WARN, "module-missing",
			       "the module %s is not loaded, and there are none for the running "
			       "kernel: no %s",
			       device->module, device->use);
		return r < 0 ? r
			     : result_advise(result, "in a container, load it on its host; else "
						     "reboot, as an update may have removed them");
	case MODULE_MISSING:
		r = result_set(result, VERDICT_WARN, "module-missing",
			       "the running kernel has no module %s: no %s", device->module,
			       device->use);
		return r < 0 ? r
			     : result_advise(result,
					     "install the package with the kernel's modules");
	case MODULE_UNKNOWN:
		return result_set(result, VERDICT_UNKNOWN, "unreadable",
				  "the module %s is not loaded; whether it is installed cannot be "
				  "found out",
				  device->module);
	case MODULE_LOADED: /* and it made no device; the kernel's log would tell */
	case MODULE_LOADABLE:
		break;
	}
	r = result_set(result, VERDICT_WARN, "module-not-loaded", "the module %s is not loaded%s",
		       device->module,
		       has_node ? "; who may open the node makes the kernel load it" : "");
	return r < 0 ? r : result_advise(result, "run \"modprobe %s\" as root", device->module);
}

/*
 * Opens the node as its user would, and closes it again; access(2) knows nothing of device cgroups.
 * Its driver is there, so that no module is loaded by it. Returns 0 or a positive errno.
 */
static int try_open(const struct host_root *root, const char *node)
{
	cleanup_close int fd = host_open(root, node, O_RDWR | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -fd : 0;
}

static int warn_without_access(const char *node, int error, struct result *result)
{
	/* The file mode would be EACCES. */
	if (error == EPERM)
		return result_set(result, VERDICT_WARN, "device-cgroup",
				  "the device cgroup forbids %s: %s", node, strerror(error));
	if (error == EACCES)
		return result_set(result, VERDICT_WARN, "permission",
				  "this user may not open %s: %s", node, strerror(error));
	return result_set(result, VERDICT_WARN, "other", "%s cannot be opened: %s", node,
			  strerror(error));
}

/*
 * A node is no proof: static nodes are there before their modules. /sys/class/misc has the drivers,
 * those that are built in as well.
 */
static int check_device(const struct subject *subject, const struct device *device,
			struct result *result)
{
	cleanup_free char *node = text_format("/dev/%s", device->node);
	cleanup_free char *driver = text_format("sys/class/misc/%s", device->name);
	bool has_node;
	int error;

	if (!node || !driver)
		return -ENOMEM;
	has_node = host_exists(subject->root, node);
	if (!host_exists(subject->root, driver))
		return warn_without_module(device, module_state(subject->root, device->module),
					   has_node, result);
	if (!has_node)
		return warn_without_node(device, result);
	if (subject->is_asked && (error = try_open(subject->root, node)))
		return warn_without_access(node, error, result);
	return result_set(result, VERDICT_PASS, "ok", "%s is there, and its driver", node);
}

int check_vhost_net(const struct subject *subject, struct result *result)
{
	static const struct device device = {"vhost-net", "vhost-net", "vhost_net",
					     "fast network of guests"};

	return check_device(subject, &device, result);
}

int check_vhost_vsock(const struct subject *subject, struct result *result)
{
	static const struct device device = {"vhost-vsock", "vhost-vsock", "vhost_vsock",
					     "sockets between host and guests"};

	return check_device(subject, &device, result);
}

int check_tun(const struct subject *subject, struct result *result)
{
	static const struct device device = {"tun", "net/tun", "tun", "tap network of guests"};

	return check_device(subject, &device, result);
}

static int warn_without_iommu(const struct subject *subject, const struct iommu *iommu,
			      struct result *result)
{
	const char *machine = subject->machine ? subject->machine : "";
	int r;

	if (iommu->acpi_table)
		r = result_set(result, VERDICT_WARN, "iommu-off",
			       "the firmware describes an IOMMU (%s), but the kernel does not use "
			       "it: no devices can be given to guests",
			       iommu->acpi_table);
	else
		r = result_set(result, VERDICT_WARN, "no-iommu",
			       "there is no IOMMU, or the firmware hides it: no devices can be "
			       "given to guests");
	if (r < 0)
		return r;
	if (iommu->acpi_table && strcmp(iommu->acpi_table, "DMAR") == 0)
		return result_advise(result, "boot with \"intel_iommu=on\" if they shall");
	if (!iommu->acpi_table && (strcmp(machine, "x86_64") == 0 || strcmp(machine, "i386") == 0))
		return result_advise(result, "if they shall, look for VT-d, AMD-Vi or IOMMU in the "
					     "firmware's setup");
	return 0;
}

int check_iommu(const struct subject *subject, struct result *result)
{
	struct iommu iommu;
	int r = iommu_read(subject->root, &iommu);

	if (r < 0)
		return result_set_unreadable(result, "/sys", -r);
	if (iommu.groups == 0)
		return warn_without_iommu(subject, &iommu, result);
	/* Not all architectures list their IOMMUs as well. */
	return result_set(result, VERDICT_PASS, "ok", "devices can be given to guests: %d groups",
			  iommu.groups);
}

/* It is loaded by who gives a device to a guest; that it can be is enough. */
int check_vfio(const struct subject *subject, struct result *result)
{
	static const char *const module = "vfio_pci";
	static const struct device device = {"vfio", "vfio/vfio", "vfio_pci", "devices in guests"};

	enum module_state state = module_state(subject->root, module);

	switch (state) {
	case MODULE_LOADED:
		if (!host_exists(subject->root, "dev/vfio/vfio"))
			return warn_without_node(&device, result);
		return result_set(result, VERDICT_PASS, "ok", "%s is loaded or built in", module);
	case MODULE_LOADABLE:
		return result_set(result, VERDICT_PASS, "ok", "%s can be loaded when it is needed",
				  module);
	case MODULE_BLACKLISTED:
	case MODULE_MISSING:
	case MODULE_TREE_MISSING:
	case MODULE_UNKNOWN:
		break;
	}
	return warn_without_module(&device, state, false, result);
}
