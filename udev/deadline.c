/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/deadline.h"

#include <errno.h>

#define NSEC_PER_SEC 1000000000L

struct deadline deadline_after(double seconds)
{
	struct deadline deadline = {.is_set = seconds >= 0};
	long nsec;

	if (!deadline.is_set)
		return deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline.at);
	nsec = deadline.at.tv_nsec + (long)((seconds - (double)(time_t)seconds) * NSEC_PER_SEC);
	deadline.at.tv_sec += (time_t)seconds + nsec / NSEC_PER_SEC;
	deadline.at.tv_nsec = nsec % NSEC_PER_SEC;
	return deadline;
}

/* What is left of the time; nothing once it is over. */
static struct timespec remaining(const struct deadline *deadline)
{
	struct timespec now, left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left.tv_sec = deadline->at.tv_sec - now.tv_sec;
	left.tv_nsec = deadline->at.tv_nsec - now.tv_nsec;
	if (left.tv_nsec < 0) {
		left.tv_sec--;
		left.tv_nsec += NSEC_PER_SEC;
	}
	if (left.tv_sec < 0)
		left = (struct timespec){0};
	return left;
}

int deadline_poll(const struct deadline *deadline, struct pollfd *fds, size_t count)
{
	for (;;) {
		struct timespec left = {0};
		int r;

		if (deadline->is_set)
			left = remaining(deadline);
		r = ppoll(fds, count, deadline->is_set ? &left : NULL, NULL);
		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}
