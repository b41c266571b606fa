/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats-rows field|guest|vcpu PID [past]: prints a sample of the binary statistics of the guest of
 * process PID (0: all) for each line on standard input, every row as "name kind unit guest vcpu tid
 * value buckets...", a "-" where there is no vCPU, and then "partial=N unreadable=N error=N".
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "host/message.h"
#include "host/number.h"
#include "kvm_stat/source.h"

static void print_row(const struct sample *sample, const struct sample_row *row)
{
	static const char *const kinds[] = {"events", "time", "gauge", "peak", "histogram"};
	static const char *const units[] = {"-", "bytes", "ns", "cycles", "boolean"};
	const struct distribution *distribution = sample_distribution(sample, row);
	unsigned int i;

	printf("%s %s %s %d ", row->name, kinds[row->kind], units[row->unit], (int)row->guest);
	if (row->thread.is_vcpu)
		printf("%u", row->thread.vcpu);
	else
		putchar('-');
	printf(" %d %" PRIu64, (int)row->thread.tid, row->value);
	for (i = 0; distribution && i < distribution->bucket_count; i++)
		printf(" %" PRIu64, distribution->buckets[i]);
	putchar('\n');
}

static int print_sample(struct source *source, struct sample *sample)
{
	struct source_health health;
	size_t i;
	int r;

	sample_clear(sample);
	r = source_read(source, sample);
	if (r < 0)
		return r;
	sample_sort(sample);
	for (i = 0; i < sample->count; i++)
		print_row(sample, &sample->rows[i]);
	health = source_health(source);
	printf("partial=%d unreadable=%zu error=%d\n", sample->partial, health.unreadable,
	       health.error);
	return fflush(stdout) ? -errno : 0;
}

int main(int argc, char *argv[])
{
	struct host_root root = HOST_ROOT_NONE;
	struct selection selection = {.by = BY_FIELD};
	struct source *source = NULL;
	struct sample sample = {0};
	struct source_error error = {0};
	uint64_t pid;
	int c, r;

	message_set_program(argv[0], "stats-rows");
	if (argc < 3 || argc > 4 || number_parse_u64(argv[2], 0, INT32_MAX, &pid) < 0)
		return 2;
	if (strcmp(argv[1], "field"))
		selection.by = strcmp(argv[1], "vcpu") ? BY_GUEST : BY_VCPU;
	selection.pid = (pid_t)pid;
	r = host_root_open(NULL, &root);
	if (r == 0)
		r = source_stats_open(&root, argc == 4, false, &source, &error);
	if (r == 0)
		r = source_select(source, &selection, &error);
	while (r == 0 && (c = getchar()) != EOF) {
		if (c == 'r')
			source_reset(source);
		if (c == '\n')
			r = print_sample(source, &sample);
	}
	if (r < 0)
		message_error("%s", strerror(-r));
	source_close(source);
	sample_done(&sample);
	host_root_close(&root);
	return r < 0;
}
