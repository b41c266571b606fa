/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a recording of busy guests: made-recording FILE GUESTS SAMPLES. Each has 4 vCPUs with 20 rows
 * each, 10 of them exit reasons with their times; all change in each sample by what a guest does in a
 * second. Nothing repeats, so that it can be packed no better than what real guests do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/recording_writer.h"

#define VCPUS 4
#define ROWS  20
#define TIMED 10

static uint64_t state = 1;

static uint64_t dice(uint64_t sides)
{
	state = state * 6364136223846793005 + 1442695040888963407;
	return (state >> 33) % sides;
}

static void add_times(struct distribution *times, uint64_t count, uint64_t typical)
{
	unsigned int bucket = 64 - (unsigned int)__builtin_clzll(typical);
	uint64_t left = count, sum = 0, i, square;

	/* Most take about as long, some twice or four times, few much longer. */
	for (i = 0; i < 5 && left; i++) {
		uint64_t here = i == 4 ? left : left - dice(left / 2 + 1);

		times->buckets[bucket + i] += here;
		sum += here * ((typical << i) + dice(typical));
		left -= here;
	}
	times->count += count;
	times->sum += sum;
	square = sum / (count + 1) * sum + dice(1U << 20);
	times->squares_low += square;
	times->squares_high += times->squares_low < square;
	if (!times->max || dice(20) == 0)
		times->max += dice(typical * 8);
	times->min = times->min ? times->min : typical / 2;
}

int main(int argc, char *argv[])
{
	struct recording_head head = {.host = (char *)"made",
				      .sources = {(char *)"tracepoints"},
				      .source_count = 1,
				      .by = BY_VCPU,
				      .interval = 1};
	int guests = argc > 3 ? (int)strtol(argv[2], NULL, 10) : 0;
	int samples = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
	size_t count = (size_t)guests * VCPUS * ROWS, i;
	uint64_t *values = calloc(count + 1, sizeof(*values));
	struct distribution *times = calloc(count + 1, sizeof(*times));
	struct guests list = {.list = calloc((size_t)guests + 1, sizeof(*list.list))};
	struct recording_writer *writer;
	struct sample sample = {0};
	static char names[ROWS][40];
	int number, r;

	if (argc != 4 || !values || !times || !list.list)
		return 2;
	for (i = 0; i < ROWS; i++)
		snprintf(names[i], sizeof(names[i]),
			 i < TIMED ? "kvm_exit(REASON_%zu)" : "kvm_event_%zu", i);
	for (i = 0; i < (size_t)guests; i++) {
		char text[32];

		snprintf(text, sizeof(text), "guest-%zu", i);
		list.list[list.count++] = (struct guest){.pid = (pid_t)(1000 + 10 * i),
							 .name = strdup(text),
							 .raw_name = strdup(text)};
	}
	r = recording_writer_open(argv[1], &head, &writer);
	for (number = 0; number < samples && r == 0; number++) {
		struct recording_moment moment = {
			.monotonic_ns = 1000000000ULL * (unsigned int)(number + 1) + dice(100000),
			.time = {.tv_sec = 1700000000 + number}};

		sample_clear(&sample);
		for (i = 0; i < count && r == 0; i++) {
			size_t row = i % ROWS, vcpu = i / ROWS % VCPUS, guest = i / ROWS / VCPUS;
			uint64_t change = dice(1U << (4 + row % 10));
			struct sample_row now = {
				.name = names[row],
				.parent = row < TIMED ? "kvm_exit" : NULL,
				.guest = list.list[guest].pid,
				.thread = {.tid = list.list[guest].pid + 1 + (pid_t)vcpu,
					   .is_vcpu = true,
					   .vcpu = (unsigned int)vcpu,
					   .has_cpu = true,
					   .cpu = (unsigned int)dice(64)}};

			/* All rows of a thread tell the same CPU. */
			if (row)
				now.thread.cpu = sample.rows[sample.count - 1].thread.cpu;
			now.value = values[i] += change;
			if (row < TIMED) {
				times[i].scale = DISTRIBUTION_LOG2;
				times[i].bucket_count = 40;
				times[i].has_moments = times[i].has_extremes = true;
				if (change)
					add_times(&times[i], change, 1000U << row % 5);
				r = sample_add_distribution(&sample, now, &times[i]);
			} else {
				r = sample_add(&sample, now);
			}
		}
		sample_sort(&sample);
		if (r == 0)
			r = recording_writer_add(writer, &sample, &moment, &list);
	}
	if (r == 0)
		r = recording_writer_close(writer);
	if (r < 0)
		fprintf(stderr, "%s\n", strerror(-r));
	guests_done(&list);
	sample_done(&sample);
	free(times);
	free(values);
	return r < 0;
}
