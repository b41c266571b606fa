/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests in C that look at the real kernel: what kvmtest.py does for those in Python. */
#pragma once

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Ends the program as a skipped test. */
static inline void skip_test(const char *code, const char *text)
{
	printf("SKIP: %s: %s\n", code, text);
	fflush(stdout);
	_exit(77);
}

/* BPF programs know processes by their numbers in the initial PID namespace, whose inode is fixed. */
static inline void need_host_pids(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0 || st.st_ino != 0xEFFFFFFC)
		skip_test("pid-namespace", "BPF programs do not count in a PID namespace");
}

/* Mounts debugfs and tracefs where they are not, for this program alone. */
static inline void enter_private_mounts(void)
{
	static const char *const mounts[][2] = {{"debugfs", "/sys/kernel/debug"},
						{"tracefs", "/sys/kernel/tracing"}};
	size_t i;

	if (geteuid() != 0)
		skip_test("no-root", "needs private mounts and BPF");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_test("no-private-mounts", strerror(errno));
	for (i = 0; i < 2; i++) {
		if (mount(mounts[i][0], mounts[i][1], mounts[i][0], 0, NULL) < 0 &&
		    errno != EBUSY) {
			perror(mounts[i][1]);
			exit(1);
		}
	}
}
