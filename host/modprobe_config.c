/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/modprobe_config.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "host/text.h"

/* Longer kernel command lines do not exist (COMMAND_LINE_SIZE is 2 to 4 KiB). */
#define CMDLINE_SIZE 16384

/* What one line may have; libkmod has no limit. */
#define LINE_MAX_SIZE (64 * 1024)

/* "usr/lib" is where kmod 31 and newer look; where it is the same as "lib", nothing is read twice. */
const char *const modprobe_config_dirs[] = {"etc/modprobe.d", "run/modprobe.d",
					    "usr/local/lib/modprobe.d", "usr/lib/modprobe.d",
					    "lib/modprobe.d"};
const size_t modprobe_config_dir_count = array_size(modprobe_config_dirs);

void modprobe_line_free(struct modprobe_line *line)
{
	free(line->file);
	free(line->text);
	*line = (struct modprobe_line){0};
}

/* The files to read, sorted by name. Of those with the same name the first directory's counts. */
struct files {
	struct file {
		char *name;
		const char *dir;
	} * entries;
	size_t count, room;
};

static void free_files(struct files *files)
{
	while (files->count > 0)
		free(files->entries[--files->count].name);
	free(files->entries);
}

static bool is_config_name(const char *name)
{
	size_t length = strlen(name);

	return *name != '.' && length >= 6 &&
	       (strcmp(name + length - 5, ".conf") == 0 ||
		strcmp(name + length - 6, ".alias") == 0);
}

