/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/qemu_config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* What QEMU's own reader takes of a line, a name and a value (util/qemu-config.c). */
#define LINE_SIZE  1024
#define NAME_SIZE  64
#define VALUE_SIZE 1024

/* A file that goes on for ever (a regular file of /proc, say) ends here. */
#define LINES_MAX 100000

/* The group whose lines are being read; without a name there has been none yet. */
struct reader {
	char group[NAME_SIZE];
	struct keyvals settings;
	int (*take)(const char *group, const struct keyvals *settings, void *data);
	void *data;
};

/* Opens what `node` stands for, unless it is something that only one reader can have. */
static int open_regular(int node, FILE **ret_file)
{
	char path[sizeof("/proc/self/fd/") + 11];
	struct stat st;
	int fd;

	if (fstat(node, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode))
		return -ESPIPE;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_file = fdopen(fd, "re");
	if (!*ret_file) {
		int error = -errno;

		close(fd);
		return error;
	}
	return 0;
}

static int end_group(struct reader *reader)
{
	int r = 0;

	if (reader->group[0])
		r = reader->take(reader->group, &reader->settings, reader->data);
	keyvals_free(&reader->settings);
	reader->group[0] = '\0';
	return r;
}

static int read_header(struct reader *reader, const char *line)
{
	char id[NAME_SIZE];
	int r = end_group(reader);

	if (r < 0)
		return r;
	if (sscanf(line, "[%63s \"%63[^\"]\"]", reader->group, id) != 2 &&
	    sscanf(line, "[%63[^]]]", reader->group) != 1)
		reader->group[0] = '\0';
	return 0;
}

static int read_line(struct reader *reader, const char *line)
{
	char key[NAME_SIZE];
	char value[VALUE_SIZE] = "";

	if (*line == '#')
		return 0;
	if (*line == '[')
		return read_header(reader, line);
	if (sscanf(line, " %63s = \"%1023[^\"]\"", key, value) < 1)
		return 0;
	return keyvals_add(&reader->settings, key, value);
}

int qemu_config_read(int node,
		     int (*take)(const char *group, const struct keyvals *settings, void *data),
		     void *data)
{
	struct reader reader = {.take = take, .data = data};
	cleanup_fclose FILE *file = NULL;
	char line[LINE_SIZE];
	int lines = 0;
	int r = open_regular(node, &file);

	while (r == 0 && lines++ < LINES_MAX && fgets(line, sizeof(line), file))
		r = read_line(&reader, line);
	if (r == 0 && ferror(file))
		r = -EIO;
	if (r == 0)
		r = end_group(&reader);
	keyvals_free(&reader.settings);
	return r;
}
