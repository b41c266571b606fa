/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of CPUs: what is taken is ascending, and written out it is the same list again. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "host/cpu_list.h"

static char *write_list(const int *cpus, size_t count)
{
	char *text = NULL;
	size_t length, i, end;
	FILE *stream = open_memstream(&text, &length);

	promise(stream);
	for (i = 0; i < count; i = end) {
		for (end = i + 1; end < count && cpus[end] == cpus[end - 1] + 1;)
			end++;
		fprintf(stream, "%s%d", i ? "," : "", cpus[i]);
		if (end - i > 1)
			fprintf(stream, "-%d", cpus[end - 1]);
	}
	putc('\n', stream);
	promise(fclose(stream) == 0);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *written;
	int *cpus = NULL, *again = NULL;
	size_t count = 0, count_again = 0, i;
	int r = cpu_list_parse(text, &cpus, &count);

	promise(r == 0 || r == -EBADMSG);
	free(text);
	if (r < 0) {
		promise(!cpus);
		return 0;
	}
	promise(count > 0 && count <= 65536 && cpus[0] >= 0 && cpus[count - 1] < 65536);
	for (i = 1; i < count; i++)
		promise(cpus[i] > cpus[i - 1]);
	written = write_list(cpus, count);
	promise(cpu_list_parse(written, &again, &count_again) == 0);
	promise(count_again == count && memcmp(cpus, again, count * sizeof(*cpus)) == 0);
	free(written);
	free(again);
	free(cpus);
	return 0;
}
