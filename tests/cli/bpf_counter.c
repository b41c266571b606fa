/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counter that the source via BPF reads, of vCPUs that make a known number of exits: latencies,
 * where rows are, and what it leaves when it cannot be opened.
 */
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>

#include "kvm_stat/bpf_counter.h"
#include "kvm_stat/tracepoint_event.h"
#include "tests/cli/bpf_guests.h"
#include "tests/cli/bpf_tables.h"

#define EXITS_EVENT "kvm_userspace_exit"

static struct host_root root;

/* Without slots, and with. */
static const unsigned int few_rows = BPF_FEW_ROWS, many_rows = BPF_MANY_ROWS;

static uint64_t tracepoint_id(const char *name)
{
	struct tracepoint_events events;
	uint64_t id = 0;
	bool found;
	size_t i;

	assert_int_equal(tracepoint_events_open(&root, &events, &found), 0);
	for (i = 0; i < events.count; i++) {
		if (strcmp(events.list[i].name, name) == 0)
			assert_int_equal(tracepoint_event_id(&events, &events.list[i], &id), 0);
	}
	tracepoint_events_done(&events);
	assert_int_not_equal(id, 0);
	return id;
}

struct latencies {
	struct count_key key;
	struct count_latency latency;
	size_t count;
};

static int take_latency(const struct count_key *key, const struct count_latency *latency,
			void *data)
{
	struct latencies *latencies = data;

	latencies->key = *key;
	latencies->latency = *latency;
	latencies->count++;
	return 0;
}

/* From each exit to userspace until the next `out` that the guest is at: 5 ms, as it is paced. */
static void test_latencies(void **state)
{
	const unsigned int *rows = *state;
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
	};
	struct bpf_guest_thread thread = {.vm = bpf_guest_vm(), .work = {.io = 40}, .rate = 200};
	struct latencies taken = {0};
	struct count_latency last, *latency = &taken.latency;
	struct bpf_counter *counter;
	uint64_t elapsed, totals[2], in_buckets = 0, count;
	pthread_t handle;
	size_t i;

	assert_int_equal(bpf_counter_open(events, 2, getpid(), *rows, &counter), 0);
	assert_int_equal(pthread_create(&handle, NULL, bpf_guest_run_thread, &thread), 0);
	pthread_join(handle, NULL);
	assert_int_equal(thread.r, 0);
	elapsed = thread.elapsed;
	assert_int_equal(bpf_counter_totals(counter, totals), 0);
	assert_int_equal(totals[1], 40);
	assert_int_equal(bpf_counter_latencies(counter, take_latency, &taken), 0);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.key.tid, thread.tid);

	assert_int_equal(latency->count, 39);
	assert_true(latency->sum <= elapsed);
	/* What is not in between: the run to each `out` and from there to userspace. */
	assert_true(latency->sum >= elapsed / 2);
	assert_true(latency->min <= latency->sum / 39 && latency->max >= latency->sum / 39);
	assert_true(latency->max <= elapsed);
	for (i = 0; i < COUNT_BUCKETS; i++) {
		in_buckets += latency->buckets[i];
		if (latency->buckets[i]) {
			assert_true(latency->max >= (i ? UINT64_C(1) << (i - 1) : 0));
			assert_true(latency->min < UINT64_C(1) << i);
		}
	}
	assert_int_equal(in_buckets, 39);
	/* Whatever the numbers are: sum * sum / count <= squares <= sum * max. */
	assert_int_equal(latency->squares_high, 0);
	assert_true((double)latency->squares_low * 1.000001 >=
		    (double)latency->sum * (double)latency->sum / 39);
	assert_true((double)latency->squares_low <=
		    (double)latency->sum * (double)latency->max * 1.000001);

	/* It can be taken once. */
	assert_int_equal(bpf_counter_take(counter, &taken.key, &count, &last), 0);
	assert_int_equal(count, 41);
	assert_memory_equal(&last, latency, sizeof(last));
	assert_int_equal(bpf_counter_take(counter, &taken.key, &count, &last), 0);
	assert_int_equal(count + last.count, 0);
	bpf_counter_close(counter);
	sample_vm_destroy(thread.vm);
}

/* Of a thread whose slots are another's. */
static void test_latencies_of_others(void **state)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
	};
	struct count_start start = {.owner = BPF_NO_THREAD, .key.tgid = (unsigned int)getpid()};
	struct count_key key = {.tgid = (unsigned int)getpid(), .tid = BPF_NO_THREAD};
	struct sample_vm *vm = bpf_guest_vm();
	struct latencies taken = {0};
	struct bpf_counter *counter;
	unsigned int i;
	pid_t tid;

	(void)state;
	assert_int_equal(bpf_counter_open(events, 2, getpid(), BPF_MANY_ROWS, &counter), 0);
	bpf_fill_slots(&key, 1);
	for (i = 0; i < COUNT_SLOTS; i++)
		assert_int_equal(bpf_map_update_elem(bpf_table("slot_starts", BPF_MAP_TYPE_ARRAY),
						     &i, &start, BPF_ANY),
				 0);
	tid = bpf_guest_work(vm, 0);
	assert_int_equal(bpf_counter_latencies(counter, take_latency, &taken), 0);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.key.tid, tid);
	assert_int_equal(taken.latency.count, IO - 1);
	assert_int_equal(bpf_counter_loss(counter).untimed, 0);
	bpf_counter_close(counter);
	sample_vm_destroy(vm);
}

