/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a check has found. */
#pragma once

#include "host/cleanup.h"

enum verdict {
	VERDICT_PASS,
	VERDICT_WARN,    /* guests run, but something is missing or slow */
	VERDICT_FAIL,    /* KVM cannot be used */
	VERDICT_SKIP,    /* there is nothing to be checked on this host */
	VERDICT_UNKNOWN, /* what would tell cannot be read */
};

struct result {
	const char *name; /* of the check */
	enum verdict verdict;
	const char *cause; /* stable code, "ok" for PASS without more to say */
	char *text;        /* one line, not yet clean */
	char *advice;      /* what to do, or NULL */
};

/* "PASS", "WARN", "FAIL", "SKIP" or "UNKNOWN". */
const char *verdict_name(enum verdict verdict);

/* Sets everything but the name and the advice. Returns 0 or -ENOMEM. */
int result_set(struct result *result, enum verdict verdict, const char *cause, const char *format,
	       ...) printf_like(4, 5) must_check;

/* Sets the advice. Returns 0 or -ENOMEM. */
int result_advise(struct result *result, const char *format, ...) printf_like(2, 3) must_check;

/* UNKNOWN, code "unreadable": `what` cannot be read for this positive errno. Returns 0 or -ENOMEM. */
int result_set_unreadable(struct result *result, const char *what, int error) must_check;

/* Releases what `count` results own. */
void results_free(struct result *results, size_t count);
