/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/cpu_list.h"

#include <errno.h>
#include <string.h>

#include "host/number.h"

#define CPU_MAX 65535

static int parse_number(const char *start, size_t length, uint64_t *ret_value)
{
	char digits[8];

	if (length == 0 || length >= sizeof(digits))
		return -EBADMSG;
	memcpy(digits, start, length);
	digits[length] = '\0';
	return number_parse_u64(digits, 0, CPU_MAX, ret_value) < 0 ? -EBADMSG : 0;
}

int cpu_list_parse(const char *text, int **ret_cpus, size_t *ret_count)
{
	cleanup_free int *cpus = NULL;
	size_t count = 0;
	int64_t previous = -1;
	size_t length = strcspn(text, "\n");
	const char *p = text, *end = text + length;

	if (*end && strcmp(end, "\n"))
		return -EBADMSG; /* more than one line */
	while (p < end) {
		size_t part = strcspn(p, ",\n");
		const char *dash = memchr(p, '-', part);
		uint64_t first, last;
		int *grown;

		if (parse_number(p, dash ? (size_t)(dash - p) : part, &first) < 0)
			return -EBADMSG;
		last = first;
		if (dash && parse_number(dash + 1, (size_t)(p + part - dash - 1), &last) < 0)
			return -EBADMSG;
		if ((int64_t)first <= previous || last < first)
			return -EBADMSG;
		grown = reallocarray(cpus, count + (last - first + 1), sizeof(*cpus));
		if (!grown)
			return -ENOMEM;
		cpus = grown;
		previous = (int64_t)last;
		for (; first <= last; first++)
			cpus[count++] = (int)first;
		p += part;
		if (p < end && ++p == end)
			return -EBADMSG; /* a comma with nothing behind it */
	}
	if (count == 0)
		return -EBADMSG;
	*ret_cpus = take_ptr(cpus);
	*ret_count = count;
	return 0;
}

int cpu_list_online(const struct host_root *root, int **ret_cpus, size_t *ret_count)
{
	char buf[8192];
	ssize_t length = host_read(root, "sys/devices/system/cpu/online", buf, sizeof(buf));

	return length < 0 ? (int)length : cpu_list_parse(buf, ret_cpus, ret_count);
}
