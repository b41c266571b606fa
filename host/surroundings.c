/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/surroundings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "host/cpu.h"
#include "host/mounts.h"

/* More environment than that no container manager gives its init. */
#define ENVIRONMENT_SIZE 65536
#define SYSINFO_SIZE     65536

static enum surroundings inside(char *ret_name, const char *name)
{
	snprintf(ret_name, SURROUNDINGS_NAME_SIZE, "%s", *name ? name : "unknown");
	return SURROUNDINGS_INSIDE;
}

/* "container=docker" in the environment of process 1, which only root can read. */
static enum surroundings container_by_environment(const struct host_root *root, char *ret_name)
{
	static const char key[] = "container=";
	cleanup_free char *environment = malloc(ENVIRONMENT_SIZE);
	ssize_t length;
	const char *p;

	if (!environment)
		return SURROUNDINGS_UNKNOWN;
	length = host_read(root, "proc/1/environ", environment, ENVIRONMENT_SIZE);
	if (length < 0)
		return SURROUNDINGS_UNKNOWN;
	for (p = environment; p < environment + length; p += strlen(p) + 1) {
		if (strncmp(p, key, sizeof(key) - 1) == 0)
			return inside(ret_name, p + sizeof(key) - 1);
	}
	return SURROUNDINGS_NONE;
}

/* Windows' kernel for Linux gives itself away by its release. */
static bool is_wsl(const struct host_root *root)
{
	char release[256];

	return host_read_line(root, "proc/sys/kernel/osrelease", release, sizeof(release)) > 0 &&
	       strcasestr(release, "microsoft");
}

/* The kernel's own number of the first PID namespace (PROC_PID_INIT_INO since Linux 3.8). */
static bool is_in_first_pid_namespace(const struct host_root *root)
{
	char target[64];
	ssize_t length = readlinkat(root->fd, "proc/self/ns/pid", target, sizeof(target) - 1);

	if (length < 0)
		return false;
	target[length] = '\0';
	return strcmp(target, "pid:[4026531836]") == 0;
}

enum surroundings surroundings_container(const struct host_root *root,
					 char ret_name[static SURROUNDINGS_NAME_SIZE])
{
	char name[SURROUNDINGS_NAME_SIZE];
	enum surroundings by_environment;

	/* systemd in the container says it to everybody. */
	if (host_read_line(root, "run/systemd/container", name, sizeof(name)) >= 0)
		return inside(ret_name, name);
	if (host_exists(root, "run/.containerenv"))
		return inside(ret_name, "podman");
	if (is_wsl(root))
		return inside(ret_name, "wsl");
	/* Docker's file is found on machines, too, whose file system was made from an image. */
	if (root->real && is_in_first_pid_namespace(root))
		return SURROUNDINGS_NONE;
	if (host_exists(root, ".dockerenv"))
		return inside(ret_name, "docker");
	by_environment = container_by_environment(root, ret_name);
	/* With systemd as process 1, no /run/systemd/container means none. */
	if (by_environment == SURROUNDINGS_UNKNOWN && host_exists(root, "run/systemd/system"))
		return SURROUNDINGS_NONE;
	return by_environment;
}

/* The maker that virtual firmware names; physical machines of clouds have the cloud's name too. */
static enum surroundings hypervisor_by_firmware(const struct host_root *root, char *ret_name)
{
	static const char *const vendors[] = {"QEMU", "VMware",    "innotek GmbH",
					      "Xen",  "Parallels", "Bochs"};
	char vendor[SURROUNDINGS_NAME_SIZE], product[SURROUNDINGS_NAME_SIZE];
	size_t i;

	if (host_read_line(root, "sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor)) < 0)
		vendor[0] = '\0';
	if (host_read_line(root, "sys/class/dmi/id/product_name", product, sizeof(product)) < 0)
		product[0] = '\0';
	for (i = 0; i < array_size(vendors); i++) {
		if (strncmp(vendor, vendors[i], strlen(vendors[i])) == 0)
			return inside(ret_name, vendors[i]);
	}
	if (strstr(product, "Virtual Machine"))
		return inside(ret_name, strcmp(product, "Virtual Machine") == 0 ? vendor : product);
	return SURROUNDINGS_NONE;
}

/* Of ARM, RISC-V and POWER. */
static enum surroundings hypervisor_by_device_tree(const struct host_root *root, char *ret_name)
{
	char compatible[SURROUNDINGS_NAME_SIZE];

	if (host_read_line(root, "proc/device-tree/hypervisor/compatible", compatible,
			   sizeof(compatible)) >= 0)
		return inside(ret_name, compatible);
	if (host_exists(root, "proc/device-tree/ibm,partition-name"))
		return inside(ret_name, "PowerVM");
	return SURROUNDINGS_NONE;
}

/* s390: "VM00 Control Program: z/VM    7.1.0" is the innermost of several. */
static enum surroundings hypervisor_by_sysinfo(const struct host_root *root, char *ret_name)
{
	static const char key[] = "VM00 Control Program:";
	cleanup_free char *text = malloc(SYSINFO_SIZE);
	char *name;
	size_t length;

	if (!text || host_read(root, "proc/sysinfo", text, SYSINFO_SIZE) < 0)
		return SURROUNDINGS_UNKNOWN;
	name = strstr(text, key);
	if (!name)
		return SURROUNDINGS_NONE;
	name += sizeof(key) - 1;
	name += strspn(name, " \t");
	name[strcspn(name, "\n")] = '\0';
	for (length = strlen(name); length > 0 && isspace((unsigned char)name[length - 1]);)
		name[--length] = '\0';
	return inside(ret_name, name);
}

enum surroundings surroundings_hypervisor(const struct host_root *root,
					  char ret_name[static SURROUNDINGS_NAME_SIZE])
{
	struct cpu_virtualisation cpu = {0};
	bool is_known = cpu_virtualisation(root, &cpu) == 0 && cpu.architecture;
	enum surroundings found = SURROUNDINGS_NONE;

	if (cpu.architecture && strcmp(cpu.architecture, "s390x") == 0)
		return hypervisor_by_sysinfo(root, ret_name);
	found = hypervisor_by_firmware(root, ret_name);
	if (found == SURROUNDINGS_NONE)
		found = hypervisor_by_device_tree(root, ret_name);
	if (found == SURROUNDINGS_NONE && cpu.is_guest)
		found = inside(ret_name, "unknown");
	if (found == SURROUNDINGS_NONE && !is_known)
		return SURROUNDINGS_UNKNOWN;
	return found;
}

bool surroundings_share_dev(const struct host_root *root)
{
	char name[SURROUNDINGS_NAME_SIZE];

	/* Windows is no host with a /dev: Linux there has the kernel to itself. */
	return surroundings_container(root, name) == SURROUNDINGS_INSIDE &&
	       strcmp(name, "wsl") != 0 && mounts_is_on_top(root, "devtmpfs", "/dev");
}
