/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps what goes to stdout or stderr for the test to look at. Failing to do so aborts. */
#pragma once

struct capture {
	int fd;    /* the descriptor that is captured */
	int saved; /* where it leads otherwise */
	int file;
};

/* Captures descriptor `fd` (1 or 2) from now on. */
struct capture capture_start(int fd);

/* Puts the descriptor back. Returns what was written meanwhile, to be freed. */
char *capture_end(struct capture *capture);
