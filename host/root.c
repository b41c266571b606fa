/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "host/number.h"

int host_root_open(const char *sysroot, struct host_root *ret_root)
{
	int fd = open(sysroot ? sysroot : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_root = (struct host_root){.fd = fd, .real = !sysroot};
	return 0;
}

void host_root_close(struct host_root *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}

static const char *relative(const char *path)
{
	path += strspn(path, "/");
	return *path ? path : ".";
}

/* Opens what an O_PATH descriptor stands for, if that can neither wait nor be this host's. */
static int reopen_plain(int node, int flags)
{
	char path[sizeof("/proc/self/fd/") + 11];
	struct stat st;
	int fd;

	if (fstat(node, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -ENXIO;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * Fixtures are other machines' trees: their absolute links mean that machine, and a device node
 * that was copied along would be this host's device.
 */
static int open_in_tree(const struct host_root *root, const char *path, int flags)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	int node, fd;

	how.flags |= (unsigned int)flags & (O_NOFOLLOW | O_DIRECTORY);
	node = (int)syscall(SYS_openat2, root->fd, relative(path), &how, sizeof(how));
	if (node < 0)
		return -errno;
	if (flags & O_PATH)
		return node;
	fd = reopen_plain(node, flags & ~O_NOFOLLOW);
	close(node);
	return fd;
}

int host_open(const struct host_root *root, const char *path, int flags)
{
	int fd;

	if (!root->real)
		return open_in_tree(root, path, flags);
	fd = openat(root->fd, relative(path), flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int opendir_fd(int fd, DIR **ret_dir)
{
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		int error = -errno;

		close(fd);
		return error;
	}
	*ret_dir = dir;
	return 0;
}

int host_opendir(const struct host_root *root, const char *path, DIR **ret_dir)
{
	return opendir_fd(host_open(root, path, O_RDONLY | O_DIRECTORY), ret_dir);
}

int host_opendir_at(int dirfd, const char *path, DIR **ret_dir)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return opendir_fd(fd < 0 ? -errno : fd, ret_dir);
}

int host_readdir(DIR *dir, struct dirent **ret_entry)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
	} while (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	*ret_entry = entry;
	return 1;
}

bool host_exists(const struct host_root *root, const char *path)
{
	cleanup_close int fd = host_open(root, path, O_PATH);

	return fd >= 0;
}

static ssize_t read_to_end(int fd, char *buf, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = read(fd, buf + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

static ssize_t read_fd(int fd, char *buf, size_t size)
{
	ssize_t length;

	if (fd < 0)
		return fd;
	length = read_to_end(fd, buf, size);
	if (length < 0)
		return length;
	if ((size_t)length == size)
		return -EFBIG;
	buf[length] = '\0';
	return length;
}

/*
 * O_NONBLOCK: whatever stands under the name (a FIFO in a hostile tree), opening it never waits.
 * Files of /proc, /sys and debugfs do not care.
 */
#define READ_FLAGS (O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
/* Below an open directory of /proc, debugfs or tracefs there are no links to follow. */
#define READ_AT_FLAGS (READ_FLAGS | O_NOFOLLOW)

ssize_t host_read_at(int dirfd, const char *path, char *buf, size_t size)
{
	cleanup_close int fd = openat(dirfd, path, READ_AT_FLAGS);

	return read_fd(fd < 0 ? -errno : fd, buf, size);
}

ssize_t host_read(const struct host_root *root, const char *path, char *buf, size_t size)
{
	cleanup_close int fd = host_open(root, path, READ_FLAGS);

	return read_fd(fd, buf, size);
}

ssize_t host_read_line(const struct host_root *root, const char *path, char *buf, size_t size)
{
	ssize_t length = host_read(root, path, buf, size);

	if (length < 0)
		return length;
	buf[strcspn(buf, "\n")] = '\0';
	return (ssize_t)strlen(buf);
}

int host_count_entries(const struct host_root *root, const char *path)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int count = 0;
	int r = host_opendir(root, path, &dir);

	while (dir && (r = host_readdir(dir, &entry)) > 0)
		count++;
	return r < 0 ? r : count;
}

ssize_t host_read_alloc(int dirfd, const char *path, size_t limit, char **ret_data)
{
	cleanup_close int fd = openat(dirfd, path, READ_AT_FLAGS);
	cleanup_free char *data = NULL;
	size_t room = 0, length = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;
		char *grown;

		if (length == room) {
			if (room > limit)
				return -EFBIG;
			room = room ? room * 2 : 4096;
			grown = realloc(data, room + 1);
			if (!grown)
				return -ENOMEM;
			data = grown;
		}
		n = read_to_end(fd, data + length, room - length);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	if (length > limit)
		return -EFBIG;
	data[length] = '\0';
	*ret_data = take_ptr(data);
	return (ssize_t)length;
}

int host_read_u64_at(int dirfd, const char *path, uint64_t *ret_value)
{
	cleanup_close int fd = openat(dirfd, path, READ_AT_FLAGS);
	char buf[32]; /* 20 digits, a newline and the NUL */
	ssize_t length;

	if (fd < 0)
		return -errno;
	/* Once: the kernel hands out such a file whole, and a sample reads thousands of them. */
	do {
		length = read(fd, buf, sizeof(buf));
	} while (length < 0 && errno == EINTR);
	if (length < 0)
		return -errno;
	if ((size_t)length == sizeof(buf))
		return -EBADMSG;
	if (length > 0 && buf[length - 1] == '\n')
		length--;
	buf[length] = '\0';
	if (strlen(buf) != (size_t)length || number_parse_u64(buf, 0, UINT64_MAX, ret_value) < 0)
		return -EBADMSG;
	return 0;
}