static int add_file(struct files *files, const char *dir, const char *name)
{
	char *copy;
	size_t i;

	for (i = 0; i < files->count; i++) {
		int order = strcmp(name, files->entries[i].name);

		if (order == 0)
			return 0;
		if (order < 0)
			break;
	}
	if (files->count == files->room) {
		size_t room = files->room * 2 + 16;
		struct file *entries = reallocarray(files->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		files->entries = entries;
		files->room = room;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	memmove(files->entries + i + 1, files->entries + i,
		(files->count - i) * sizeof(*files->entries));
	files->entries[i] = (struct file){.name = copy, .dir = dir};
	files->count++;
	return 0;
}

static int list_files(const struct host_root *root, struct files *files)
{
	size_t i;

	for (i = 0; i < modprobe_config_dir_count; i++) {
		cleanup_closedir DIR *dir = NULL;
		struct dirent *entry;
		int r = 0;

		if (host_opendir(root, modprobe_config_dirs[i], &dir) < 0)
			continue;
		while (r == 0 && host_readdir(dir, &entry) > 0) {
			if (is_config_name(entry->d_name))
				r = add_file(files, modprobe_config_dirs[i], entry->d_name);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Reads a line into `line`, as libkmod: a backslash goes away and keeps the next character, also
 * the end of the line. Returns how many lines of the file were taken, 0 at the end.
 */
static int read_line(FILE *file, char *line, size_t size)
{
	size_t length = 0;
	int count = 1;
	int c;

	while ((c = getc(file)) != EOF && c != '\n') {
		if (c == '\\') {
			c = getc(file); /* at the end of the file libkmod takes EOF for a byte */
			if (c == '\n') {
				count++;
				continue;
			}
		}
		if (length < size - 1)
			line[length++] = (char)c;
	}
	line[length] = '\0';
	return c == EOF && length == 0 && count == 1 ? 0 : count;
}

/* Dashes become underscores, but not in "[...]". Returns whether it can be a name or pattern. */
static bool normalise(char *name)
{
	char *p;

	if (!name)
		return false;
	for (p = name; *p; p++) {
		if (*p == ']')
			return false;
		if (*p == '[')
			p += strcspn(p, "]");
		if (!*p)
			return false;
		if (*p == '-')
			*p = '_';
	}
	return true;
}

/* Whether the line, which is cut up, forbids the module. */
static bool line_forbids(char *line, const char *name)
{
	char *rest;
	const char *command = *line == '#' ? NULL : strtok_r(line, "\t ", &rest);
	char *module = command ? strtok_r(NULL, "\t ", &rest) : NULL;

	if (!module || !normalise(module))
		return false;
	if (strcmp(command, "blacklist") == 0)
		return strcmp(module, name) == 0;
	if (strcmp(command, "install") == 0)
		return strtok_r(NULL, "", &rest) && fnmatch(module, name, 0) == 0;
	if (strcmp(command, "alias") == 0) {
		const char *target = strtok_r(NULL, "\t ", &rest);

		return target && strcmp(target, "off") == 0 && fnmatch(module, name, 0) == 0;
	}
	return false;
}

/* A file that is no regular one, such as a link to /dev/null, is an empty one. */
static FILE *open_file(const struct host_root *root, const char *path)
{
	int fd = host_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	FILE *file;

	if (fd < 0)
		return NULL;
	file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(fd, "re") : NULL;
	if (!file)
		close(fd);
	return file;
}

static int set_line(struct modprobe_line *ret_line, char *file, int number, char *text)
{
	if (!file || !text) {
		free(file);
		free(text);
		return -ENOMEM;
	}
	*ret_line = (struct modprobe_line){.file = file, .number = number, .text = text};
	return 1;
}

/* Returns 1, 0 or -ENOMEM, as modprobe_config_find(). */
static int search_file(const struct host_root *root, const struct file *entry, const char *name,
		       struct modprobe_line *ret_line)
{
	cleanup_free char *path = text_format("/%s/%s", entry->dir, entry->name);
	cleanup_free char *line = malloc(LINE_MAX_SIZE);
	cleanup_fclose FILE *file = path ? open_file(root, path) : NULL;
	int number = 1, count;

	if (!path || !line)
		return -ENOMEM;
	while (file && (count = read_line(file, line, LINE_MAX_SIZE)) > 0) {
		cleanup_free char *text = strdup(line);

		if (!text)
			return -ENOMEM;
		if (line_forbids(line, name))
			return set_line(ret_line, take_ptr(path), number,
					strdup(text + strspn(text, "\t ")));
		number += count;
	}
	return 0;
}

/* Whether `name` is one of those in "a,b,c". The kernel knows no dashes, libkmod does. */
static bool list_has(const char *list, const char *name, bool dashes)
{
	cleanup_free char *copy = strdup(list);
	char *item, *rest = copy;

	while ((item = strsep(&rest, ","))) {
		if ((!dashes || normalise(item)) && strcmp(item, name) == 0)
			return true;
	}
	return false;
}

int modprobe_cmdline_find(const struct host_root *root, const char *name,
			  struct modprobe_line *ret_line)
{
	static const char kernel_key[] = "module_blacklist=",
			  modprobe_key[] = "modprobe.blacklist=";
	char cmdline[CMDLINE_SIZE];
	const char *kernel = NULL, *modprobe = NULL;
	char *word, *rest = cmdline;

	if (host_read(root, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
		return 0;
	while ((word = strsep(&rest, " \n"))) {
		/* Of the kernel's own setting the last one counts, of modprobe's each. */
		if (strncmp(word, kernel_key, sizeof(kernel_key) - 1) == 0)
			kernel = word;
		else if (strncmp(word, modprobe_key, sizeof(modprobe_key) - 1) == 0 &&
			 list_has(word + sizeof(modprobe_key) - 1, name, true))
			modprobe = word;
	}
	if (kernel && list_has(kernel + sizeof(kernel_key) - 1, name, false))
		return set_line(ret_line, strdup("/proc/cmdline"), 0, strdup(kernel));
	if (modprobe)
		return set_line(ret_line, strdup("/proc/cmdline"), 0, strdup(modprobe));
	return 0;
}

int modprobe_config_find(const struct host_root *root, const char *name,
			 struct modprobe_line *ret_line)
{
	struct files files = {0};
	int r = list_files(root, &files);
	size_t i;

	for (i = 0; r == 0 && i < files.count; i++)
		r = search_file(root, &files.entries[i], name, ret_line);
	free_files(&files);
	return r == 0 ? modprobe_cmdline_find(root, name, ret_line) : r;
}
