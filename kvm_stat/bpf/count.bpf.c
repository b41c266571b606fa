// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counts KVM's tracepoints in the kernel. A program is attached to many of them; which one it is
 * called for is told by its cookie, and what to do there by a table that is constant to the
 * verifier. The fields' offsets come from the running kernel's format files, so that no type of the
 * kernel is needed.
 *
 * There are several programs as each call of a helper takes about as long as all that is counted
 * without one, where CPUs return slowly on purpose (mitigations of Spectre and SRSO).
 *
 * No two programs run on a CPU at a time, so its totals are its own. A row belongs to one thread, so
 * no two CPUs write to it, but for the idle threads, which are all thread 0. Latencies end in the
 * entry to a guest, which no idle thread and no interrupt raises. What the kernel itself leaves out:
 * events that an interrupt raises while any such program runs on the same CPU, or one value of a map
 * is read there.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "kvm_stat/bpf/count.h"

/* The kernel lends most helpers to programs under the GPL only. */
char program_license[] SEC("license") = "GPL";

#define BIG_ENDIAN_HOST (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

const volatile struct count_event events[COUNT_EVENTS_MAX];

/* The process whose events alone are counted; 0: all. */
const volatile unsigned int only_process;

/* Events whose row could not be made, and stops of others that were not timed: a map is full. */
unsigned long long dropped[COUNT_EVENTS_MAX];
unsigned long long untimed;

/* Events that need no rows, and values of their fields that need none. Its size is set, too. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNT_EVENTS_MAX);
	__type(key, unsigned int);
	__type(value, unsigned long long);
} totals SEC(".maps");

/* The sizes of these are set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct count_key);
	__type(value, unsigned long long);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct count_key);
	__type(value, struct count_latency);
} latencies SEC(".maps");

struct start {
	unsigned long long time; /* ns; 0: the guest runs */
	struct count_key key;
};

/* By thread: since when its guest has been stopped, and what for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, unsigned int);
	__type(value, struct start);
} starts SEC(".maps");

/* The sizes are spelled out because the helper wants to know them. */
static __always_inline unsigned long long read_field(const char *record, unsigned int offset,
						     unsigned int size)
{
	unsigned long long value = 0;

	offset &= 0xfff;
	switch (size) {
	case 1:
		bpf_probe_read_kernel(&value, 1, record + offset);
		break;
	case 2:
		bpf_probe_read_kernel(&value, 2, record + offset);
		break;
	case 4:
		bpf_probe_read_kernel(&value, 4, record + offset);
		break;
	case 8:
		bpf_probe_read_kernel(&value, 8, record + offset);
		break;
	}
	return value;
}

/* A field of 4 bytes, as read_field() leaves it. The verifier wants to know the offset. */
#define READ_WORD(record, offset)                                                                  \
	((unsigned long long)*(const volatile unsigned int *)((record) + (offset))                 \
	 << (BIG_ENDIAN_HOST ? 32 : 0))

/* The fields of an event, as they stand in its record. */
static __always_inline void read_fields(const char *record, enum count_layout layout,
					const volatile struct count_event *event,
					unsigned long long *fields)
{
	switch (layout) {
	case COUNT_WORDS_8_12:
		fields[0] = READ_WORD(record, 8);
		fields[1] = READ_WORD(record, 12);
		return;
	case COUNT_WORDS_8_24:
		fields[0] = READ_WORD(record, 8);
		fields[1] = READ_WORD(record, 24);
		return;
	case COUNT_ANY_LAYOUT:
		break;
	}
	if (event->fields[0].size)
		fields[0] = read_field(record, event->fields[0].offset, event->fields[0].size);
	if (event->fields[1].size)
		fields[1] = read_field(record, event->fields[1].offset, event->fields[1].size);
}

/* How many bits a value has: the bucket of a logarithmic histogram that it belongs to. */
static __always_inline unsigned int bit_width(unsigned long long value)
{
	unsigned int width = 0;

#pragma unroll
	for (unsigned int step = 32; step; step >>= 1) {
		if (value >> step) {
			value >>= step;
			width += step;
		}
	}
	return width + (value != 0);
}

/* The square of a latency. Above 2^32 ns, four seconds, the lower 16 bits make no difference. */
static __always_inline void add_square(struct count_latency *latency, unsigned long long ns)
{
	unsigned long long low, high = 0;

	if (ns >> 32) {
		unsigned long long short_ns = ns >> 16; /* below 2^32 for nine years */

		low = short_ns * short_ns;
		high = low >> 32;
		low <<= 32;
	} else {
		low = ns * ns;
	}
	latency->squares_low += low;
	latency->squares_high += high + (latency->squares_low < low);
}

