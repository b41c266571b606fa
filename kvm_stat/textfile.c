/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "host/number.h"
#include "host/root.h"
#include "host/text.h"

#define MODE_FILE 0644 /* whatever the umask: other users collect it */

/* Where the file is, opened anew each time: the directory may be mounted or made meanwhile. */
struct place {
	int directory;
	const char *name;
};

#define PLACE_NONE ((struct place){.directory = -1, .name = ""})

static int place_open(const char *path, struct place *ret_place)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *directory = slash ? strndup(path, (size_t)(slash - path) + 1)
					     : strdup(".");
	const char *name = slash ? slash + 1 : path;
	int fd;

	if (!directory)
		return -ENOMEM;
	if (!*name)
		return *path ? -EISDIR : -ENOENT;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_place = (struct place){.directory = fd, .name = name};
	return 0;
}

static int check_target(const struct place *place)
{
	struct stat st;

	if (fstatat(place->directory, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	return S_ISREG(st.st_mode) ? 0 : -ENOTSUP;
}

/* Named after the process, so that two that write the same file do not get in each other's way. */
static char *temporary_name(const struct place *place)
{
	return text_format(".%s.%d.tmp", place->name, (int)getpid());
}

static int create(const struct place *place, const char *name)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(place->directory, name, flags, MODE_FILE);

	/* A process of this number was killed here before. */
	if (fd < 0 && errno == EEXIST && unlinkat(place->directory, name, 0) == 0)
		fd = openat(place->directory, name, flags, MODE_FILE);
	return fd < 0 ? -errno : fd;
}

static int fill(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			length -= (size_t)n;
		}
	}
	return fchmod(fd, MODE_FILE) < 0 ? -errno : 0;
}

static int replace(const struct place *place, const char *text, size_t length)
{
	cleanup_free char *name = temporary_name(place);
	int fd, r;

	if (!name)
		return -ENOMEM;
	fd = create(place, name);
	if (fd < 0)
		return fd;
	r = fill(fd, text, length);
	if (close(fd) < 0 && r == 0 && errno != EINTR)
		r = -errno; /* as NFS tells of a full disk */
	if (r == 0 && renameat(place->directory, name, place->directory, place->name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(place->directory, name, 0);
	return r;
}

int textfile_write(const char *path, const char *text, size_t length)
{
	struct place place = PLACE_NONE;
	int r = place_open(path, &place);

	if (r < 0)
		return r;
	r = check_target(&place);
	if (r == 0)
		r = replace(&place, text, length);
	close(place.directory);
	return r;
}

int textfile_remove(const char *path)
{
	struct place place = PLACE_NONE;
	int r = place_open(path, &place);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = check_target(&place);
	if (r == 0 && unlinkat(place.directory, place.name, 0) < 0 && errno != ENOENT)
		r = -errno;
	close(place.directory);
	return r;
}

/* Whether `entry` is a temporary file for `name` of a process that does not run any more. */
static bool is_left_over(const char *entry, const char *name)
{
	size_t length = strlen(name), entry_length = strlen(entry);
	char digits[16];
	size_t count;
	uint64_t pid;

	if (entry_length < length + 7 || entry[0] != '.' || strncmp(entry + 1, name, length) != 0 ||
	    entry[length + 1] != '.' || strcmp(entry + entry_length - 4, ".tmp") != 0)
		return false;
	count = entry_length - 4 - (length + 2);
	if (count >= sizeof(digits))
		return false;
	memcpy(digits, entry + length + 2, count);
	digits[count] = '\0';
	return number_parse_u64(digits, 1, INT_MAX, &pid) == 0 && kill((pid_t)pid, 0) < 0 &&
	       errno == ESRCH;
}

void textfile_sweep(const char *path)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	struct place place = PLACE_NONE;

	if (place_open(path, &place) < 0)
		return;
	if (host_opendir_at(place.directory, ".", &dir) == 0) {
		while (host_readdir(dir, &entry) > 0) {
			if (is_left_over(entry->d_name, place.name))
				unlinkat(place.directory, entry->d_name, 0);
		}
	}
	close(place.directory);
}
