/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many descriptors this process may have open. */
#pragma once

#include <stddef.h>

#include "host/cleanup.h"

/* Raises RLIMIT_NOFILE to `wanted` where it is lower. Returns 0, -EMFILE when refused, or -errno. */
int fd_limit_raise(size_t wanted) must_check;
