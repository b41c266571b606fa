/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Says what cannot be made, and stops: no test can go on without it. */
static void check(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	abort();
}

void tree_make(struct tree *tree)
{
	const char *directory = getenv("TMPDIR");

	check(asprintf(&tree->path, "%s/kvm-test-XXXXXX", directory ? directory : "/tmp") > 0,
	      "asprintf");
	check(mkdtemp(tree->path), tree->path);
	check(host_root_open(tree->path, &tree->root) == 0, tree->path);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_below(const char *path)
{
	check(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT, path);
}

void tree_remove(struct tree *tree)
{
	host_root_close(&tree->root);
	remove_below(tree->path);
	free(tree->path);
	tree->path = NULL;
}

char *tree_path(const struct tree *tree, const char *path)
{
	char *full;

	check(asprintf(&full, "%s/%s", tree->path, path) > 0, "asprintf");
	return full;
}

void tree_dir(const struct tree *tree, const char *path)
{
	char *full = tree_path(tree, path);
	char *slash;

	for (slash = full + strlen(tree->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		check(mkdir(full, 0755) == 0 || errno == EEXIST, full);
		*slash = '/';
	}
	check(mkdir(full, 0755) == 0 || errno == EEXIST, full);
	free(full);
}

/* The path outside, of something new in a directory that is there. */
static char *new_path(const struct tree *tree, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash) {
		char *above = strndup(path, (size_t)(slash - path));

		check(above, "strndup");
		tree_dir(tree, above);
		free(above);
	}
	tree_delete(tree, path);
	return tree_path(tree, path);
}

void tree_write(const struct tree *tree, const char *path, mode_t mode, const void *data,
		size_t length)
{
	char *full = new_path(tree, path);
	int fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	check(fd >= 0, full);
	check(write(fd, data, length) == (ssize_t)length, full);
	check(fchmod(fd, mode) == 0, full);
	close(fd);
	free(full);
}

void tree_put(const struct tree *tree, const char *path, const char *text)
{
	tree_write(tree, path, 0644, text, strlen(text));
}

void tree_link(const struct tree *tree, const char *path, const char *target)
{
	char *full = new_path(tree, path);

	check(symlink(target, full) == 0, full);
	free(full);
}

void tree_fifo(const struct tree *tree, const char *path)
{
	char *full = new_path(tree, path);

	check(mkfifo(full, 0600) == 0, full);
	free(full);
}

void tree_delete(const struct tree *tree, const char *path)
{
	char *full = tree_path(tree, path);

	remove_below(full);
	free(full);
}

void tree_stat(const struct tree *tree, const char *vm, const char *field, bool gauge,
	       unsigned long long value)
{
	char path[300], text[32];

	snprintf(path, sizeof(path), TREE_KVM "/%s%s%s", vm, *vm ? "/" : "", field);
	snprintf(text, sizeof(text), "%llu\n", value);
	tree_write(tree, path, gauge ? 0444 : 0644, text, strlen(text));
}

static void put_status(const struct tree *tree, const char *directory, pid_t pid, pid_t tid)
{
	char path[96], text[128];

	snprintf(path, sizeof(path), "%s/status", directory);
	snprintf(text, sizeof(text), "Name:\tqemu\nState:\tS (sleeping)\nTgid:\t%d\nPid:\t%d\n",
		 (int)pid, (int)tid);
	tree_put(tree, path, text);
}

void tree_thread(const struct tree *tree, pid_t pid, pid_t tid)
{
	char path[64];

	/* As in /proc, every thread can be looked up below its own number. */
	snprintf(path, sizeof(path), "proc/%d", (int)tid);
	put_status(tree, path, pid, tid);
	snprintf(path, sizeof(path), "proc/%d/task/%d", (int)pid, (int)tid);
	put_status(tree, path, pid, tid);
}

void tree_process(const struct tree *tree, pid_t pid, const char *comm, const char *cmdline,
		  size_t length)
{
	char path[64], text[64];

	tree_thread(tree, pid, pid);
	snprintf(path, sizeof(path), "proc/%d/comm", (int)pid);
	snprintf(text, sizeof(text), "%s\n", comm);
	tree_put(tree, path, text);
	snprintf(path, sizeof(path), "proc/%d/cmdline", (int)pid);
	tree_write(tree, path, 0644, cmdline, length);
}
