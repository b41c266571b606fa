/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define USUAL_PATH    "/usr/local/bin:/usr/bin:/bin"
#define RHEL_EMULATOR "/usr/libexec/qemu-kvm"

char *emulator_name(const char *machine)
{
	/* Where the kernel's name of the machine is not QEMU's. */
	static const struct {
		const char *machine, *arch;
	} archs[] = {
		{"i386", "i386"}, {"i486", "i386"},     {"i586", "i386"},
		{"i686", "i386"}, {"ppc64le", "ppc64"},
	};
	const char *arch = machine;
	char *name;
	size_t i;

	for (i = 0; i < array_size(archs); i++) {
		if (strcmp(machine, archs[i].machine) == 0)
			arch = archs[i].arch;
	}
	return asprintf(&name, "qemu-system-%s", arch) < 0 ? NULL : name;
}

static bool is_this_program(const struct stat *st)
{
	struct stat self;

	return stat("/proc/self/exe", &self) == 0 && self.st_dev == st->st_dev &&
	       self.st_ino == st->st_ino;
}

/* Returns 0 for an emulator, -ENOENT for nothing or ourselves, or why it cannot be executed. */
static int check_candidate(const char *path)
{
	struct stat st;

	/* Nor is it known whether there is one in a directory that we may not enter. */
	if (stat(path, &st) < 0)
		return -ENOENT;
	if (is_this_program(&st))
		return -ENOENT;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, X_OK) < 0 ? -errno : 0;
}

/* Likewise for a copy of another host, on which nothing is executed. */
static int check_candidate_below(const struct host_root *root, const char *path)
{
	cleanup_close int fd = host_open(root, path, O_PATH);
	struct stat st;

	if (fd < 0)
		return fd == -EACCES ? fd : -ENOENT;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return st.st_mode & 0111 ? 0 : -EACCES;
}

/* Remembers the first candidate that is there and cannot be used, in case none can. */
static int try_candidate(const struct host_root *root, char *path, char **broken, int *broken_error,
			 char **ret_path)
{
	int r;

	if (!path)
		return -ENOMEM;
	r = root->real ? check_candidate(path) : check_candidate_below(root, path);
	if (r == 0) {
		*ret_path = path;
	} else if (r != -ENOENT && !*broken) {
		*broken = path;
		*broken_error = r;
	} else {
		free(path);
	}
	return r;
}

static char *join(const char *dir, size_t length, const char *name)
{
	char *path;

	return asprintf(&path, "%.*s/%s", (int)length, dir, name) < 0 ? NULL : path;
}

int emulator_find_below(const struct host_root *root, const char *name, const char *path,
			char **ret_path)
{
	cleanup_free char *broken = NULL;
	int broken_error = -ENOENT;
	int r = -ENOENT;
	const char *dir;

	for (dir = path ? path : USUAL_PATH; dir; dir = *dir ? dir + 1 : NULL) {
		size_t length = strcspn(dir, ":");

		/* A relative directory would mean another program in every directory. */
		if (*dir == '/') {
			r = try_candidate(root, join(dir, length, name), &broken, &broken_error,
					  ret_path);
			if (r == 0 || r == -ENOMEM)
				return r;
		}
		dir += length;
	}
	r = try_candidate(root, strdup(RHEL_EMULATOR), &broken, &broken_error, ret_path);
	if (r == 0 || r == -ENOMEM)
		return r;
	if (broken)
		*ret_path = take_ptr(broken);
	return broken_error;
}

int emulator_find(const char *name, const char *path, char **ret_path)
{
	/* Candidates of this host are absolute paths: no descriptor of the root is needed. */
	const struct host_root here = {.fd = -1, .real = true};

	return emulator_find_below(&here, name, path, ret_path);
}
