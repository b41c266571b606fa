/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kvm_stat's own memory and time do when guests make ever new exit numbers, when threads come
 * and go for days, and when memory ends: the counter in the kernel is replaced by one that makes
 * such rows up.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <time.h>

#include "kvm_stat/bpf_counter.h"
#include "kvm_stat/source.h"
#include "tests/cli/private_mounts.h"

#define EXITS_EVENT "kvm_userspace_exit"
#define NUMBERS     100000 /* new ones in each read */
#define THREADS     5000   /* likewise */
#define READS       20
#define NO_THREAD   0x40000000   /* above what the kernel gives out */
#define SECONDS_MAX 30           /* of this process's CPU time */
#define GROWTH_MAX  (256 * 1024) /* bytes */

static struct {
	bool numbers, threads;
	uint32_t reads;
	uint32_t taken;   /* rows of threads that are gone */
	bool memory_ends; /* once, for the next list that grows */
} made;

/* In the place of the C library's. */
void *reallocarray(void *ptr, size_t nmemb, size_t size)
{
	if (made.memory_ends) {
		made.memory_ends = false;
		errno = ENOMEM;
		return NULL;
	}
	assert_true(!size || nmemb <= SIZE_MAX / size);
	return realloc(ptr, nmemb * size);
}

int bpf_counter_open(const struct bpf_counter_event *events, size_t count, pid_t process,
		     unsigned int rows, struct bpf_counter **ret_counter)
{
	(void)process;
	assert_int_equal(count, 1);
	assert_true(events[0].how.by_thread || events[0].how.values);
	assert_int_equal(rows, SOURCE_BPF_ROWS);
	*ret_counter = (struct bpf_counter *)&made;
	return 0;
}

int bpf_counter_totals(struct bpf_counter *counter, uint64_t *totals)
{
	(void)counter;
	totals[0] = 0;
	return 0;
}

static int take_numbers(int (*take)(const struct count_key *key, uint64_t count, void *data),
			void *data)
{
	struct count_key key = {.tgid = (uint32_t)getpid(), .tid = (uint32_t)getpid()};
	uint32_t i, number;
	int r = 0;

	for (i = 0; i < NUMBERS && r == 0; i++) {
		number = 1000 + made.reads * NUMBERS + i;
		memcpy(&key.fields[0], &number, sizeof(number));
		r = take(&key, 3, data);
	}
	return r;
}

static int take_threads(int (*take)(const struct count_key *key, uint64_t count, void *data),
			void *data)
{
	struct count_key key = {.tgid = (uint32_t)getpid()};
	uint32_t i, first;
	int r = 0;

	/* They are there until they are taken. */
	first = made.taken;
	for (i = 0; i < THREADS && r == 0; i++) {
		key.tid = NO_THREAD + first + i;
		r = take(&key, 1, data); /* one more comes before it is taken */
	}
	return r;
}

int bpf_counter_rows(struct bpf_counter *counter,
		     int (*take)(const struct count_key *key, uint64_t count, void *data),
		     void *data)
{
	int r = 0;

	(void)counter;
	if (made.numbers)
		r = take_numbers(take, data);
	if (r == 0 && made.threads)
		r = take_threads(take, data);
	made.reads++;
	return r;
}

int bpf_counter_latencies(struct bpf_counter *counter,
			  int (*take)(const struct count_key *key,
				      const struct count_latency *latency, void *data),
			  void *data)
{
	(void)counter, (void)take, (void)data;
	return -ENOSYS;
}

int bpf_counter_take(struct bpf_counter *counter, const struct count_key *key, uint64_t *ret_count,
		     struct count_latency *ret_latency)
{
	(void)counter;
	assert_true(key->tid >= NO_THREAD);
	*ret_count = 2;
	*ret_latency = (struct count_latency){0};
	made.taken++;
	return 0;
}

struct bpf_counter_loss bpf_counter_loss(const struct bpf_counter *counter)
{
	(void)counter;
	return (struct bpf_counter_loss){0};
}

void bpf_counter_close(struct bpf_counter *counter)
{
	(void)counter;
}

static struct host_root root;

static void start_with(const char *pattern, const char *only, struct source **ret_source,
		       struct field_filter **ret_filter)
{
	struct selection selection = {.children = true, .only = only};
	struct source_error error;
	char *why = NULL;

	assert_int_equal(field_filter_compile(pattern, ret_filter, &why), 0);
	selection.filter = *ret_filter;
	assert_int_equal(source_bpf_open(&root, SOURCE_BPF_ROWS, ret_source, &error), 0);
	assert_int_equal(source_select(*ret_source, &selection, &error), 0);
}

static void start(struct source **ret_source, struct field_filter **ret_filter)
{
	start_with(EXITS_EVENT, NULL, ret_source, ret_filter);
}

