/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are there whole or not at all. */
#pragma once

#include "host/cleanup.h"

/*
 * Writes `path` with what `write` prints, by way of a new file beside it that takes its place, or
 * that of the file that a link leads to. What is there and no regular file, such as a device, is
 * refused. Returns 0 or -errno; nothing else is left behind, signals wait until then.
 */
int output_file_write(const char *path, void (*write)(FILE *stream, const void *data),
		      const void *data) must_check;

/*
 * Writes, as output_file_write(), a rule for make and Ninja that says that `target` is made from
 * `inputs`. Returns 0 or -errno (-EINVAL: a path that such a rule cannot hold).
 */
int output_file_write_rule(const char *path, const char *target, char *const *inputs,
			   size_t count) must_check;
