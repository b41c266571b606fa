/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>

/* A signal that is blocked is queued even while it is ignored, so those are not blocked. */
static void add_unless_ignored(sigset_t *set, int signal_number)
{
	struct sigaction action;

	if (sigaction(signal_number, NULL, &action) < 0 || action.sa_handler != SIG_IGN)
		sigaddset(set, signal_number);
}

int signals_open(const int *signals, size_t count)
{
	sigset_t set;
	size_t i;
	int fd;

	sigemptyset(&set);
	for (i = 0; i < count; i++)
		add_unless_ignored(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int signals_next(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void signals_stop(void)
{
	sigset_t stop, mask;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	signal(SIGTSTP, SIG_DFL);
	raise(SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &stop, &mask);
	/* Here the process stops, until SIGCONT. */
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

int signals_wait(int fd, int other_fd, uint64_t deadline_ns)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = other_fd, .events = POLLIN}};

	for (;;) {
		uint64_t now = clock_now_ns();
		uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
		struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000U),
					   .tv_nsec = (long)(left % 1000000000U)};
		int ready = ppoll(fds, array_size(fds), &timeout, NULL);
		int signal_number = ready > 0 && fds[0].revents ? signals_next(fd) : 0;

		if (signal_number)
			return signal_number;
		if (ready > 0 && fds[1].revents)
			return -1;
		if (left == 0)
			return 0;
	}
}
