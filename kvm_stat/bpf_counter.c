/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/bpf_counter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "count.skel.h"
#include "kvm_stat/fd_reaper.h"

/*
 * Only a hash table's heads take memory (16 bytes per row) before there are rows; kernels before 6.1
 * want all of it at once.
 */
#define ROWS_MAX_OLD (32U * 1024)
#define BATCH        64U /* totals read by one system call */

struct bpf_counter {
	struct count *skeleton;
	size_t count;     /* of events */
	int *links;       /* for each event, or -1 */
	uint64_t *totals; /* of events, then of values of their fields */
	unsigned int total_count;
	uint64_t *cpu_totals; /* room for BATCH of them on all possible CPUs */
	int cpus;             /* possible */
	bool times;           /* latencies are measured */
	/* COUNT_SLOTS of each, shared with the kernel; NULL without rows, or with few. */
	struct count_slot *slots;
	struct count_latency *latencies; /* these two are NULL unless `times` */
	struct count_start *starts;
};

/* Before 6.1, elements made while tracing might deadlock on the allocator's own locks. */
static bool kernel_allocates_safely(void)
{
	struct utsname names;
	unsigned long major, minor;
	char *end;

	if (uname(&names) < 0)
		return false;
	major = strtoul(names.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return major > 6 || (major == 6 && minor >= 1);
}

static int set_size(struct bpf_map *map, unsigned int rows)
{
	bool safe = kernel_allocates_safely();
	int r = bpf_map__set_max_entries(map, safe || rows < ROWS_MAX_OLD ? rows : ROWS_MAX_OLD);

	return r < 0 || !safe ? r : bpf_map__set_map_flags(map, BPF_F_NO_PREALLOC);
}

/* Maps that are not used have one row, the least that there can be. */
static int set_sizes(struct count *skeleton, bool counts, bool times, unsigned int rows)
{
	bool slotted = skeleton->rodata->has_slots;
	unsigned int slots = slotted && counts ? COUNT_SLOTS : 1;
	unsigned int timed = slotted && times ? COUNT_SLOTS : 1;
	int r;

	if (slotted)
		rows -= COUNT_SLOTS;
	r = set_size(skeleton->maps.rows, counts ? rows : 1);
	if (r == 0)
		r = set_size(skeleton->maps.latencies, times ? rows : 1);
	if (r == 0)
		r = set_size(skeleton->maps.starts, times ? rows : 1);
	if (r == 0)
		r = bpf_map__set_max_entries(skeleton->maps.slots, slots);
	if (r == 0)
		r = bpf_map__set_max_entries(skeleton->maps.slot_latencies, timed);
	return r < 0 ? r : bpf_map__set_max_entries(skeleton->maps.slot_starts, timed);
}

/* Shares an array with the kernel. Returns 0 and *ret_elements, to be unmapped, or -errno. */
static int share_slots(const struct bpf_map *map, size_t element_size, void **ret_elements)
{
	void *elements = mmap(NULL, COUNT_SLOTS * element_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      bpf_map__fd(map), 0);

	if (elements == MAP_FAILED)
		return -errno;
	*ret_elements = elements;
	return 0;
}

static int share_all_slots(struct bpf_counter *counter, bool counts)
{
	const struct count *skeleton = counter->skeleton;
	void *slots = NULL, *latencies = NULL, *starts = NULL;
	int r;

	if (!counts || !skeleton->rodata->has_slots)
		return 0;
	r = share_slots(skeleton->maps.slots, sizeof(*counter->slots), &slots);
	counter->slots = slots;
	if (r == 0 && counter->times)
		r = share_slots(skeleton->maps.slot_latencies, sizeof(*counter->latencies),
				&latencies);
	counter->latencies = latencies;
	if (r == 0 && counter->times)
		r = share_slots(skeleton->maps.slot_starts, sizeof(*counter->starts), &starts);
	counter->starts = starts;
	return r;
}

static void unmap_slots(struct bpf_counter *counter)
{
	if (counter->slots)
		munmap(counter->slots, COUNT_SLOTS * sizeof(*counter->slots));
	if (counter->latencies)
		munmap(counter->latencies, COUNT_SLOTS * sizeof(*counter->latencies));
	if (counter->starts)
		munmap(counter->starts, COUNT_SLOTS * sizeof(*counter->starts));
}

static bool has_words_at(const struct count_event *event, unsigned int first, unsigned int second)
{
	return event->fields[0].size == 4 && event->fields[0].offset == first &&
	       event->fields[1].size == 4 && event->fields[1].offset == second;
}

/* The quickest program that does what is to be done at an event. */
static struct bpf_program *find_program(const struct count *skeleton,
					const struct count_event *event)
{
	if (!event->by_thread && !event->values && !event->ends)
		return skeleton->progs.count_only;
	if (has_words_at(event, 8, 12))
		return skeleton->progs.count_words_8_12;
	if (has_words_at(event, 8, 24))
		return skeleton->progs.count_words_8_24;
	return skeleton->progs.count_any;
}

static int load(struct bpf_counter *counter, const struct bpf_counter_event *events, pid_t process,
		unsigned int rows)
{
	struct count *skeleton = counter->skeleton;
	bool counts = false, times = false;
	struct bpf_program *program = NULL;
	size_t i, totals = counter->count;
	int r;

	while ((program = bpf_object__next_program(skeleton->obj, program)))
		bpf_program__set_autoload(program, false);
	for (i = 0; i < counter->count; i++) {
		struct count_event how = events[i].how;

		bpf_program__set_autoload(find_program(skeleton, &how), true);
		how.first = (uint16_t)totals;
		totals += how.values;
		skeleton->rodata->events[i] = how;
		counts |= how.by_thread || how.values;
		times |= how.starts;
	}
	if (totals > UINT16_MAX)
		return -E2BIG;
	skeleton->rodata->only_process = (unsigned int)process;
	skeleton->rodata->has_slots = rows >= 2 * COUNT_SLOTS;
	skeleton->rodata->has_clock = times;
	counter->times = times;
	counter->total_count = (unsigned int)totals;
	counter->totals = calloc(totals + 1, sizeof(*counter->totals));
	if (!counter->totals)
		return -ENOMEM;
	r = set_sizes(skeleton, counts, times, rows);
	if (r == 0)
		r = bpf_map__set_max_entries(skeleton->maps.totals, counter->total_count);
	if (r == 0)
		r = count__load(skeleton);
	return r < 0 ? r : share_all_slots(counter, counts);
}

/* Opens it on the first CPU that is online: the program is for all of them. */
static int open_tracepoint(uint64_t id, int cpus)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = id,
		.disabled = 1,
	};
	int fd, cpu = 0;

	do {
		fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	} while (fd < 0 && errno == ENODEV && ++cpu < cpus);
	return fd < 0 ? -errno : fd;
}

