/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/formats.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/root.h"

char *formats_read(const char *machine, const char *group, const char *event)
{
	const char *source = getenv("SOURCE_DIR");
	char path[4096];
	char *text;

	snprintf(path, sizeof(path), "%s/tests/fixtures/formats/%s/%s/%s/format",
		 source ? source : ".", machine, group, event);
	if (host_read_alloc(AT_FDCWD, path, 65536, &text) < 0) {
		perror(path);
		abort();
	}
	return text;
}

struct event_format *formats_parse(const char *machine, const char *group, const char *event)
{
	char *text = formats_read(machine, group, event);
	struct event_format *format;

	if (event_format_parse(text, strlen(text), group, &format) < 0)
		abort();
	free(text);
	return format;
}

void record_set(unsigned char record[RECORD_SIZE], const struct event_format *format,
		const char *field, uint64_t value)
{
	const struct event_field *found = event_format_field(format, field);

	if (!found || found->offset + found->size > RECORD_SIZE)
		abort();
		/* The tests run where they were built: the low bytes come first on little endian only. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value <<= 64 - 8 * found->size;
#endif
	memcpy(record + found->offset, &value, found->size);
}
