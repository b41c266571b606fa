/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/fd_limit.h"

#include <errno.h>
#include <sys/resource.h>

int fd_limit_raise(size_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= wanted)
		return 0;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted; /* needs CAP_SYS_RESOURCE */
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -EMFILE : 0;
}