/*
 * Attaches the program to one event. The perf event only leads to the tracepoint, and the link keeps
 * it: the program runs on every CPU. The event is switched off again, so that it counts nothing.
 */
static int attach(struct bpf_counter *counter, size_t index, const struct bpf_counter_event *event)
{
	const struct bpf_program *program = find_program(counter->skeleton, &event->how);
	struct bpf_perf_event_opts options = {.sz = sizeof(options), .bpf_cookie = index};
	cleanup_close int fd = open_tracepoint(event->tracepoint, counter->cpus);
	struct bpf_link *link;

	if (fd < 0)
		return fd;
	link = bpf_program__attach_perf_event_opts(program, fd, &options);
	if (!link)
		return -errno;
	counter->links[index] = bpf_link__fd(link);
	/* The descriptor is closed in the background, which libbpf cannot. */
	bpf_link__disconnect(link);
	bpf_link__destroy(link);
	return ioctl(fd, PERF_EVENT_IOC_DISABLE, 0) < 0 ? -errno : 0;
}

static struct bpf_counter *new_counter(size_t count)
{
	struct bpf_counter *counter = calloc(1, sizeof(*counter));
	size_t i;

	if (!counter)
		return NULL;
	counter->count = count;
	counter->cpus = libbpf_num_possible_cpus();
	counter->links = calloc(count + 1, sizeof(*counter->links));
	for (i = 0; counter->links && i < count; i++)
		counter->links[i] = -1;
	counter->cpu_totals = counter->cpus > 0 ? calloc((size_t)counter->cpus * BATCH,
							 sizeof(*counter->cpu_totals))
						: NULL;
	counter->skeleton = count__open();
	if (counter->links && counter->cpu_totals && counter->skeleton)
		return counter;
	bpf_counter_close(counter);
	return NULL;
}

/* What libbpf has to say is for its developers; users are told by the errno. */
static int say_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int bpf_counter_open(const struct bpf_counter_event *events, size_t count, pid_t process,
		     unsigned int rows, struct bpf_counter **ret_counter)
{
	struct bpf_counter *counter;
	size_t i;
	int r;

	if (count > COUNT_EVENTS_MAX)
		return -E2BIG;
	libbpf_set_print(say_nothing);
	counter = new_counter(count);
	if (!counter)
		return -ENOMEM;
	r = load(counter, events, process, rows);
	/* What ends the clock comes first, so that nothing that it ends is missed. */
	for (i = 0; r == 0 && i < count; i++)
		r = events[i].how.ends ? attach(counter, i, &events[i]) : 0;
	for (i = 0; r == 0 && i < count; i++)
		r = events[i].how.ends ? 0 : attach(counter, i, &events[i]);
	if (r < 0) {
		bpf_counter_close(counter);
		return r;
	}
	*ret_counter = counter;
	return 0;
}

