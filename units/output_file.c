/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "host/text.h"

/* The mode of a new file, which mkostemp() does not give. */
static mode_t new_file_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

/* Returns 0 or -errno. The stream is closed in any case. */
static int fill(FILE *stream, void (*write)(FILE *stream, const void *data), const void *data)
{
	int error;

	errno = 0;
	write(stream, data);
	if (fflush(stream) == 0 && !ferror(stream) &&
	    fchmod(fileno(stream), new_file_mode()) == 0) {
		/* No fsync(): it is for those who build to make it last, and renames keep order. */
		errno = 0;
		return fclose(stream) == 0 ? 0 : -(errno ? errno : EIO);
	}
	error = errno ? errno : EIO;
	fclose(stream);
	return -error;
}

/* Whether something is there that must not be replaced: -errno then, 0 else. */
static int check_replaceable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) ? 0 : -ENOTSUP;
}

int output_file_write(const char *path, void (*write)(FILE *stream, const void *data),
		      const void *data)
{
	cleanup_free char *temporary = text_format("%s.XXXXXX", path);
	FILE *stream;
	int r = temporary ? check_replaceable(path) : -ENOMEM;
	int fd;

	if (r < 0)
		return r;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	stream = fdopen(fd, "w");
	if (!stream)
		close(fd);
	r = stream ? fill(stream, write, data) : -ENOMEM;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

struct rule {
	const char *target;
	char *const *inputs;
	size_t count;
};

/* As gcc writes them, for make and for Ninja. */
static void write_path(FILE *stream, const char *path)
{
	for (; *path; path++) {
		if (*path == ' ' || *path == '\t' || *path == '#')
			putc('\\', stream);
		else if (*path == '$')
			putc('$', stream);
		putc(*path, stream);
	}
}

static void write_rule(FILE *stream, const void *data)
{
	const struct rule *rule = data;
	size_t i;

	write_path(stream, rule->target);
	putc(':', stream);
	for (i = 0; i < rule->count; i++) {
		fputs(" \\\n ", stream);
		write_path(stream, rule->inputs[i]);
	}
	putc('\n', stream);
}

/* Neither make nor Ninja has a way to write a line end, nor agree they on these. */
static bool is_writable(const char *path)
{
	return !path[strcspn(path, "\r\n\\:;%|*?[]~")] && *path;
}

int output_file_write_rule(const char *path, const char *target, char *const *inputs, size_t count)
{
	const struct rule rule = {target, inputs, count};
	size_t i;

	if (!is_writable(target))
		return -EINVAL;
	for (i = 0; i < count; i++) {
		if (!is_writable(inputs[i]))
			return -EINVAL;
	}
	return output_file_write(path, write_rule, &rule);
}
