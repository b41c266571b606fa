/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's CPU lists, such as /sys/devices/system/cpu/online: "0-3,8,10-11". */
#pragma once

#include <stddef.h>

#include "host/root.h"

/*
 * Parses a CPU list. *ret_cpus (to be freed) holds *ret_count ascending numbers; at most 65536.
 * Returns 0, -EBADMSG for what is no such list, or -ENOMEM.
 */
int cpu_list_parse(const char *text, int **ret_cpus, size_t *ret_count) must_check;

/* The CPUs that are online now. Returns 0 or -errno, as cpu_list_parse(). */
int cpu_list_online(const struct host_root *root, int **ret_cpus, size_t *ret_count) must_check;
