/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "check/output.h"
#include "host/config.h"
#include "host/cpu.h"
#include "host/guest.h"
#include "host/text.h"
#include "host/vm.h"
#include "version.h"

#define FILE_SIZE    65536
#define CMDLINE_SIZE (1024 * 1024) /* of a guest; libvirt's are some KiB */

static int print_line(FILE *stream, const char *format, ...) printf_like(2, 3) must_check;

/* Files and guests may hold anything; what is written is clean. */
static int print_line(FILE *stream, const char *format, ...)
{
	cleanup_free char *clean = NULL;
	va_list args;

	va_start(args, format);
	clean = text_format_clean(format, args);
	va_end(args);
	if (!clean)
		return -ENOMEM;
	fprintf(stream, "%s\n", clean);
	return 0;
}

static void print_title(FILE *stream, const char *title)
{
	fprintf(stream, "\n== %s ==\n", title);
}

/* PRETTY_NAME="..." of os-release, to be freed; NULL when there is none. */
static char *system_name(const struct host_root *root)
{
	static const char key[] = "PRETTY_NAME=";
	cleanup_free char *text = malloc(FILE_SIZE);
	char *line, *rest = text;

	if (!text || (host_read(root, "etc/os-release", text, FILE_SIZE) < 0 &&
		      host_read(root, "usr/lib/os-release", text, FILE_SIZE) < 0))
		return NULL;
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, key, sizeof(key) - 1) != 0)
			continue;
		line += sizeof(key) - 1;
		line += strspn(line, "\"'");
		line[strcspn(line, "\"'")] = '\0';
		return strdup(line);
	}
	return NULL;
}

static int write_system(FILE *stream, const struct host_root *root)
{
	struct cpu_virtualisation cpu = {0};
	cleanup_free char *name = system_name(root);
	cleanup_free char *model = cpu_field(root, "model name");
	struct utsname host;
	char release[256];
	int r;

	if (cpu_virtualisation(root, &cpu) < 0)
		cpu.architecture = NULL; /* it is unknown */
	print_title(stream, "system");
	if (host_read_line(root, "proc/sys/kernel/osrelease", release, sizeof(release)) < 0)
		strcpy(release, "unknown");
	r = print_line(stream, "system: %s", name ? name : "unknown");
	if (r == 0)
		r = print_line(stream, "kernel: %s", release);
	if (r == 0)
		r = print_line(stream, "machine: %s",
			       root->real && uname(&host) == 0 ? host.machine
			       : cpu.architecture              ? cpu.architecture
							       : "unknown");
	if (r == 0 && model && *model)
		r = print_line(stream, "cpu: %s", model);
	return r;
}

/*
 * What the kernel's command line says of KVM. The rest may hold keys, passwords and addresses, and
 * is none of a stranger's business.
 */
