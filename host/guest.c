/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "host/number.h"

/* execve() takes arguments of up to 128 KiB each; a VMM names its guest well before 1 MiB. */
#define CMDLINE_LIMIT (1 << 20)
/* The line Groups: may list 65536 of them. */
#define STATUS_LIMIT (1 << 20)

/* Cuts the first part off a QEMU option value, undoing ",,"; returns where the next one starts. */
static const char *cut_part(const char *value, char *part)
{
	while (*value) {
		if (*value == ',') {
			if (value[1] != ',')
				break;
			value++;
		}
		*part++ = *value++;
	}
	*part = '\0';
	return *value ? value + 1 : NULL;
}

static char *name_from_value(const char *value)
{
	cleanup_free char *part = calloc(1, strlen(value) + 1);
	char *name = NULL;

	if (!part)
		return NULL;
	while (value) {
		value = cut_part(value, part);
		if (!strchr(part, '=')) {
			if (!*part)
				continue;
			free(name);
			return strdup(part);
		}
		if (strncmp(part, "guest=", 6) == 0 && part[6]) {
			free(name);
			name = strdup(part + 6);
		}
	}
	return name;
}

char *guest_name_from_cmdline(const char *cmdline, size_t length)
{
	cleanup_free char *copy = malloc(length + 1);
	const char *arg, *end;

	if (!copy)
		return NULL;
	memcpy(copy, cmdline, length);
	copy[length] = '\0';
	end = copy + length;
	for (arg = copy; arg < end; arg += strlen(arg) + 1) {
		const char *value = NULL;
		char *name;

		if (strcmp(arg, "-name") == 0 || strcmp(arg, "--name") == 0)
			value = arg + strlen(arg) + 1;
		else if (strncmp(arg, "--name=", 7) == 0)
			value = arg + 7;
		if (!value || value >= end)
			continue;
		name = name_from_value(value);
		if (name)
			return name;
	}
	return NULL;
}

/* /proc/PID/FILE; returns a path in `buf`. */
static const char *proc_path(char *buf, size_t size, pid_t pid, const char *file)
{
	snprintf(buf, size, "proc/%d/%s", (int)pid, file);
	return buf;
}

static int open_proc(const struct host_root *root, pid_t pid)
{
	char path[64];

	return host_open(root, proc_path(path, sizeof(path), pid, "."), O_RDONLY | O_DIRECTORY);
}

int guest_name(const struct host_root *root, pid_t pid, char **ret_name)
{
	cleanup_close int proc = open_proc(root, pid);
	cleanup_free char *cmdline = NULL;
	char comm[64];
	ssize_t length, arguments;

	if (proc < 0)
		return proc;
	length = arguments = host_read_alloc(proc, "cmdline", CMDLINE_LIMIT, &cmdline);
	if (length > 0) {
		char *name = guest_name_from_cmdline(cmdline, (size_t)length);

		if (name) {
			*ret_name = name;
			return 0;
		}
	}
	length = host_read_at(proc, "comm", comm, sizeof(comm));
	if (length < 0)
		return (int)length;
	comm[strcspn(comm, "\n")] = '\0';
	return asprintf(ret_name, "%s-%d", comm, (int)pid) < 0 ? -ENOMEM : arguments == 0;
}

pid_t guest_process_of_thread(const struct host_root *root, pid_t tid)
{
	cleanup_close int proc = open_proc(root, tid);
	cleanup_free char *status = NULL;
	const char *line;
	char digits[16];
	uint64_t tgid;
	ssize_t length = proc < 0 ? proc : host_read_alloc(proc, "status", STATUS_LIMIT, &status);

	if (length == -ENOENT || length == -ESRCH)
		return -ESRCH;
	if (length < 0)
		return (pid_t)length;
	/* Name: comes first and is the user's, but the kernel escapes newlines in it. */
	line = strstr(status, "\nTgid:\t");
	if (!line)
		return -EBADMSG;
	snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(line + 7, "\n"), line + 7);
	if (number_parse_u64(digits, 1, INT32_MAX, &tgid) < 0)
		return -EBADMSG;
	return (pid_t)tgid;
}

static int compare_pids(const void *a, const void *b)
{
	const pid_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

int guest_threads(const struct host_root *root, pid_t pid, pid_t **ret_tids, size_t *ret_count)
{
	cleanup_closedir DIR *dir = NULL;
	cleanup_free pid_t *tids = NULL;
	size_t count = 0, room = 0;
	struct dirent *entry;
	char path[64];
	int r = host_opendir(root, proc_path(path, sizeof(path), pid, "task"), &dir);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		uint64_t tid;

		if (number_parse_u64(entry->d_name, 1, INT32_MAX, &tid) < 0)
			continue;
		if (count == room) {
			pid_t *grown = reallocarray(tids, room = room ? room * 2 : 32,
						    sizeof(*tids));

			if (!grown)
				return -ENOMEM;
			tids = grown;
		}
		tids[count++] = (pid_t)tid;
	}
	if (r < 0 && r != -ENOENT)
		return r;
	if (count == 0)
		return -ESRCH; /* it ended while it was listed */
	qsort(tids, count, sizeof(*tids), compare_pids);
	*ret_tids = take_ptr(tids);
	*ret_count = count;
	return 0;
}

/* Reads field `number` of a stat file, numbered from 1 as in proc_pid_stat(5), up to `max`. */
static int read_stat(const struct host_root *root, const char *path, int number, uint64_t max,
		     uint64_t *ret_value)
{
	char buf[1024], *field, *rest;
	ssize_t length = host_read(root, path, buf, sizeof(buf));
	int i;

	if (length < 0)
		return (int)length;
	/* The second field, the name, may hold anything; the last ')' ends it. */
	rest = strrchr(buf, ')');
	for (i = 2; rest && i < number; i++)
		(void)strsep(&rest, " ");
	field = rest ? strsep(&rest, " ") : NULL;
	if (!field || number_parse_u64(field, 0, max, ret_value) < 0)
		return -EBADMSG;
	return 0;
}

int guest_thread_cpu(const struct host_root *root, pid_t pid, pid_t tid, unsigned int *ret_cpu)
{
	char path[64];
	uint64_t cpu;
	int r;

	snprintf(path, sizeof(path), "proc/%d/task/%d/stat", (int)pid, (int)tid);
	r = read_stat(root, path, 39, UINT32_MAX, &cpu);
	if (r == 0)
		*ret_cpu = (unsigned int)cpu;
	return r;
}

int guest_start_time(const struct host_root *root, pid_t pid, uint64_t *ret_ticks)
{
	char path[64];

	return read_stat(root, proc_path(path, sizeof(path), pid, "stat"), 22, UINT64_MAX,
			 ret_ticks);
}
