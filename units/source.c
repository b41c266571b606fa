/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "host/text.h"

/* Opens a regular file only, so that nothing can make us wait and no device is touched. */
static int open_regular(const char *path, const char **ret_why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		*ret_why = errno == ENXIO ? "not a regular file" : strerror(errno);
		return -errno;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	*ret_why = S_ISDIR(st.st_mode) ? "is a directory" : "not a regular file";
	return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

/* Reads until the end. Returns the length or -errno; a file of `size` bytes and more is -EFBIG. */
static ssize_t read_all(int fd, char *data, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = read(fd, data + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : (ssize_t)length;
		length += (size_t)n;
	}
	return -EFBIG;
}

/* The number of the line at `offset`. */
static size_t line_at(const char *data, size_t offset)
{
	size_t line = 1, i;

	for (i = 0; i < offset; i++) {
		if (data[i] == '\r' || (data[i] == '\n' && (i == 0 || data[i - 1] != '\r')))
			line++;
	}
	return line;
}

/* Where the first byte is that is no text, `length` without one; *ret_what says what it is. */
static size_t find_bad_byte(const char *data, size_t length, const char **ret_what)
{
	size_t i = 0;

	while (i < length) {
		uint32_t code;
		int step = 1;

		if (data[i] & 0x80) {
			*ret_what = "it is not UTF-8";
			step = text_decode((const unsigned char *)data + i, &code);
		} else if (!data[i]) {
			*ret_what = "it holds a NUL byte";
			step = 0;
		}
		if (!step)
			return i;
		i += (size_t)step;
	}
	return length;
}

static char *check_text(const char *path, const char *data, size_t length)
{
	const char *what;
	size_t bad = find_bad_byte(data, length, &what);

	return bad == length ? NULL : text_format("%s:%zu: %s", path, line_at(data, bad), what);
}

/* Appends the file to the list, which takes over `data`. Returns 0 or -ENOMEM. */
static int add_source(struct sources *sources, const char *path, char *data, size_t length,
		      struct source **ret_source)
{
	struct source *source = calloc(1, sizeof(*source));
	/* Room for powers of two: grown at each of them. */
	bool grow = (sources->count & (sources->count - 1)) == 0;
	struct source **items = sources->items;

	if (grow && source)
		items = reallocarray(items, sources->count ? sources->count * 2 : 1,
				     sizeof(struct source *));
	if (!source || !items) {
		free(source);
		free(data);
		return -ENOMEM;
	}
	*source = (struct source){.path = path, .data = data, .length = length};
	sources->items = items;
	sources->items[sources->count++] = source;
	sources->total += length;
	*ret_source = source;
	return 0;
}

int source_take(struct sources *sources, const char *path, const void *data, size_t length,
		struct source **ret_source, char **ret_why)
{
	cleanup_free char *copy = calloc(1, length + 1);

	*ret_why = NULL;
	if (!copy)
		return -ENOMEM;
	if (length > SOURCE_TOTAL_MAX - sources->total) {
		*ret_why = text_format("%s: with it there are more than %zu MiB to read", path,
				       SOURCE_TOTAL_MAX / 1024 / 1024);
		return -EFBIG;
	}
	if (length)
		memcpy(copy, data, length);
	*ret_why = check_text(path, copy, length);
	if (*ret_why)
		return -EBADMSG;
	return add_source(sources, path, take_ptr(copy), length, ret_source);
}

int source_read(struct sources *sources, const char *path, size_t limit, struct source **ret_source,
		char **ret_why)
{
	const char *what = NULL;
	cleanup_close int fd = open_regular(path, &what);
	cleanup_free char *data = NULL;
	ssize_t length = fd;

	*ret_why = NULL;
	if (fd >= 0) {
		data = malloc(limit + 1);
		length = data ? read_all(fd, data, limit + 1) : -ENOMEM;
	}
	if (length == -EFBIG)
		*ret_why = text_format("%s: larger than %zu KiB", path, limit / 1024);
	else if (length < 0)
		*ret_why = text_format("%s: %s", path, what ? what : strerror((int)-length));
	if (length < 0)
		return (int)length;
	return source_take(sources, path, data, (size_t)length, ret_source, ret_why);
}

void sources_free(struct sources *sources)
{
	size_t i;

	for (i = 0; i < sources->count; i++) {
		free(sources->items[i]->data);
		free(sources->items[i]);
	}
	free(sources->items);
	*sources = (struct sources){0};
}
