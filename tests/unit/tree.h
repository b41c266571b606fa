/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A temporary directory that a test fills with the files of a host. Failing to do so aborts. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "host/root.h"

#define TREE_KVM "sys/kernel/debug/kvm"

struct tree {
	char *path;
	struct host_root root; /* open at `path` */
};

/* Makes an empty tree. */
void tree_make(struct tree *tree);

/* Removes the tree and everything in it. */
void tree_remove(struct tree *tree);

/* Makes a directory and those above it. */
void tree_dir(const struct tree *tree, const char *path);

/* Writes a file of this mode, whatever the umask; what was there is replaced. */
void tree_write(const struct tree *tree, const char *path, mode_t mode, const void *data,
		size_t length);

/* Writes a text file of mode 0644. */
void tree_put(const struct tree *tree, const char *path, const char *text);

/* Makes a symbolic link. */
void tree_link(const struct tree *tree, const char *path, const char *target);

/* Makes a FIFO. */
void tree_fifo(const struct tree *tree, const char *path);

/* Removes a file, or a directory with everything in it; what is not there is fine. */
void tree_delete(const struct tree *tree, const char *path);

/* The path outside: to be freed. */
char *tree_path(const struct tree *tree, const char *path);

/* Writes a counter (0644) or, with `gauge`, a state (0444) of KVM: `vm` is "" or "TID-FD". */
void tree_stat(const struct tree *tree, const char *vm, const char *field, bool gauge,
	       unsigned long long value);

/* Makes a process: comm, a command line of `length` bytes, and status of its only thread. */
void tree_process(const struct tree *tree, pid_t pid, const char *comm, const char *cmdline,
		  size_t length);

/* Makes a further thread of a process. */
void tree_thread(const struct tree *tree, pid_t pid, pid_t tid);
