/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes that release what a scope owns, and the few macros every file uses. */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup(fn)            __attribute__((cleanup(fn)))
#define must_check             __attribute__((warn_unused_result))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define array_size(a)          (sizeof(a) / sizeof((a)[0]))

static inline void cleanup_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_fn(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose_fn(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir_fn(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define cleanup_free     cleanup(cleanup_free_fn)
#define cleanup_close    cleanup(cleanup_close_fn)
#define cleanup_fclose   cleanup(cleanup_fclose_fn)
#define cleanup_closedir cleanup(cleanup_closedir_fn)

/* Hands the value over to somebody else: the cleanup of this scope then finds nothing. */
#define take_ptr(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
