/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that others read at any time: it is replaced as a whole, or stays as it was. */
#pragma once

#include <stddef.h>

#include "host/cleanup.h"

/*
 * Replaces the file at `path` by one of mode 0644 with this text: a reader sees the old text or the
 * new one. Returns 0 or -errno, after which the old file is as it was and nothing else is left
 * behind. -ELOOP: the path is a symbolic link, -ENOTSUP: it is something else that is no file.
 * Neither is written to nor replaced, since whoever may write to the directory could name any file
 * of this host by them.
 */
int textfile_write(const char *path, const char *text, size_t length) must_check;

/* Removes the file. Returns 0, also when there is none, or -errno as above. */
int textfile_remove(const char *path) must_check;

/*
 * Removes what earlier processes left of files for this path when they were killed amid a write.
 * What cannot be removed stays: the next write says why.
 */
void textfile_sweep(const char *path);
