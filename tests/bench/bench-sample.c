/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-sample summary|each|bare SYSROOT COUNT: prints the CPU time of one debugfs sample in
 * nanoseconds. "summary" reads the kernel's sums, "each" every guest's files, both as kvm_stat
 * does; "bare" is the loop of system calls that no program can do without for "each": to list the
 * guests, and to open, read and close their files.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "host/message.h"
#include "host/number.h"
#include "kvm_stat/source.h"

#define KVM_DIR "sys/kernel/debug/kvm"

struct names {
	char **list;
	size_t count;
};

static uint64_t cpu_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool is_histogram(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && strcmp(name + length - 5, "_hist") == 0;
}

static int list_names(int kvm_fd, unsigned char type, struct names *names)
{
	cleanup_closedir DIR *dir = NULL;
	const struct dirent *entry;
	int err = host_opendir_at(kvm_fd, ".", &dir);

	while (err == 0 && (entry = readdir(dir))) {
		char **grown;

		if (entry->d_type != type || entry->d_name[0] == '.' || is_histogram(entry->d_name))
			continue;
		grown = reallocarray(names->list, names->count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		names->list = grown;
		grown[names->count] = strdup(entry->d_name);
		if (!grown[names->count++])
			return -ENOMEM;
	}
	return err;
}

static int bare_sample(int kvm_fd, const struct names *vms, const struct names *fields)
{
	cleanup_closedir DIR *dir = NULL;
	uint64_t sum = 0;
	char buf[32];

	/* Guests come and go: which there are is asked in every sample. */
	if (host_opendir_at(kvm_fd, ".", &dir) < 0)
		return -errno;
	while (readdir(dir))
		sum++;
	for (size_t i = 0; i < vms->count; i++) {
		cleanup_close int vm_fd = openat(kvm_fd, vms->list[i],
						 O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (vm_fd < 0)
			return -errno;
		for (size_t j = 0; j < fields->count; j++) {
			int fd = openat(vm_fd, fields->list[j], O_RDONLY | O_CLOEXEC);
			ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

			if (n < 0)
				return -errno;
			close(fd);
			buf[n] = '\0';
			sum += strtoull(buf, NULL, 10);
		}
	}
	return sum > 0 ? 0 : -ENODATA;
}

static int measure_bare(const struct host_root *root, uint64_t count, uint64_t *ret_ns)
{
	cleanup_close int kvm_fd = host_open(root, KVM_DIR, O_RDONLY | O_DIRECTORY);
	struct names vms = {0}, fields = {0};
	uint64_t begin = 0;
	int err = list_names(kvm_fd, DT_DIR, &vms);

	if (err == 0)
		err = list_names(kvm_fd, DT_REG, &fields);
	for (uint64_t i = 0; err == 0 && i <= count; i++) {
		if (i == 1) /* the first one fills the caches */
			begin = cpu_time_ns();
		err = bare_sample(kvm_fd, &vms, &fields);
	}
	*ret_ns = cpu_time_ns() - begin;
	for (size_t i = 0; i < vms.count; i++)
		free(vms.list[i]);
	for (size_t i = 0; i < fields.count; i++)
		free(fields.list[i]);
	free(vms.list);
	free(fields.list);
	return err;
}

static int measure_source(const struct host_root *root, bool each_guest, uint64_t count,
			  uint64_t *ret_ns)
{
	struct selection selection = {.children = true, .each_guest = each_guest};
	struct source_error error;
	struct source *source;
	struct sample sample = {0};
	uint64_t begin = 0;
	int err = source_debugfs_open(root, false, &source, &error);

	if (err < 0)
		return err;
	err = source_select(source, &selection, &error);
	for (uint64_t i = 0; err == 0 && i <= count; i++) {
		if (i == 1)
			begin = cpu_time_ns();
		sample_clear(&sample);
		err = source_read(source, &sample);
		sample_sort(&sample);
	}
	*ret_ns = cpu_time_ns() - begin;
	sample_done(&sample);
	source_close(source);
	return err;
}

int main(int argc, char *argv[])
{
	struct host_root root = HOST_ROOT_NONE;
	uint64_t count, ns = 0;
	int err;

	message_set_program(argv[0], "bench-sample");
	if (argc != 4 || number_parse_u64(argv[3], 1, 1000000, &count) < 0) {
		message_error("usage: bench-sample summary|each|bare SYSROOT COUNT");
		return 2;
	}
	err = host_root_open(strcmp(argv[2], "/") == 0 ? NULL : argv[2], &root);
	if (err == 0)
		err = strcmp(argv[1], "bare") == 0
			      ? measure_bare(&root, count, &ns)
			      : measure_source(&root, strcmp(argv[1], "each") == 0, count, &ns);
	host_root_close(&root);
	if (err < 0) {
		message_error("%s: %s", argv[2], strerror(-err));
		return 1;
	}
	printf("%lu\n", (unsigned long)(ns / count));
	return 0;
}
