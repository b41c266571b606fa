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
 * no two CPUs write to it, but for the idle threads, which are all thread 0: that has no slots, and
 * is counted atomically. User space takes out rows of threads that have ended. Latencies end in the
 * entry to a guest, which no idle thread and no interrupt raises. What the kernel itself leaves out:
 * events that an interrupt raises while any such program runs on the same CPU, or one value of a map
 * is read there.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "kvm_stat/bpf/count.h"

/* The kernel lends most helpers to programs under the GPL only. */
char program_license[] SEC("license") = "GPL";

/* In any order, so that no compiler asks for the number before, which not every kernel knows. */
#define ADD_ONE(number) __atomic_fetch_add(number, 1, __ATOMIC_RELAXED)

#define BIG_ENDIAN_HOST (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

const volatile struct count_event events[COUNT_EVENTS_MAX];

/* The process whose events alone are counted; 0: all. */
const volatile unsigned int only_process;

/* Whether there are slots, and whether any event starts the clock: what is not used is not verified. */
const volatile unsigned int has_slots, has_clock;

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
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, unsigned int);
	__type(value, struct count_slot);
} slots SEC(".maps");

/* Of the rows in slots. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, unsigned int);
	__type(value, struct count_latency);
} slot_latencies SEC(".maps");

/* By thread. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, unsigned int);
	__type(value, struct count_start);
} slot_starts SEC(".maps");

/* These have what found its slot taken. */
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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, unsigned int);
	__type(value, struct count_start);
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

/*
 * How many bits a value below 2^63 has: the bucket of a logarithmic histogram that it belongs to.
 * Without branches, as the verifier would go through all of them in all combinations.
 */
static __always_inline unsigned int bit_width(unsigned long long value)
{
	unsigned int width = 0;

#pragma unroll
	for (unsigned int step = 32; step; step >>= 1) {
		/* `step` if there are more bits than that, which makes the difference negative. */
		unsigned int more = ((1ULL << step) - 1 - value) >> 63 << __builtin_ctz(step);

		value >>= more;
		width += more;
	}
	return width + (unsigned int)value;
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

/* Where the latencies of the row are that a stop belongs to, or NULL: there is no room. */
static __always_inline struct count_latency *find_latency(const struct count_start *start)
{
	static const struct count_latency none;
	unsigned int index = start->slot;
	struct count_slot *slot = has_slots ? bpf_map_lookup_elem(&slots, &index) : 0;
	struct count_latency *latency;
	struct count_key key;

	/* It may have been given to another row since. */
	if (slot && slot->state == COUNT_SLOT_TAKEN && count_key_is(&slot->key, &start->key))
		return bpf_map_lookup_elem(&slot_latencies, &index);
	/* A copy: a key that changed while it is put into the table would never be found again. */
	key = start->key;
	latency = bpf_map_lookup_elem(&latencies, &key);
	if (latency)
		return latency;
	bpf_map_update_elem(&latencies, &key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&latencies, &key);
}

static __always_inline void add_latency(const struct count_start *start, unsigned long long ns)
{
	struct count_latency *latency = find_latency(start);
	unsigned int bucket = bit_width(ns);

	if (!latency) {
		ADD_ONE(&untimed);
		return;
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

static __always_inline struct count_start *find_start(unsigned int tid)
{
	unsigned int index = tid % COUNT_SLOTS;
	struct count_start *start = has_slots ? bpf_map_lookup_elem(&slot_starts, &index) : 0;

	return start && tid && start->owner == tid ? start : bpf_map_lookup_elem(&starts, &tid);
}

static __always_inline void stop_clock(unsigned long long id)
{
	struct count_start *start = find_start((unsigned int)id);
	unsigned long long now;

	if (!start || !start->time)
		return;
	now = bpf_ktime_get_ns();
	/*
	 * Else the clock was started by a thread that ended and whose number is given out again, or
	 * by one that user space took for ended, and the slot is another's.
	 */
	if (start->key.tgid == id >> 32 && start->key.tid == (unsigned int)id)
		add_latency(start, now - start->time);
	start->time = 0;
}

/* Makes what start_clock() did not find. Returns it, or NULL: there is no room. */
static __always_inline struct count_start *make_start(unsigned int tid)
{
	static const struct count_start none;
	unsigned int index = tid % COUNT_SLOTS;
	struct count_start *start = has_slots ? bpf_map_lookup_elem(&slot_starts, &index) : 0;

	if (start && tid && __sync_val_compare_and_swap(&start->owner, 0, tid) == 0)
		return start;
	bpf_map_update_elem(&starts, &tid, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&starts, &tid);
}

static __always_inline void start_clock(const struct count_key *key, unsigned int slot)
{
	struct count_start *start = find_start(key->tid);

	if (!start)
		start = make_start(key->tid);
	if (!start) {
		ADD_ONE(&untimed);
		return;
	}
	start->slot = slot;
	start->key = *key;
	start->time = bpf_ktime_get_ns();
}

static __always_inline void count_total(unsigned int index)
{
	unsigned long long *total = bpf_map_lookup_elem(&totals, &index);

	if (total)
		++*total;
}

/* Makes the slot the key's, if it is free. Returns whether it was. */
static __always_inline int claim_slot(struct count_slot *slot, unsigned int index,
				      const struct count_key *key)
{
	struct count_latency *latency;

	if (!key->tid || __sync_val_compare_and_swap(&slot->state, COUNT_SLOT_FREE,
						     COUNT_SLOT_BUSY) != COUNT_SLOT_FREE)
		return 0;
	slot->key = *key;
	slot->count = 1;
	/* The one before may have added to it after user space had taken that away. */
	latency = has_clock ? bpf_map_lookup_elem(&slot_latencies, &index) : 0;
	if (latency)
		__builtin_memset(latency, 0, sizeof(*latency));
	/* Atomic as it must not come before these. */
	__sync_val_compare_and_swap(&slot->state, COUNT_SLOT_BUSY, COUNT_SLOT_TAKEN);
	return 1;
}

/* Returns the slot of the row, COUNT_SLOTS for one in the hash table, or -1: there is no room. */
static __always_inline int count_row(const struct count_key *key)
{
	static const unsigned long long none;
	unsigned int index = count_slot_of(key);
	struct count_slot *slot = has_slots ? bpf_map_lookup_elem(&slots, &index) : 0;
	unsigned long long *count;

	if (slot && slot->state == COUNT_SLOT_TAKEN && count_key_is(&slot->key, key)) {
		++slot->count;
		return (int)index;
	}
	count = bpf_map_lookup_elem(&rows, key);
	if (!count && slot && claim_slot(slot, index, key))
		return (int)index;
	if (!count) {
		bpf_map_update_elem(&rows, key, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&rows, key);
	}
	if (!count) {
		ADD_ONE(&dropped[key->event & (COUNT_EVENTS_MAX - 1)]);
		return -1;
	}
	if (key->tid)
		++*count;
	else
		ADD_ONE(count);
	return COUNT_SLOTS;
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
	int slot;

	if (!is_wanted())
		return GO_ON;
	if (has_clock && event->ends)
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
	slot = count_row(&key);
	if (has_clock && slot >= 0 && event->starts)
		start_clock(&key, (unsigned int)slot);
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
