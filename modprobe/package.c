/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/package.h"

#include <string.h>

#include "host/text.h"

#define OS_RELEASE_SIZE 16384

char *package_kernel_release(const struct host_root *root, const char *modules_dir)
{
	char release[128];

	if (modules_dir) {
		size_t length = strlen(modules_dir);
		const char *start;

		while (length > 1 && modules_dir[length - 1] == '/')
			length--;
		start = memrchr(modules_dir, '/', length);
		start = start ? start + 1 : modules_dir;
		return strndup(start, length - (size_t)(start - modules_dir));
	}
	if (host_read(root, "proc/sys/kernel/osrelease", release, sizeof(release)) <= 0)
		return NULL;
	release[strcspn(release, "\n")] = '\0';
	return strdup(release);
}

/* Whether the words of `key`=... in os-release have `word`. */
static bool has_id(const char *text, const char *key, const char *word)
{
	const char *line;
	size_t length = strlen(key), word_length = strlen(word);

	for (line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *p = line + length;

		if (strncmp(line, key, length) != 0)
			continue;
		while (*p && *p != '\n') {
			size_t end;

			p += strspn(p, "\"' ");
			end = strcspn(p, "\"' \n");
			if (end == word_length && memcmp(p, word, end) == 0)
				return true;
			p += end;
		}
	}
	return false;
}

static bool is_distribution(const char *text, const char *word)
{
	return has_id(text, "ID=", word) || has_id(text, "ID_LIKE=", word);
}

/* Debian's modules are all in one package; only the kernels for clouds lack some. */
static char *debian_package(const char *release)
{
	static const char cloud[] = "-cloud-";
	const char *found = release ? strstr(release, cloud) : NULL;

	if (found)
		return text_format("the package linux-image-%s and boot its kernel",
				   found + strlen(cloud));
	return strdup("a kernel of the distribution, which has them all, and boot it");
}

char *package_of_modules(const struct host_root *root, const char *release)
{
	char text[OS_RELEASE_SIZE] = "";

	if (host_read(root, "etc/os-release", text, sizeof(text)) < 0 &&
	    host_read(root, "usr/lib/os-release", text, sizeof(text)) < 0)
		*text = '\0';
	if (release && is_distribution(text, "ubuntu"))
		return text_format("the package linux-modules-extra-%s", release);
	if (is_distribution(text, "debian"))
		return debian_package(release);
	if (release && (is_distribution(text, "fedora") || is_distribution(text, "rhel")))
		return text_format("the package kernel-modules-%s", release);
	if (is_distribution(text, "suse") || is_distribution(text, "opensuse"))
		return strdup(
			"the package kernel-default, which kernel-default-base stands in for");
	return strdup("the package with the kernel's modules");
}
