/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <string.h>

int number_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *p;

	if (!*text)
		return -EINVAL;
	for (p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
	}
	for (p = text; *p; p++) {
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int number_parse_double(const char *text, double *ret_value)
{
	locale_t c_locale, previous;
	double value;
	char *end;

	/* strtod() would also take hexadecimal, blanks, "inf" and "nan". */
	if (!*text || text[strspn(text, "0123456789.eE+-")])
		return -EINVAL;
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (c_locale == (locale_t)0)
		return -errno;
	previous = uselocale(c_locale);
	value = strtod(text, &end);
	uselocale(previous);
	freelocale(c_locale);
	if (end == text || *end || !isfinite(value))
		return -EINVAL;
	*ret_value = value;
	return 0;
}
