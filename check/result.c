/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/result.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_PASS] = "PASS", [VERDICT_WARN] = "WARN",       [VERDICT_FAIL] = "FAIL",
		[VERDICT_SKIP] = "SKIP", [VERDICT_UNKNOWN] = "UNKNOWN",
	};

	return names[verdict];
}

static int replace(char **place, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static int replace(char **place, const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		return -ENOMEM;
	free(*place);
	*place = text;
	return 0;
}

int result_set(struct result *result, enum verdict verdict, const char *cause, const char *format,
	       ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = replace(&result->text, format, args);
	va_end(args);
	result->verdict = verdict;
	result->cause = cause;
	return r;
}

int result_advise(struct result *result, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = replace(&result->advice, format, args);
	va_end(args);
	return r;
}

int result_set_unreadable(struct result *result, const char *what, int error)
{
	int r = result_set(result, VERDICT_UNKNOWN, "unreadable", "%s cannot be read: %s", what,
			   strerror(error));

	if (r == 0 && (error == EACCES || error == EPERM))
		r = result_advise(result, "run kvm-check as root");
	return r;
}

void results_free(struct result *results, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(results[i].text);
		free(results[i].advice);
		results[i] = (struct result){0};
	}
}