static __always_inline void add_latency(const struct count_key *key, unsigned long long ns)
{
	static const struct count_latency none;
	struct count_latency *latency = bpf_map_lookup_elem(&latencies, key);
	unsigned int bucket = bit_width(ns);

	if (!latency) {
		bpf_map_update_elem(&latencies, key, &none, BPF_NOEXIST);
		latency = bpf_map_lookup_elem(&latencies, key);
		if (!latency) {
			__sync_fetch_and_add(&untimed, 1);
			return;
		}
	}
	if (!latency->count || ns < latency->min)
		latency->min = ns;
	if (ns > latency->max)
		latency->max = ns;
	latency->count++;
	latency->sum += ns;
	add_square(latency, ns);
	if (bucket >= COUNT_BUCKETS)
		bucket = COUNT_BUCKETS - 1;
	latency->buckets[bucket]++;
}

static __always_inline void stop_clock(unsigned long long id)
{
	unsigned int tid = (unsigned int)id;
	struct start *start = bpf_map_lookup_elem(&starts, &tid);
	unsigned long long now;

	if (!start || !start->time)
		return;
	now = bpf_ktime_get_ns();
	/* Else the clock was started by a thread that ended and whose number is given out again. */
	if (start->key.tgid == id >> 32)
		add_latency(&start->key, now - start->time);
	start->time = 0;
}

static __always_inline void start_clock(unsigned int tid, const struct count_key *key)
{
	struct start *start = bpf_map_lookup_elem(&starts, &tid);

	if (!start) {
		struct start now = {.key = *key};

		now.time = bpf_ktime_get_ns();
		if (bpf_map_update_elem(&starts, &tid, &now, BPF_NOEXIST))
			__sync_fetch_and_add(&untimed, 1);
		return;
	}
	start->key = *key;
	start->time = bpf_ktime_get_ns();
}

static __always_inline void count_total(unsigned int index)
{
	unsigned long long *total = bpf_map_lookup_elem(&totals, &index);

	if (total)
		++*total;
}

/* Returns whether there is room. */
static __always_inline int count_row(const struct count_key *key)
{
	unsigned long long *count = bpf_map_lookup_elem(&rows, key);

	if (!count) {
		static const unsigned long long none;

		bpf_map_update_elem(&rows, key, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&rows, key);
	}
	if (!count) {
		__sync_fetch_and_add(&dropped[key->event & (COUNT_EVENTS_MAX - 1)], 1);
		return 0;
	}
	if (key->tid)
		++*count;
	else
		__sync_fetch_and_add(count, 1);
	return 1;
}

/* What the program returns: 0 would hide the event from everybody who watches it by perf. */
#define GO_ON 1

static __always_inline unsigned int event_index(void *record)
{
	return bpf_get_attach_cookie(record) & (COUNT_EVENTS_MAX - 1);
}

static __always_inline int is_wanted(void)
{
	return !only_process || bpf_get_current_pid_tgid() >> 32 == only_process;
}

static __always_inline int count(void *record, enum count_layout layout)
{
	unsigned int index = event_index(record);
	const volatile struct count_event *event = &events[index];
	struct count_key key = {.event = index};
	unsigned long long id, value;

	if (!is_wanted())
		return GO_ON;
	if (event->ends)
		stop_clock(bpf_get_current_pid_tgid());
	if (!event->by_thread && !event->values) {
		count_total(index);
		return GO_ON;
	}
	read_fields(record, layout, event, key.fields);
	value = key.fields[0];
	if (BIG_ENDIAN_HOST)
		value >>= 64 - 8 * event->fields[0].size;
	if (!key.fields[1] && value < event->values) {
		count_total(event->first + value);
		return GO_ON;
	}
	id = bpf_get_current_pid_tgid();
	key.tgid = id >> 32;
	key.tid = (unsigned int)id;
	/* What is dropped is lost once, and not also as a stop that was not timed. */
	if (count_row(&key) && event->starts)
		start_clock(key.tid, &key);
	return GO_ON;
}

SEC("tracepoint")
int count_any(void *record)
{
	return count(record, COUNT_ANY_LAYOUT);
}

SEC("tracepoint")
int count_words_8_12(void *record)
{
	return count(record, COUNT_WORDS_8_12);
}

SEC("tracepoint")
int count_words_8_24(void *record)
{
	return count(record, COUNT_WORDS_8_24);
}

/* Where nothing is wanted but how often there was an event. */
SEC("tracepoint")
int count_only(void *record)
{
	if (is_wanted())
		count_total(event_index(record));
	return GO_ON;
}
