/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/fd_reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Below that, waiting is cheaper than a process. */
#define WORTH_A_PROCESS 4

/*
 * The child must hold nothing but the slow descriptors: a pipe on its stdout would keep the reader
 * of "kvm_stat -1 | cat" waiting, and a terminal its session.
 */
static void close_all_others(const int *fds, size_t count)
{
	unsigned int from = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if ((unsigned int)fds[i] > from)
			close_range(from, (unsigned int)fds[i] - 1, 0);
		from = (unsigned int)fds[i] + 1;
	}
	close_range(from, ~0U, 0);
}

static int compare(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/*
 * In the child: waits until the parent has closed its own descriptors, which ends `gate`: whoever
 * closes last has to wait for the kernel.
 */
static _Noreturn void close_as_the_last(const int *fds, size_t count, const int gate[2])
{
	char ignored;

	setsid();
	close(gate[1]);
	while (read(gate[0], &ignored, 1) < 0 && errno == EINTR)
		;
	close_all_others(fds, count);
	_exit(0); /* closes the rest */
}

void fd_reaper_close(int *fds, size_t count)
{
	int gate[2];
	size_t i;
	pid_t child = -1;

	if (count)
		qsort(fds, count, sizeof(*fds), compare);
	if (count >= WORTH_A_PROCESS && pipe2(gate, O_CLOEXEC) == 0) {
		/* Twice forked, so that no zombie and no SIGCHLD is left with the caller. */
		child = fork();
		if (child == 0) {
			if (fork() == 0)
				close_as_the_last(fds, count, gate);
			_exit(0);
		}
		if (child > 0)
			waitpid(child, NULL, 0);
	} else {
		gate[0] = gate[1] = -1;
	}
	for (i = 0; i < count; i++)
		close(fds[i]);
	if (gate[0] >= 0) {
		close(gate[0]);
		close(gate[1]);
	}
}