/* Reads what all CPUs together have counted in each of the totals. */
static int read_totals(struct bpf_counter *counter)
{
	int map = bpf_map__fd(counter->skeleton->maps.totals), cpu;
	unsigned int keys[BATCH], position, count, first, i;

	for (first = 0; first < counter->total_count; first += count) {
		count = counter->total_count - first < BATCH ? counter->total_count - first : BATCH;
		if (bpf_map_lookup_batch(map, first ? &position : NULL, &position, keys,
					 counter->cpu_totals, &count, NULL) < 0)
			return -errno;
		for (i = 0; i < count; i++) {
			uint64_t *total = &counter->totals[first + i];

			*total = 0;
			for (cpu = 0; cpu < counter->cpus; cpu++)
				*total += counter->cpu_totals[i * (unsigned int)counter->cpus +
							      (unsigned int)cpu];
		}
	}
	return 0;
}

int bpf_counter_totals(struct bpf_counter *counter, uint64_t *totals)
{
	const struct count_event *events =
		(const struct count_event *)counter->skeleton->rodata->events;
	unsigned int i;
	int r = read_totals(counter);

	for (i = 0; i < counter->count && r == 0; i++) {
		totals[i] = __atomic_load_n(&counter->skeleton->bss->dropped[i], __ATOMIC_RELAXED);
		if (!events[i].by_thread && !events[i].values)
			totals[i] += counter->totals[i];
	}
	return r;
}

/* Hands the totals of an event's values as rows of nobody. */
static int read_values(struct bpf_counter *counter, unsigned int index,
		       int (*take)(const struct count_key *key, uint64_t count, void *data),
		       void *data)
{
	const struct count_event *event =
		(const struct count_event *)&counter->skeleton->rodata->events[index];
	unsigned int value;
	int r = 0;

	for (value = 0; value < event->values && r == 0; value++) {
		struct count_key key = {.event = index, .fields = {value}};
		uint64_t count = counter->totals[event->first + value];

		if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
			key.fields[0] <<= 64 - 8 * event->fields[0].size;
		if (count)
			r = take(&key, count, data);
	}
	return r;
}

/*
 * Reads a hash map; `take_one` gets each key with its value. One by one: as long as a batch is read,
 * the kernel runs no BPF program on that CPU, also for a guest that preempts the reader, and it goes
 * through all of an empty table at once. Nobody but this program takes rows out, and not amid the
 * reading, so that the next key is always there.
 */
static int read_map(int map, size_t value_size,
		    int (*take_one)(const struct count_key *key, const void *value, void *data),
		    void *data)
{
	cleanup_free void *value = malloc(value_size);
	struct count_key key, next;
	bool first = true;
	int r = value ? 0 : -ENOMEM;

	while (r == 0) {
		if (bpf_map_get_next_key(map, first ? NULL : &key, &next) < 0)
			return errno == ENOENT ? 0 : -errno; /* the end */
		key = next;
		first = false;
		if (bpf_map_lookup_elem(map, &key, value) == 0)
			r = take_one(&key, value, data);
		else if (errno != ENOENT)
			r = -errno;
	}
	return r;
}

/* Whether a slot has a row, whose key is written then. */
static bool is_taken(const struct count_slot *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == COUNT_SLOT_TAKEN;
}

struct take_row {
	int (*take)(const struct count_key *key, uint64_t count, void *data);
	void *data;
};

static int take_row(const struct count_key *key, const void *value, void *data)
{
	const struct take_row *row = data;
	uint64_t count;

	memcpy(&count, value, sizeof(count));
	return row->take(key, count, row->data);
}

int bpf_counter_rows(struct bpf_counter *counter,
		     int (*take)(const struct count_key *key, uint64_t count, void *data),
		     void *data)
{
	struct take_row row = {take, data};
	unsigned int i;
	int r = 0;

	r = read_totals(counter);
	for (i = 0; i < counter->count && r == 0; i++)
		r = read_values(counter, i, take, data);
	for (i = 0; counter->slots && i < COUNT_SLOTS && r == 0; i++) {
		const struct count_slot *slot = &counter->slots[i];

		if (is_taken(slot))
			r = take(&slot->key, __atomic_load_n(&slot->count, __ATOMIC_RELAXED), data);
	}
	if (r < 0)
		return r;
	return read_map(bpf_map__fd(counter->skeleton->maps.rows), sizeof(uint64_t), take_row,
			&row);
}

