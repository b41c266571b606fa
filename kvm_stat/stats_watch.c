/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/stats_watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "kvm_stat/signals.h"

/* A process tells when it ends, but not when it closes a VM and lives on: that is looked for. */
#define CHECK_EVERY 75 /* ms, while copies are open */

enum { EVENT_WAKE, EVENT_STOP, EVENT_PROCESS };

struct stats_watch {
	const struct stats_watch_ops *ops;
	void *data;
	int epoll, wake, stop_signals;
	atomic_bool ends;
	pthread_t thread;
	bool has_thread;
};

static int add(struct stats_watch *watch, int fd, uint32_t events, uint32_t what)
{
	struct epoll_event event = {.events = events, .data.u32 = what};

	return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void *run(void *data)
{
	struct stats_watch *watch = data;
	bool holds = false;

	while (!atomic_load(&watch->ends)) {
		struct epoll_event event;
		uint64_t ignored;
		int n = epoll_wait(watch->epoll, &event, 1, holds ? CHECK_EVERY : -1);

		if (n > 0 && event.data.u32 == EVENT_WAKE)
			(void)!read(watch->wake, &ignored, sizeof(ignored));
		if (n > 0 && event.data.u32 == EVENT_STOP &&
		    signals_next(watch->stop_signals) == SIGTSTP)
			watch->ops->stop(watch->data);
		holds = watch->ops->check(n > 0, watch->data);
	}
	return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct stats_watch *watch)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&watch->thread, NULL, run, watch);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	watch->has_thread = r == 0;
	return r;
}

int stats_watch_start(const struct stats_watch_ops *ops, void *data, bool stops,
		      struct stats_watch **ret_watch)
{
	static const int stop_signal = SIGTSTP;
	struct stats_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	*watch = (struct stats_watch){.ops = ops, .data = data, .stop_signals = -1};
	watch->epoll = epoll_create1(EPOLL_CLOEXEC);
	watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = watch->epoll < 0 || watch->wake < 0 ? -errno : 0;
	if (r == 0)
		r = add(watch, watch->wake, EPOLLIN, EVENT_WAKE);
	if (r == 0 && stops) {
		watch->stop_signals = signals_open(&stop_signal, 1);
		r = watch->stop_signals < 0 ? watch->stop_signals
					    : add(watch, watch->stop_signals, EPOLLIN, EVENT_STOP);
	}
	if (r == 0)
		r = start_thread(watch);
	if (r < 0) {
		stats_watch_end(watch);
		return r;
	}
	*ret_watch = watch;
	return 0;
}

void stats_watch_wake(struct stats_watch *watch)
{
	uint64_t one = 1;

	(void)!write(watch->wake, &one, sizeof(one));
}

void stats_watch_end(struct stats_watch *watch)
{
	if (!watch)
		return;
	atomic_store(&watch->ends, true);
	if (watch->has_thread) {
		stats_watch_wake(watch);
		pthread_join(watch->thread, NULL);
	}
	if (watch->stop_signals >= 0) {
		sigset_t stop_signal;

		close(watch->stop_signals);
		sigemptyset(&stop_signal);
		sigaddset(&stop_signal, SIGTSTP);
		pthread_sigmask(SIG_UNBLOCK, &stop_signal, NULL);
	}
	if (watch->wake >= 0)
		close(watch->wake);
	if (watch->epoll >= 0)
		close(watch->epoll);
	free(watch);
}

int stats_watch_add(struct stats_watch *watch, int pidfd)
{
	/* Once: whoever has another copy of the pidfd must not keep the thread busy. */
	return add(watch, pidfd, EPOLLIN | EPOLLONESHOT, EVENT_PROCESS);
}