/* The event's value; *ret_sum is that of its reasons, which are *ret_count. */
static uint64_t read_values(struct source *source, struct sample *sample, uint64_t *ret_sum,
			    size_t *ret_count)
{
	uint64_t value = 0;
	size_t i;

	*ret_sum = *ret_count = 0;
	sample_clear(sample);
	assert_int_equal(source_read(source, sample), 0);
	for (i = 0; i < sample->count; i++) {
		if (sample->rows[i].parent) {
			*ret_sum += sample->rows[i].value;
			++*ret_count;
		} else {
			value = sample->rows[i].value;
		}
	}
	return value;
}

static size_t memory(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void test_endless_numbers(void **state)
{
	struct source *source;
	struct field_filter *filter;
	struct sample sample = {0};
	uint64_t value, sum;
	size_t count, i, before = 0, after = 0;
	clock_t begin = clock();

	(void)state;
	memset(&made, 0, sizeof(made));
	made.numbers = true;
	start(&source, &filter);
	for (i = 0; i < READS; i++) {
		value = read_values(source, &sample, &sum, &count);
		/* As each read makes rows that were not there before, those before are gone. */
		assert_int_equal(value, 3 * NUMBERS);
		assert_int_equal(sum, value);
		assert_true(count < 5000);
		after = memory();
		before = i == 3 ? after : before;
	}
	assert_true(clock() - begin < (clock_t)SECONDS_MAX * CLOCKS_PER_SEC);
	assert_true(after < before + GROWTH_MAX);
	source_close(source);
	field_filter_free(filter);
	sample_done(&sample);
}

/* A number that cannot be named for lack of memory is not without a name for ever. */
static void test_memory_that_ends(void **state)
{
	struct source *source;
	struct field_filter *filter;
	struct sample sample = {0};
	uint64_t value, sum;
	size_t count;

	(void)state;
	memset(&made, 0, sizeof(made));
	made.numbers = true;
	start(&source, &filter);
	made.memory_ends = true;
	assert_int_equal(source_read(source, &sample), -ENOMEM);
	assert_false(made.memory_ends);
	made.reads = 0; /* the same numbers again */
	value = read_values(source, &sample, &sum, &count);
	assert_int_equal(value, 3 * NUMBERS);
	assert_int_equal(sum, value);

	/* Nor is a reset forgotten that could not be done. */
	made.threads = true;
	made.numbers = false;
	made.memory_ends = true; /* for the rows to be taken out */
	source_reset(source);
	assert_false(made.memory_ends);
	assert_int_equal(source_read(source, &sample), -ENOMEM);
	source_close(source);
	field_filter_free(filter);
	sample_done(&sample);
}

static void test_endless_threads(void **state)
{
	struct source *source;
	struct field_filter *filter;
	struct sample sample = {0};
	uint64_t value = 0, sum;
	size_t count, i, before = 0, after = 0;

	(void)state;
	memset(&made, 0, sizeof(made));
	made.threads = true;
	start(&source, &filter);
	for (i = 0; i < READS; i++) {
		value = read_values(source, &sample, &sum, &count);
		assert_int_equal(sum, value);
		after = memory();
		before = i == 3 ? after : before;
	}
	assert_int_equal(made.taken, READS * THREADS);
	assert_int_equal(value, 2 * READS * THREADS);
	assert_true(after < before + GROWTH_MAX);
	source_close(source);
	field_filter_free(filter);
	sample_done(&sample);
}

/* A row that nobody knows before it is there can be asked for, too. */
static void test_number_alone(void **state)
{
	static const struct {
		const char *pattern, *only;
	} ways[] = {{EXITS_EVENT "\\(0x3e9\\)", NULL}, {"", EXITS_EVENT "(0x3e9)"}};
	struct sample sample = {0};
	uint64_t sum;
	size_t count, i;

	(void)state;
	for (i = 0; i < array_size(ways); i++) {
		struct source *source;
		struct field_filter *filter;

		memset(&made, 0, sizeof(made));
		made.numbers = true;
		start_with(ways[i].pattern, ways[i].only, &source, &filter);
		assert_true(source_health(source).fields > 0);
		(void)read_values(source, &sample, &sum, &count);
		assert_int_equal(count, 1);
		assert_int_equal(sum, 3);
		assert_string_equal(sample.rows[sample.count - 1].name, EXITS_EVENT "(0x3e9)");
		source_close(source);
		field_filter_free(filter);
	}
	sample_done(&sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endless_numbers),
		cmocka_unit_test(test_endless_threads),
		cmocka_unit_test(test_memory_that_ends),
		cmocka_unit_test(test_number_alone),
	};
	int r;

	need_host_pids();
	enter_private_mounts();
	if (access("/sys/kernel/tracing/events/kvm", F_OK) < 0)
		skip_test("no-kvm", "the kernel has no tracepoints of KVM");
	if (host_root_open(NULL, &root) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	host_root_close(&root);
	return r;
}