struct take_latency {
	int (*take)(const struct count_key *key, const struct count_latency *latency, void *data);
	void *data;
};

static int take_latency(const struct count_key *key, const void *value, void *data)
{
	const struct take_latency *row = data;
	struct count_latency latency;

	memcpy(&latency, value, sizeof(latency));
	return row->take(key, &latency, row->data);
}

int bpf_counter_latencies(struct bpf_counter *counter,
			  int (*take)(const struct count_key *key,
				      const struct count_latency *latency, void *data),
			  void *data)
{
	struct take_latency row = {take, data};
	unsigned int i;
	int r = 0;

	for (i = 0; counter->latencies && i < COUNT_SLOTS && r == 0; i++) {
		struct count_latency latency;

		if (!is_taken(&counter->slots[i]) || !counter->latencies[i].count)
			continue;
		latency = counter->latencies[i]; /* that goes on being written to */
		r = take(&counter->slots[i].key, &latency, data);
	}
	if (r < 0)
		return r;
	return read_map(bpf_map__fd(counter->skeleton->maps.latencies),
			sizeof(struct count_latency), take_latency, &row);
}

static int take_value(const struct bpf_map *map, const void *key, void *value)
{
	int r = bpf_map_lookup_and_delete_elem(bpf_map__fd(map), key, value);

	return r == -ENOENT ? 0 : r;
}

static void drop_start(struct bpf_counter *counter, unsigned int tid)
{
	struct count_start *start = counter->starts ? &counter->starts[tid % COUNT_SLOTS] : NULL;

	if (start && __atomic_load_n(&start->owner, __ATOMIC_ACQUIRE) == tid) {
		start->time = 0;
		__atomic_store_n(&start->owner, 0, __ATOMIC_RELEASE);
	}
	/* It may not be there. */
	(void)!bpf_map_delete_elem(bpf_map__fd(counter->skeleton->maps.starts), &tid);
}

/* As bpf_counter_take(), of a row in a slot. Returns whether it was there. */
static bool take_slot(struct bpf_counter *counter, const struct count_key *key, uint64_t *ret_count,
		      struct count_latency *ret_latency)
{
	unsigned int index = count_slot_of(key);
	struct count_slot *slot = counter->slots ? &counter->slots[index] : NULL;

	if (!slot || !is_taken(slot) || !count_key_is(&slot->key, key))
		return false;
	*ret_count = __atomic_load_n(&slot->count, __ATOMIC_RELAXED);
	if (counter->latencies) {
		*ret_latency = counter->latencies[index];
		counter->latencies[index] = (struct count_latency){0};
	}
	__atomic_store_n(&slot->state, COUNT_SLOT_FREE, __ATOMIC_RELEASE);
	return true;
}

int bpf_counter_take(struct bpf_counter *counter, const struct count_key *key, uint64_t *ret_count,
		     struct count_latency *ret_latency)
{
	const struct count *skeleton = counter->skeleton;
	int r;

	*ret_count = 0;
	*ret_latency = (struct count_latency){0};
	/* First: what it started belongs to the row. */
	if (counter->times)
		drop_start(counter, key->tid);
	if (take_slot(counter, key, ret_count, ret_latency))
		return 0;
	r = take_value(skeleton->maps.rows, key, ret_count);
	return r < 0 || !counter->times ? r
					: take_value(skeleton->maps.latencies, key, ret_latency);
}

/* Events that the kernel left out: 0 before it tells (6.7). */
static uint64_t count_missed(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	unsigned int size = sizeof(info);
	int fd = bpf_program__fd(program);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.recursion_misses : 0;
}

struct bpf_counter_loss bpf_counter_loss(const struct bpf_counter *counter)
{
	struct bpf_program *program = NULL;
	struct bpf_counter_loss loss = {
		.untimed = __atomic_load_n(&counter->skeleton->bss->untimed, __ATOMIC_RELAXED)};
	size_t i;

	for (i = 0; i < counter->count; i++)
		loss.dropped += __atomic_load_n(&counter->skeleton->bss->dropped[i],
						__ATOMIC_RELAXED);
	while ((program = bpf_object__next_program(counter->skeleton->obj, program)))
		loss.missed += count_missed(program);
	return loss;
}

void bpf_counter_close(struct bpf_counter *counter)
{
	size_t i, open = 0;

	if (!counter)
		return;
	for (i = 0; counter->links && i < counter->count; i++) {
		if (counter->links[i] >= 0)
			counter->links[open++] = counter->links[i];
	}
	if (open)
		fd_reaper_close(counter->links, open);
	unmap_slots(counter);
	count__destroy(counter->skeleton);
	free(counter->cpu_totals);
	free(counter->totals);
	free(counter->links);
	free(counter);
}