static bool concerns_kvm(const char *word)
{
	static const char *const starts[] = {
		"kvm",
		"kvm_",
		"intel_iommu=",
		"amd_iommu=",
		"iommu=",
		"iommu.",
		"hugepages=",
		"hugepagesz=",
		"lockdown=",
		"mitigations=",
		"nosmt",
		"vfio",
		"module_blacklist=",
		"nested=",
		"modprobe.blacklist=",
		"default_hugepagesz=",
		"transparent_hugepage=",
		"vhost",
	};
	size_t i;

	for (i = 0; i < array_size(starts); i++) {
		if (strncmp(word, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

static int write_command_line(FILE *stream, const struct host_root *root)
{
	cleanup_free char *text = malloc(FILE_SIZE);
	char *word, *rest = text;
	int r = 0;

	if (!text)
		return -ENOMEM;
	print_title(stream, "kernel command line, as far as it concerns KVM");
	if (host_read(root, "proc/cmdline", text, FILE_SIZE) < 0)
		return print_line(stream, "(cannot be read)");
	while (r == 0 && (word = strsep(&rest, " \n"))) {
		if (concerns_kvm(word))
			r = print_line(stream, "%s", word);
	}
	return r;
}

static int write_parameters(FILE *stream, const struct host_root *root, const char *module)
{
	cleanup_free char *path = text_format("sys/module/%s/parameters", module);
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r;

	if (!path)
		return -ENOMEM;
	r = print_line(stream, "%s", module);
	if (r < 0 || host_opendir(root, path, &dir) < 0)
		return r;
	while (r == 0 && host_readdir(dir, &entry) > 0) {
		char value[256];
		ssize_t length = host_read_at(dirfd(dir), entry->d_name, value, sizeof(value));

		if (length < 0)
			continue; /* some can only be written */
		value[strcspn(value, "\n")] = '\0';
		r = print_line(stream, "  %s=%s", entry->d_name, value);
	}
	return r;
}

static bool is_module_of_ours(const char *name)
{
	static const char *const starts[] = {"kvm", "vhost", "vfio", "irqbypass"};
	size_t length = strcspn(name, " \t");
	size_t i;

	for (i = 0; i < array_size(starts); i++) {
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return length == 3 && memcmp(name, "tun", 3) == 0; /* not tunnel4 */
}

static int write_modules(FILE *stream, const struct host_root *root)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = host_opendir(root, "sys/module", &dir);

	print_title(stream, "modules and their parameters");
	if (r < 0)
		return print_line(stream, "(cannot be read: %s)", strerror(-r));
	while (r >= 0 && (r = host_readdir(dir, &entry)) > 0) {
		if (is_module_of_ours(entry->d_name))
			r = write_parameters(stream, root, entry->d_name);
	}
	return r == -ENOMEM ? r : 0;
}

/* "options kvm_intel nested=1" and the like: lines whose second word begins with such a module. */
static bool line_concerns_kvm(const char *line)
{
	line += strspn(line, " \t");
	line += strcspn(line, " \t");
	return *line && is_module_of_ours(line + strspn(line, " \t"));
}

static int write_config_file(FILE *stream, int dirfd, const char *dir, const char *name)
{
	cleanup_free char *text = malloc(FILE_SIZE);
	char *line, *rest = text;
	int number, r = 0;

	if (!text)
		return -ENOMEM;
	if (host_read_at(dirfd, name, text, FILE_SIZE) < 0)
		return print_line(stream, "/%s/%s: (cannot be read)", dir, name);
	for (number = 1; r == 0 && (line = strsep(&rest, "\n")); number++) {
		if (line_concerns_kvm(line) && line[strspn(line, " \t")] != '#')
			r = print_line(stream, "/%s/%s:%d: %s", dir, name, number, line);
	}
	return r;
}

static int write_config_dir(FILE *stream, const struct host_root *root, const char *path)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = host_opendir(root, path, &dir);

	if (r < 0)
		return r == -ENOENT ? 0 : print_line(stream, "/%s: (cannot be read)", path);
	while (r >= 0 && (r = host_readdir(dir, &entry)) > 0) {
		const char *suffix = strrchr(entry->d_name, '.');

		if (suffix && strcmp(suffix, ".conf") == 0)
			r = write_config_file(stream, dirfd(dir), path, entry->d_name);
	}
	return r == -ENOMEM ? r : 0;
}

static int write_config(FILE *stream, const struct host_root *root)
{
	/* Where modprobe looks; on hosts with a merged /usr, /lib is /usr/lib. */
	static const char *const dirs[] = {"etc/modprobe.d", "run/modprobe.d",
					   "usr/local/lib/modprobe.d", "lib/modprobe.d"};
	size_t i;
	int r = 0;

	print_title(stream, "modprobe.d, as far as it concerns KVM");
	for (i = 0; r == 0 && i < array_size(dirs); i++)
		r = write_config_dir(stream, root, dirs[i]);
	return r;
}

static int write_node(FILE *stream, const struct host_root *root, const char *path)
{
	cleanup_close int fd = host_open(root, path, O_PATH);
	struct stat st;

	if (fd < 0)
		return print_line(stream, "%s: %s", path, strerror(-fd));
	if (fstat(fd, &st) < 0)
		return print_line(stream, "%s: %s", path, strerror(errno));
	return print_line(stream, "%s: mode %06o, owner %u:%u, device %u:%u", path, st.st_mode,
			  st.st_uid, st.st_gid, major(st.st_rdev), minor(st.st_rdev));
}

static int write_nodes(FILE *stream, const struct host_root *root)
{
	static const char *const paths[] = {"/dev/kvm", "/dev/vhost-net", "/dev/vhost-vsock",
					    "/dev/net/tun", "/dev/vfio/vfio"};
	size_t i;
	int r = 0;

	print_title(stream, "device nodes");
	for (i = 0; r == 0 && i < array_size(paths); i++)
		r = write_node(stream, root, paths[i]);
	return r;
}

static int write_command(FILE *stream, const struct host_root *root, pid_t pid)
{
	cleanup_free char *path = text_format("proc/%d/cmdline", pid);
	cleanup_free char *text = malloc(CMDLINE_SIZE);
	ssize_t length, i;

	if (!path || !text)
		return -ENOMEM;
	length = host_read(root, path, text, CMDLINE_SIZE);
	if (length < 0)
		return print_line(stream, "  (%s)", strerror((int)-length));
	for (i = 0; i + 1 < length; i++) {
		if (!text[i])
			text[i] = ' ';
	}
	return print_line(stream, "  %s", text);
}

static int write_guest(FILE *stream, const struct host_root *root, const struct vm *vm)
{
	cleanup_free char *name = NULL;
	int r;

	if (vm->pid == 0)
		return print_line(stream, "of thread %d: its process cannot be found", vm->tid);
	if (guest_name(root, vm->pid, &name) < 0)
		return print_line(stream, "process %d: it is gone", vm->pid);
	r = print_line(stream, "process %d: %s", vm->pid, name);
	return r < 0 ? r : write_command(stream, root, vm->pid);
}

static int write_guests(FILE *stream, const struct host_root *root, bool with_guests)
{
	struct vm_list list = {0};
	size_t i;
	int r = vm_list_read(root, &list);

	print_title(stream, "guests");
	if (r < 0)
		return r == -ENOMEM ? r : print_line(stream, "(cannot be read: %s)", strerror(-r));
	r = print_line(stream, "%zu running, as far as this user can see", list.count);
	for (i = 0; r == 0 && with_guests && i < list.count; i++)
		r = write_guest(stream, root, &list.vms[i]);
	vm_list_done(&list);
	return r;
}

int report_write(FILE *stream, const struct host_root *root, const struct result *results,
		 size_t count, bool with_guests)
{
	int r;

	fprintf(stream, "Report of kvm-check from %s %s\n", PROJECT_NAME, PROJECT_VERSION);
	r = write_system(stream, root);
	if (r == 0) {
		print_title(stream, "checks");
		r = output_text(stream, results, count, false);
	}
	if (r == 0)
		r = write_command_line(stream, root);
	if (r == 0)
		r = write_modules(stream, root);
	if (r == 0)
		r = write_config(stream, root);
	if (r == 0)
		r = write_nodes(stream, root);
	return r < 0 ? r : write_guests(stream, root, with_guests);
}
