/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/account.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "host/text.h"

/* The groups of a user; NGROUPS_MAX of the kernel is 65536. */
#define GROUPS_MAX 65536

/* Opens a database of a moved root; NULL with errno set when it cannot be read. */
static FILE *open_database(const struct host_root *root, const char *path)
{
	int fd = host_open(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	FILE *file = NULL;
	struct stat st;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	/* A tree may have anything under the name, such as a device without an end. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		file = fdopen(fd, "re");
	else
		errno = ENXIO;
	if (!file) {
		int error = errno;

		close(fd);
		errno = error;
	}
	return file;
}

static const struct passwd *find_user(const struct host_root *root, FILE **file, uid_t uid)
{
	const struct passwd *user;

	if (root->real)
		return getpwuid(uid);
	*file = open_database(root, "etc/passwd");
	if (!*file)
		return NULL;
	do {
		user = fgetpwent(*file);
	} while (user && user->pw_uid != uid);
	return user;
}

/* The group of this name, or where `name` is NULL, of this number. NULL with errno set. */
static const struct group *find_group(const struct host_root *root, FILE **file, const char *name,
				      gid_t gid)
{
	const struct group *group;

	errno = 0;
	if (root->real)
		return name ? getgrnam(name) : getgrgid(gid);
	*file = open_database(root, "etc/group");
	if (!*file)
		return NULL;
	do {
		errno = 0;
		group = fgetgrent(*file);
	} while (group && (name ? strcmp(group->gr_name, name) != 0 : group->gr_gid != gid));
	return group;
}

char *account_user_name(const struct host_root *root, uid_t uid)
{
	cleanup_fclose FILE *file = NULL;
	const struct passwd *user = find_user(root, &file, uid);

	return user ? strdup(user->pw_name) : text_format("%u", (unsigned int)uid);
}

char *account_group_name(const struct host_root *root, gid_t gid)
{
	cleanup_fclose FILE *file = NULL;
	const struct group *group = find_group(root, &file, NULL, gid);

	return group ? strdup(group->gr_name) : text_format("%u", (unsigned int)gid);
}

int account_group_find(const struct host_root *root, const char *name, gid_t *ret_gid)
{
	cleanup_fclose FILE *file = NULL;
	const struct group *group = find_group(root, &file, name, 0);

	if (!group) {
		/* Without an entry, services of names leave errno at any of these. */
		if (errno == 0 || errno == ENOENT || errno == ESRCH || errno == EBADF ||
		    errno == EPERM)
			return -ENOENT;
		return -errno;
	}
	*ret_gid = group->gr_gid;
	return 0;
}

bool account_process_has_group(gid_t gid)
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

bool account_database_has_group(gid_t gid)
{
	const struct passwd *user = getpwuid(geteuid());
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

bool account_group_is_joinable(gid_t gid)
{
	return gid != 0 && gid != ACCOUNT_OVERFLOW_ID && getgrgid(gid);
}

bool account_can_join_group(gid_t gid)
{
	return account_group_is_joinable(gid) && getpwuid(geteuid());
}
