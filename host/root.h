/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host as a file tree: /sys, /proc and /dev below a root that --sysroot can move. */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/cleanup.h"

/* An open root directory. `real` says that it is this host's own "/", not a fixture. */
struct host_root {
	int fd;
	bool real;
};

#define HOST_ROOT_NONE ((struct host_root){.fd = -1})

/* Opens `sysroot` (NULL: this host). Returns 0 or -errno; *ret_root is set on success only. */
int host_root_open(const char *sysroot, struct host_root *ret_root) must_check;

/* Closes the root; a root that was never opened is fine. */
void host_root_close(struct host_root *root);

/*
 * Opens `path` (a leading '/' is ignored) below the root with `flags` | O_CLOEXEC. Below a moved
 * root, symbolic links cannot lead out of it, and but for O_PATH only files and directories can be
 * opened: a device node there would be this host's. Returns the descriptor or -errno (-ENXIO: such
 * a node).
 */
int host_open(const struct host_root *root, const char *path, int flags) must_check;

/* As host_open(), for a directory. *ret_dir is closed with closedir(). Returns 0 or -errno. */
int host_opendir(const struct host_root *root, const char *path, DIR **ret_dir) must_check;

/* Opens `path`, which is no link, below `dirfd` to list it. Returns 0 or -errno. */
int host_opendir_at(int dirfd, const char *path, DIR **ret_dir) must_check;

/*
 * Takes the next entry of a directory, "." and ".." left out. Returns 1, 0 at the end, or -errno
 * (-ENOENT: the directory was removed meanwhile).
 */
int host_readdir(DIR *dir, struct dirent **ret_entry) must_check;

/* Whether `path` exists below the root, whatever it is. */
bool host_exists(const struct host_root *root, const char *path);

/*
 * Reads the whole file at `path`, which is no link, below `dirfd` into `buf` and ends it with
 * NUL. A file that does not fit is -EFBIG. Returns the length without the NUL, or -errno.
 */
ssize_t host_read_at(int dirfd, const char *path, char *buf, size_t size) must_check;

/* As host_read_at(), below the root. */
ssize_t host_read(const struct host_root *root, const char *path, char *buf,
		  size_t size) must_check;

/*
 * As host_read(), for files of one line: what begins at the first newline is cut off. Returns the
 * length of the line, or -errno.
 */
ssize_t host_read_line(const struct host_root *root, const char *path, char *buf,
		       size_t size) must_check;

/* How many entries a directory has. Returns the number or -errno. */
int host_count_entries(const struct host_root *root, const char *path) must_check;

/*
 * Reads a whole file of at most `limit` bytes into memory of its own (*ret_data, to be freed, with
 * a NUL behind it; files may hold NULs). Returns the length or -errno (-EFBIG over the limit).
 */
ssize_t host_read_alloc(int dirfd, const char *path, size_t limit, char **ret_data) must_check;

/*
 * Reads a file that holds one unsigned decimal number and perhaps a newline. Returns 0, -errno of
 * the read, or -EBADMSG when it holds anything else.
 */
int host_read_u64_at(int dirfd, const char *path, uint64_t *ret_value) must_check;
