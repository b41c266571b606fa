/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/output_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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
		/* No fsync(): what is built can be built again, after a crash of the host, too. */
		errno = 0;
		return fclose(stream) == 0 ? 0 : -(errno ? errno : EIO);
	}
	error = errno ? errno : EIO;
	fclose(stream);
	return -error;
}

/*
 * Finds the file that is to be replaced: links stay, what they lead to goes. Else /dev/stdout would
 * be replaced itself. Returns 0, with the path to be freed, or -errno.
 */
static int find_place(const char *path, char **ret_place)
{
	struct stat st;
	bool linked = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);

	if (stat(path, &st) < 0) {
		if (errno != ENOENT || linked)
			return -errno;
	} else if (!S_ISREG(st.st_mode)) {
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	}
	*ret_place = linked ? realpath(path, NULL) : strdup(path);
	return *ret_place ? 0 : -errno;
}

static int replace(const char *path, void (*write)(FILE *stream, const void *data),
		   const void *data)
{
	cleanup_free char *temporary = text_format("%s.XXXXXX", path);
	FILE *stream;
	int fd, r;

	if (!temporary)
		return -ENOMEM;
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

int output_file_write(const char *path, void (*write)(FILE *stream, const void *data),
		      const void *data)
{
	cleanup_free char *place = NULL;
	sigset_t all, before;
	int r = find_place(path, &place);

	if (r < 0)
		return r;
	/* Who interrupts a build finds no file of ours that nobody knows. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	r = replace(place, write, data);
	sigprocmask(SIG_SETMASK, &before, NULL);
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

/*
 * Neither make nor Ninja has a way to write a line end, nor agree they on these. A backslash stands
 * for itself where nothing follows that it could quote, as in names of units: dev-x\x2dy.swap.
 */
static bool is_writable(const char *path)
{
	const char *p;

	for (p = path; *p; p++) {
		if (strchr("\r\n:;%|*?[]~", *p) || (*p == '\\' && !isalnum((unsigned char)p[1])))
			return false;
	}
	return p > path;
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
