/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which rows a filter gives when reasons without a name may come, by perf: what counts in the kernel
 * is replaced by one that has seen such a reason, which no guest makes on purpose.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "kvm_stat/perf_set.h"
#include "kvm_stat/source.h"
#include "tests/cli/private_mounts.h"

#define EXITS_EVENT "kvm_userspace_exit"
#define NUMBER      1001u
#define EXITS       3
#define COUNTERS    4096

static struct {
	struct perf_counter counters[COUNTERS];
	uint64_t now[COUNTERS];
	struct perf_tally tally;
	bool drained;
} made;

ssize_t perf_set_add(struct perf_set *set, struct perf_counter counter)
{
	assert_true(set->counter_count < COUNTERS);
	made.counters[set->counter_count] = counter;
	return (ssize_t)set->counter_count++;
}

int perf_target_compare(const void *a, const void *b)
{
	(void)a, (void)b;
	return 0;
}

int perf_set_follow(struct perf_set *set, const struct perf_targets *targets, size_t *ret_wanted)
{
	(void)targets, (void)ret_wanted;
	made.tally = (struct perf_tally){.live = true, .now = made.now};
	set->tallies = &made.tally;
	set->tally_count = 1;
	return 0;
}

int perf_set_read(struct perf_set *set)
{
	size_t i;

	for (i = 0; i < set->counter_count; i++)
		made.now[i] = made.counters[i].sampled ? EXITS : 0;
	return 0;
}

/* The exits' records, for whatever event they are looked at. */
void perf_set_drain(struct perf_set *set, void (*take)(const void *record, size_t size, void *data),
		    void *data)
{
	/* Its common fields, the reason and an errno. */
	uint32_t record[4] = {0, 0, NUMBER, 0};
	size_t i, j;

	for (i = 0; i < set->counter_count && !made.drained; i++) {
		uint16_t id = (uint16_t)made.counters[i].tracepoint;

		memcpy(record, &id, sizeof(id));
		for (j = 0; made.counters[i].sampled && j < EXITS; j++)
			take(record, sizeof(record), data);
	}
	made.drained = true;
}

void perf_set_reset(struct perf_set *set)
{
	(void)set;
}

void perf_set_done(struct perf_set *set)
{
	*set = (struct perf_set){0};
}

static struct host_root root;

/* The value of a row, or -1. */
static int64_t value(const struct sample *sample, const char *name)
{
	size_t i;

	for (i = 0; i < sample->count; i++) {
		if (strcmp(sample->rows[i].name, name) == 0)
			return (int64_t)sample->rows[i].value;
	}
	return -1;
}

static void test_rows(void **state)
{
	static const struct {
		const char *pattern;
		bool fixed_rows;
		int64_t event, number, other; /* values; -1: no row */
	} rows[] = {
		/* Beside what its records do not tell. */
		{EXITS_EVENT "\\(0x3e9\\)", false, 0, EXITS, 0},
		{EXITS_EVENT "\\(0x3e9\\)", true, -1, -1, -1},
		{EXITS_EVENT, false, 0, EXITS, 0},
		{EXITS_EVENT, true, 0, -1, EXITS},
		{EXITS_EVENT "$", false, 0, -1, -1},
		{EXITS_EVENT "\\(other\\)", false, 0, -1, EXITS},
		/* What matches no number brings nothing. */
		{".*_mmio", false, -1, -1, -1},
		{"(?!.*exit).*", false, -1, -1, -1},
	};
	struct sample sample = {0};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct selection selection = {.children = true, .fixed_rows = rows[i].fixed_rows};
		struct field_filter *filter = NULL;
		struct source *source;
		struct source_error error;
		char *why = NULL;

		memset(&made, 0, sizeof(made));
		assert_int_equal(field_filter_compile(rows[i].pattern, &filter, &why), 0);
		selection.filter = filter;
		assert_int_equal(source_tracepoint_open(&root, &source, &error), 0);
		assert_int_equal(source_select(source, &selection, &error), 0);
		sample_clear(&sample);
		assert_int_equal(source_read(source, &sample), 0);
		assert_row(value(&sample, EXITS_EVENT) == rows[i].event, rows[i].pattern);
		assert_row(value(&sample, EXITS_EVENT "(0x3e9)") == rows[i].number,
			   rows[i].pattern);
		assert_row(value(&sample, EXITS_EVENT "(other)") == rows[i].other, rows[i].pattern);
		source_close(source);
		field_filter_free(filter);
	}
	sample_done(&sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
	int r;

	enter_private_mounts();
	if (access("/sys/kernel/tracing/events/kvm", F_OK) < 0)
		skip_test("no-kvm", "the kernel has no tracepoints of KVM");
	if (host_root_open(NULL, &root) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	host_root_close(&root);
	return r;
}
