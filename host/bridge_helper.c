/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/bridge_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "host/text.h"

#define CONFIG_SIZE 65536

static const char *find_first(const struct host_root *root, const char *const *paths, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (host_exists(root, paths[i]))
			return paths[i];
	}
	return NULL;
}

/* Below a moved root the owner says nothing: a copy belongs to who made it. */
static bool is_privileged(const struct host_root *root, const char *path)
{
	cleanup_close int fd = host_open(root, path, O_PATH);
	cleanup_free char *name = text_format("/proc/self/fd/%d", fd);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	if ((st.st_mode & S_ISUID) && (st.st_uid == 0 || !root->real))
		return true;
	return name && getxattr(name, "security.capability", NULL, 0) > 0;
}

static void read_config(const struct host_root *root, struct bridge_helper *helper)
{
	cleanup_free char *text = malloc(CONFIG_SIZE);
	ssize_t length = text ? host_read(root, helper->config, text, CONFIG_SIZE) : -ENOMEM;
	char *line, *rest = text;

	if (length < 0) {
		helper->config_error = (int)length;
		return;
	}
	while ((line = strsep(&rest, "\n"))) {
		line += strspn(line, " \t");
		if (strncmp(line, "allow ", 6) == 0 || strncmp(line, "include ", 8) == 0)
			helper->allows_any = true;
	}
}

struct bridge_helper bridge_helper_find(const struct host_root *root)
{
	/* Debian and openSUSE; Fedora and RHEL; 64-bit directories of others; built by hand. */
	static const char *const helpers[] = {
		"/usr/lib/qemu/qemu-bridge-helper",
		"/usr/libexec/qemu-bridge-helper",
		"/usr/lib64/qemu/qemu-bridge-helper",
		"/usr/local/libexec/qemu-bridge-helper",
	};
	static const char *const configs[] = {"/etc/qemu/bridge.conf", "/etc/qemu-kvm/bridge.conf",
					      "/usr/local/etc/qemu/bridge.conf"};
	struct bridge_helper helper = {
		.path = find_first(root, helpers, array_size(helpers)),
		.config = find_first(root, configs, array_size(configs)),
	};

	if (helper.path)
		helper.is_privileged = is_privileged(root, helper.path);
	if (helper.config)
		read_config(root, &helper);
	return helper;
}
