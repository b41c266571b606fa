/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands in for QEMU: appends to the file $STUB_OUTPUT what the launcher handed over, as pairs of
 * NUL-terminated strings, a name and a value, that end with "end". It is controlled by
 *
 *   STUB_EXIT    the exit status
 *   STUB_SIGNAL  the number of the signal that ends it
 *   STUB_READ    a file to record the content of, '-' for stdin
 *   STUB_KNOWS   the legacy options that it knows, separated by commas
 *   STUB_NOISE   a text for stdout and stderr
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"

static const char *const legacy_options[] = {
	"-no-kvm",      "-no-kvm-irqchip", "-no-kvm-pit",        "-no-kvm-pit-reinjection", "-tdf",
	"-rtc-td-hack", "-pcidevice",      "-kvm-shadow-memory", "-enable-nesting",
};

static FILE *output;

static void record_bytes(const char *name, const void *value, size_t length)
{
	fwrite(name, 1, strlen(name) + 1, output);
	fwrite(value, 1, length, output);
	fputc('\0', output);
}

static void record(const char *name, const char *format, ...) printf_like(2, 3);

static void record(const char *name, const char *format, ...)
{
	va_list args;

	fwrite(name, 1, strlen(name) + 1, output);
	va_start(args, format);
	vfprintf(output, format, args);
	va_end(args);
	fputc('\0', output);
}

/* "NUMBER FLAGS POSITION TARGET", the flags in octal as in fdinfo. */
static void record_fd(int fd)
{
	char name[32], target[PATH_MAX];
	int flags = fcntl(fd, F_GETFL);
	int fd_flags = fcntl(fd, F_GETFD);
	ssize_t length;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	length = readlink(name, target, sizeof(target) - 1);
	target[length < 0 ? 0 : length] = '\0';
	record("fd", "%d %o %lld %s", fd, (unsigned int)flags | (fd_flags ? O_CLOEXEC : 0),
	       (long long)lseek(fd, 0, SEEK_CUR), target);
}

/* Looked for before anything is opened, or the numbers would be taken. */
static size_t find_fds(int *fds, size_t size)
{
	struct rlimit limit;
	size_t count = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 0; count < size && fd < 4096 && (rlim_t)fd < limit.rlim_max; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			fds[count++] = fd;
	return count;
}

/* SigBlk and SigIgn: what the kernel knows about signals that a program inherits. */
static void record_status(void)
{
	static const char *const names[] = {"SigBlk", "SigIgn", "NoNewPrivs", "Uid", "Gid"};
	cleanup_fclose FILE *status = fopen("/proc/self/status", "re");
	char line[4096];

	while (status && fgets(line, sizeof(line), status)) {
		char *colon = strchr(line, ':');

		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; colon && i < array_size(names); i++)
			if (strlen(names[i]) == (size_t)(colon - line) &&
			    strncmp(line, names[i], strlen(names[i])) == 0)
				record(names[i], "%s", colon + 1 + strspn(colon + 1, " \t"));
	}
}

static void record_limits(void)
{
	static const struct {
		const char *name;
		int resource;
	} limits[] = {{"nofile", RLIMIT_NOFILE}, {"stack", RLIMIT_STACK}, {"core", RLIMIT_CORE}};

	for (size_t i = 0; i < array_size(limits); i++) {
		struct rlimit limit = {0};

		getrlimit((__rlimit_resource_t)limits[i].resource, &limit);
		record(limits[i].name, "%llu %llu", (unsigned long long)limit.rlim_cur,
		       (unsigned long long)limit.rlim_max);
	}
}

static void record_file(const char *name)
{
	int fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	char data[65536];
	size_t length = 0;
	ssize_t n;

	while (length < sizeof(data) && (n = read(fd, data + length, sizeof(data) - length)) > 0)
		length += (size_t)n;
	record_bytes("read", data, length);
	if (fd > STDIN_FILENO)
		close(fd);
}

static void record_process(int argc, char *argv[], char *envp[])
{
	char cwd[PATH_MAX], exe[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	mode_t mask = umask(0);

	umask(mask);
	exe[length < 0 ? 0 : length] = '\0';
	record("pid", "%d", getpid());
	record("pgid", "%d", getpgrp());
	record("cwd", "%s", getcwd(cwd, sizeof(cwd)) ? cwd : "");
	record("exe", "%s", exe);
	record("umask", "%o", mask);
	for (int i = 0; i < argc; i++)
		record("arg", "%s", argv[i]);
	for (char **env = envp; *env; env++)
		record("env", "%s", *env);
}

static bool knows(const char *option)
{
	const char *list = getenv("STUB_KNOWS");

	while (list && *list) {
		size_t length = strcspn(list, ",");

		if (length == strlen(option) && strncmp(list, option, length) == 0)
			return true;
		list += length + (list[length] == ',');
	}
	return false;
}

/* The first argument, when it is a legacy option that this emulator does not know. */
static const char *unknown_option(int argc, char *argv[])
{
	const char *option = argc > 1 ? argv[1] : "";

	option += strncmp(option, "--", 2) == 0;
	for (size_t i = 0; i < array_size(legacy_options); i++)
		if (strcmp(option, legacy_options[i]) == 0 && !knows(option))
			return argv[1];
	return NULL;
}

static int end(const char *program, const char *unknown)
{
	const char *status = getenv("STUB_EXIT");
	const char *number = getenv("STUB_SIGNAL");

	if (unknown) {
		fprintf(stderr, "%s: %s: invalid option\n", program, unknown);
		return 1;
	}
	if (number) {
		signal((int)strtol(number, NULL, 10), SIG_DFL);
		raise((int)strtol(number, NULL, 10));
	}
	return status ? (int)strtol(status, NULL, 10) : 0;
}

int main(int argc, char *argv[], char *envp[])
{
	const char *file = getenv("STUB_OUTPUT");
	const char *noise = getenv("STUB_NOISE");
	const char *read = getenv("STUB_READ");
	const char *unknown = unknown_option(argc, argv);
	int fds[4096];
	size_t count = find_fds(fds, array_size(fds));

	output = file ? fopen(file, "ae") : NULL;
	if (!output)
		return 99;
	record_process(argc, argv, envp);
	for (size_t i = 0; i < count; i++)
		record_fd(fds[i]);
	record_status();
	record_limits();
	if (read)
		record_file(read);
	record("end", "%s", "");
	if (fclose(output) != 0)
		return 99;
	if (noise) {
		dprintf(STDOUT_FILENO, "%s", noise);
		dprintf(STDERR_FILENO, "%s", noise);
	}
	return end(argv[0] ? argv[0] : "", unknown);
}
