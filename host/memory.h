/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory as guests use it: huge pages, and pages that the kernel merges. */
#pragma once

#include <stdint.h>

#include "host/root.h"

/* The reserved huge pages of one size. */
struct memory_pool {
	uint64_t page_kib, total, free;
};

#define MEMORY_POOLS_MAX 8 /* arm64 has four sizes, x86 two */

/*
 * Reads the pools of huge pages that the kernel knows, empty ones too, in ascending order of size.
 * Returns how many there are, or -errno (-ENOENT: this kernel has none).
 */
int memory_read_pools(const struct host_root *root,
		      struct memory_pool ret_pools[static MEMORY_POOLS_MAX]) must_check;

/*
 * The chosen word of /sys/kernel/mm/transparent_hugepage/enabled: "always", "madvise", "never".
 * Returns 0 or -errno.
 */
int memory_read_transparent(const struct host_root *root, char *ret_word, size_t size) must_check;

/* Kernel same-page merging. */
struct memory_ksm {
	uint64_t run;     /* 0: off, 1: on, 2: off, and everything unmerged */
	uint64_t sharing; /* how many pages are saved */
};

/* Reads its state. Returns 0 or -errno (-ENOENT: this kernel has none). */
int memory_read_ksm(const struct host_root *root, struct memory_ksm *ret_ksm) must_check;
