/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <string.h>

/* The table of mounts, or NULL where it cannot be read. */
static FILE *open_table(const struct host_root *root)
{
	int fd = host_open(root, "proc/mounts", O_RDONLY);
	FILE *table = fd < 0 ? NULL : fdopen(fd, "re");

	if (fd >= 0 && !table)
		close(fd);
	return table;
}

bool mounts_is_on_top(const struct host_root *root, const char *type, const char *dir)
{
	cleanup_fclose FILE *mounts = open_table(root);
	struct mntent entry;
	char buf[4096];
	bool found = false;

	while (mounts && getmntent_r(mounts, &entry, buf, sizeof(buf))) {
		if (strcmp(entry.mnt_dir, dir) == 0)
			found = strcmp(entry.mnt_type, type) == 0;
	}
	return found;
}

/* Opens DIR/BELOW; the name that was tried is left in *ret_path. */
static int open_below(const struct host_root *root, const char *dir, const char *below,
		      char **ret_path)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, below) < 0)
		return -ENOMEM;
	fd = host_open(root, path, O_RDONLY | O_DIRECTORY);
	free(*ret_path);
	*ret_path = path;
	return fd;
}

/*
 * The kernel writes the type into /proc/mounts itself: unlike the device name, which older
 * versions of kvm_stat trusted, no user's FUSE mount can claim to be a debugfs.
 */
static bool is_mounted_at(const struct host_root *root, const char *type, const char *dir,
			  bool *ret_known)
{
	cleanup_fclose FILE *mounts = open_table(root);
	struct mntent entry;
	char buf[4096];
	bool found = false;

	*ret_known = mounts != NULL;
	while (mounts && !found && getmntent_r(mounts, &entry, buf, sizeof(buf)))
		found = strcmp(entry.mnt_type, type) == 0 && strcmp(entry.mnt_dir, dir) == 0;
	return found;
}

static int open_first(const struct host_root *root, const char *type, const char *usual,
		      const char *below, int first_error, char **ret_path)
{
	cleanup_fclose FILE *mounts = open_table(root);
	struct mntent entry;
	char buf[4096];

	while (mounts && getmntent_r(mounts, &entry, buf, sizeof(buf))) {
		cleanup_free char *tried = NULL;
		int fd;

		if (strcmp(entry.mnt_type, type) || strcmp(entry.mnt_dir, usual) == 0)
			continue;
		fd = open_below(root, entry.mnt_dir, below, &tried);
		if (fd >= 0 || first_error == -ENODEV) {
			free(*ret_path);
			*ret_path = take_ptr(tried);
			if (fd >= 0)
				return fd;
			first_error = fd;
		}
	}
	return first_error;
}

int mounts_open(const struct host_root *root, const char *type, const char *usual,
		const char *below, char **ret_path)
{
	cleanup_free char *path = NULL;
	bool known;
	int fd = -ENODEV;

	if (is_mounted_at(root, type, usual, &known) || (!known && !root->real)) {
		fd = open_below(root, usual, below, &path);
		if (!known && fd == -ENOENT && !host_exists(root, usual))
			fd = -ENODEV;
	}
	if (fd < 0)
		fd = open_first(root, type, usual, below, fd, &path);
	if (ret_path)
		*ret_path = path ? take_ptr(path) : strdup(usual);
	return fd;
}

int mounts_open_debugfs(const struct host_root *root, const char *below, char **ret_path)
{
	return mounts_open(root, "debugfs", "/sys/kernel/debug", below, ret_path);
}

int mounts_open_tracefs(const struct host_root *root, const char *below, char **ret_path)
{
	cleanup_free char *path = NULL;
	cleanup_free char *in_debugfs = NULL;
	int debugfs_fd;
	int fd = mounts_open(root, "tracefs", "/sys/kernel/tracing", below, &path);

	if (fd == -ENODEV) {
		if (asprintf(&in_debugfs, "tracing/%s", below) < 0)
			return -ENOMEM;
		free(path);
		path = NULL;
		debugfs_fd = mounts_open_debugfs(root, in_debugfs, &path);
		if (debugfs_fd >= 0 || (debugfs_fd != -ENODEV && debugfs_fd != -ENOENT)) {
			fd = debugfs_fd;
		} else {
			free(path);
			path = strdup("/sys/kernel/tracing");
		}
	}
	if (ret_path)
		*ret_path = take_ptr(path);
	return fd;
}
