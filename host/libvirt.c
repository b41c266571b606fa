/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "host/text.h"

/* Where links enable units: by the administrator, for this boot, by the distribution. */
static const char *const unit_dirs[] = {"etc/systemd/system", "run/systemd/system",
					"usr/local/lib/systemd/system", "usr/lib/systemd/system",
					"lib/systemd/system"};

/* What a unit belongs to. virtlogd and virtlockd serve both, libvirt-guests is a client. */
enum kind { KIND_OTHER, KIND_MONOLITHIC, KIND_MODULAR, KIND_CLASH };

static enum kind kind_of_unit(const char *name)
{
	static const struct {
		const char *daemon;
		enum kind kind;
	} daemons[] = {
		{"libvirtd", KIND_MONOLITHIC},  {"virtinterfaced", KIND_MODULAR},
		{"virtlxcd", KIND_MODULAR},     {"virtnetworkd", KIND_MODULAR},
		{"virtnodedevd", KIND_MODULAR}, {"virtnwfilterd", KIND_MODULAR},
		{"virtproxyd", KIND_CLASH},     {"virtqemud", KIND_MODULAR},
		{"virtsecretd", KIND_MODULAR},  {"virtstoraged", KIND_MODULAR},
		{"virtvboxd", KIND_MODULAR},    {"virtxend", KIND_MODULAR},
	};
	size_t length = strcspn(name, ".-");
	const char *suffix = strrchr(name, '.');
	size_t i;

	if (!suffix || (strcmp(suffix, ".service") != 0 && strcmp(suffix, ".socket") != 0))
		return KIND_OTHER;
	for (i = 0; i < array_size(daemons); i++) {
		if (strlen(daemons[i].daemon) == length &&
		    memcmp(name, daemons[i].daemon, length) == 0)
			return daemons[i].kind;
	}
	return KIND_OTHER;
}

/* Masked: /etc or /run has a link to /dev/null, or an empty file, of this name. */
static bool is_masked(const struct host_root *root, const char *unit)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		cleanup_free char *path = text_format("%s/%s", unit_dirs[i], unit);
		cleanup_close int fd = path ? host_open(root, path, O_PATH | O_NOFOLLOW) : -1;
		char target[PATH_MAX];
		ssize_t length = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

		if (length > 0) {
			target[length] = '\0';
			if (strcmp(target, "/dev/null") == 0)
				return true;
		}
	}
	return false;
}

/* The first unit of a kind is the example that messages name; a socket tells more than a service. */
static int note_unit(char **place, const char *unit)
{
	bool better = *place && strstr(*place, ".service") && strstr(unit, ".socket");
	char *copy;

	if (*place && !better)
		return 0;
	copy = strdup(unit);
	if (!copy)
		return -ENOMEM;
	free(*place);
	*place = copy;
	return 0;
}

static int note_enabled(const struct host_root *root, const char *unit, struct libvirt_units *units)
{
	enum kind kind = kind_of_unit(unit);
	int r = 0;

	if (kind == KIND_OTHER || is_masked(root, unit))
		return 0;
	if (kind == KIND_MONOLITHIC)
		return note_unit(&units->monolithic, unit);
	if (kind == KIND_CLASH)
		r = note_unit(&units->clash, unit);
	return r < 0 ? r : note_unit(&units->modular, unit);
}

/* A directory such as sockets.target.wants, whose links enable units. */
static int read_wants(const struct host_root *root, const char *path, struct libvirt_units *units)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = host_opendir(root, path, &dir);

	while (r >= 0 && (r = host_readdir(dir, &entry)) > 0)
		r = note_enabled(root, entry->d_name, units);
	return r;
}

static bool is_wants(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return suffix && (strcmp(suffix, ".wants") == 0 || strcmp(suffix, ".requires") == 0);
}

static void note_installed(const char *name, struct libvirt_units *units)
{
	enum kind kind = kind_of_unit(name);

	if (kind == KIND_MONOLITHIC)
		units->monolithic_installed = true;
	else if (strcmp(name, "virtqemud.service") == 0)
		units->modular_installed = true;
}

static int read_unit_dir(const struct host_root *root, const char *path,
			 struct libvirt_units *units)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = host_opendir(root, path, &dir);

	while (r >= 0 && (r = host_readdir(dir, &entry)) > 0) {
		if (is_wants(entry->d_name)) {
			cleanup_free char *wants = text_format("%s/%s", path, entry->d_name);

			r = wants ? read_wants(root, wants, units) : -ENOMEM;
		} else {
			note_installed(entry->d_name, units);
		}
	}
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

int libvirt_units_read(const struct host_root *root, struct libvirt_units *ret)
{
	struct libvirt_units units = {0};
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < array_size(unit_dirs); i++)
		r = read_unit_dir(root, unit_dirs[i], &units);
	if (r < 0) {
		libvirt_units_free(&units);
		return r;
	}
	*ret = units;
	return 0;
}

void libvirt_units_free(struct libvirt_units *units)
{
	free(units->monolithic);
	free(units->modular);
	free(units->clash);
	*units = (struct libvirt_units){0};
}