static int add_count(const struct count_key *key, uint64_t count, void *data)
{
	uint64_t *sum = data;

	if ((pid_t)key->tid == gettid())
		*sum += count;
	return 0;
}

/* A row stays in the hash table when its slot gets free. */
static void test_slots_that_get_free(void **state)
{
	struct bpf_counter_event event = {.tracepoint = tracepoint_id(EXITS_EVENT),
					  .how = {.by_thread = 1}};
	struct bpf_guest_thread first = {.vm = bpf_guest_vm(), .work = {.io = IO}};
	struct bpf_guest_thread second = {.vm = first.vm, .id = 1, .work = {.io = IO}};
	struct count_key key = {.tgid = (unsigned int)getpid(), .tid = BPF_NO_THREAD};
	struct count_slot slot = {.state = COUNT_SLOT_FREE};
	struct bpf_counter *counter;
	uint64_t sum = 0;
	unsigned int i;

	(void)state;
	assert_int_equal(bpf_counter_open(&event, 1, getpid(), BPF_MANY_ROWS, &counter), 0);
	bpf_fill_slots(&key, 1);
	bpf_guest_run_thread(&first);
	for (i = 0; i < COUNT_SLOTS; i++)
		assert_int_equal(bpf_map_update_elem(bpf_table("slots", BPF_MAP_TYPE_ARRAY), &i,
						     &slot, BPF_ANY),
				 0);
	bpf_guest_run_thread(&second);
	assert_int_equal(first.r + second.r, 0);
	assert_int_equal(bpf_hash_rows(getpid()), 1);
	assert_int_equal(bpf_slot_rows(getpid()), 0);
	assert_int_equal(bpf_counter_rows(counter, add_count, &sum), 0);
	assert_int_equal(sum, 2 * (IO + 1));
	bpf_counter_close(counter);
	sample_vm_destroy(first.vm);
}

/* What has no room is lost once: a user is told of no more events than there were. */
static void test_no_room_for_latencies(void **state)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
	};
	struct sample_vm *vm = bpf_guest_vm();
	struct latencies taken = {0};
	struct bpf_counter_loss loss;
	struct bpf_counter *counter;
	pid_t first;

	(void)state;
	assert_int_equal(bpf_counter_open(events, 2, getpid(), 1, &counter), 0);
	first = bpf_guest_work(vm, 0);
	bpf_guest_work(vm, 1);
	loss = bpf_counter_loss(counter);
	assert_int_equal(loss.dropped, EXITS);
	assert_int_equal(loss.untimed, 0);
	assert_int_equal(bpf_counter_latencies(counter, take_latency, &taken), 0);
	assert_int_equal(taken.count, 1);
	assert_int_equal(taken.key.tid, first);
	bpf_counter_close(counter);
	sample_vm_destroy(vm);
}

/* How many maps of the kernel's are in our memory. */
static unsigned int mapped_slots(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned int count = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "rw-s") && strstr(line, "bpf-map");
	fclose(maps);
	return count;
}

/* What is opened half is closed again, and the next one works. */
static void test_refused_half_way(void **state)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = tracepoint_id(EXITS_EVENT), .how = {.by_thread = 1, .starts = 1}},
		{.tracepoint = tracepoint_id("kvm_pio"), .how = {.ends = 1}},
		{.tracepoint = UINT32_MAX},
	};
	struct bpf_counter *counter = NULL;
	int before = dup(0), after;

	(void)state;
	assert_int_equal(bpf_counter_open(events, 3, 0, BPF_MANY_ROWS, &counter), -EINVAL);
	assert_null(counter);
	after = dup(0);
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
	assert_int_equal(mapped_slots(), 0);
	assert_int_equal(bpf_counter_open(events, 2, 0, BPF_MANY_ROWS, &counter), 0);
	assert_int_equal(mapped_slots(), 3 + 1); /* and the program's own variables */
	bpf_counter_close(counter);
	assert_int_equal(mapped_slots(), 0);
	assert_int_equal(bpf_counter_open(events, COUNT_EVENTS_MAX + 1, 0, BPF_MANY_ROWS, &counter),
			 -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_latencies, (void *)&few_rows),
		cmocka_unit_test_prestate(test_latencies, (void *)&many_rows),
		cmocka_unit_test(test_latencies_of_others),
		cmocka_unit_test(test_slots_that_get_free),
		cmocka_unit_test(test_no_room_for_latencies),
		cmocka_unit_test(test_refused_half_way),
	};
	int r;

	bpf_guests_need();
	if (host_root_open(NULL, &root) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	host_root_close(&root);
	return r;
}
