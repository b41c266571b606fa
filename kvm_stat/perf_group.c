/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/perf_group.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The kernel limits what one read of a group returns to 16 KiB less some headers
 * (perf_event_validate_size()): more counters become several groups.
 */
#define GROUP_MAX  1024
#define RING_PAGES 8 /* data pages of the ring for sampled counters; a power of two */

struct perf_group {
	struct perf_target target;
	int *fds;
	size_t count; /* descriptors: those of counters, and perhaps one more */
	size_t counters;
	struct perf_event_mmap_page *ring; /* or NULL */
	size_t ring_size;                  /* with its control page */
	int ring_fd;
	bool detached; /* the kernel took it apart: its CPU went offline */
};

static int open_event(struct perf_event_attr *attr, struct perf_target target, int leader)
{
	int fd = (int)syscall(SYS_perf_event_open, attr, target.tid, target.cpu, leader,
			      PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * A group of one counter would look the same when it was taken apart: an event that counts nothing
 * keeps it company. A thread's group is never taken apart.
 */
static int open_company(struct perf_target target, int leader)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.read_format = PERF_FORMAT_GROUP,
	};

	return open_event(&attr, target, leader);
}

static int open_counter(const struct perf_counter *counter, struct perf_target target, int leader,
			bool sampled)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = counter->tracepoint,
		.read_format = PERF_FORMAT_GROUP,
		/* The leader holds the others still until all are there. */
		.disabled = leader < 0,
	};
	int fd;

	if (sampled) {
		attr.sample_period = 1;
		attr.sample_type = PERF_SAMPLE_RAW;
		attr.watermark = 1; /* nobody polls: never wake anybody up */
		attr.wakeup_watermark = UINT32_MAX;
	}
	fd = open_event(&attr, target, leader);
	if (fd < 0)
		return fd;
	if (counter->filter && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, counter->filter) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/* Gives a sampled event the group's ring, which the first of them brings. */
static void attach_ring(struct perf_group *group, int fd)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *ring;

	/* Should either be refused, the event counts all the same; its records are nobody's. */
	if (group->ring) {
		(void)ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, group->ring_fd);
		return;
	}
	ring = mmap(NULL, (RING_PAGES + 1) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		return;
	group->ring = ring;
	group->ring_size = (RING_PAGES + 1) * page;
	group->ring_fd = fd;
}

static void close_fds(struct perf_group *group)
{
	size_t i;

	if (group->ring)
		munmap(group->ring, group->ring_size);
	for (i = 0; i < group->count; i++)
		close(group->fds[i]);
	free(group->fds);
	free(group);
}

int perf_group_open(const struct perf_counter *counters, size_t count, struct perf_target target,
		    struct perf_group **ret_group)
{
	struct perf_group *group = calloc(1, sizeof(*group));
	int *fds = calloc(count + 1, sizeof(*fds));
	size_t i;
	int leader = -1;

	if (!group || !fds) {
		free(group);
		free(fds);
		return -ENOMEM;
	}
	*group =
		(struct perf_group){.target = target, .fds = fds, .counters = count, .ring_fd = -1};
	for (i = 0; i < count; i++) {
		int fd;

		if (i % GROUP_MAX == 0)
			leader = -1;
		fd = open_counter(&counters[i], target, leader, counters[i].sampled);
		/* Raw records need more rights than counting (perf_event_paranoid). */
		if ((fd == -EACCES || fd == -EPERM) && counters[i].sampled)
			fd = open_counter(&counters[i], target, leader, false);
		else if (fd >= 0 && counters[i].sampled)
			attach_ring(group, fd);
		if (fd < 0) {
			close_fds(group);
			return fd;
		}
		fds[group->count++] = fd;
		if (leader < 0)
			leader = fd;
	}
	if (count == 1 && target.cpu >= 0) {
		int fd = open_company(target, leader);

		if (fd < 0) {
			close_fds(group);
			return fd;
		}
		fds[group->count++] = fd;
	}
	for (i = 0; i < count; i += GROUP_MAX) {
		if (ioctl(fds[i], PERF_EVENT_IOC_ENABLE, 0) < 0) {
			int error = -errno;

			close_fds(group);
			return error;
		}
	}
	*ret_group = group;
	return 0;
}

struct perf_target perf_group_target(const struct perf_group *group)
{
	return group->target;
}

/*
 * When a CPU goes offline, the kernel makes each of its events a group of its own, which keeps
 * what it has counted (perf_event_exit_cpu_context()).
 */
static int read_detached(struct perf_group *group, uint64_t *values)
{
	size_t i;

	group->detached = true;
	for (i = 0; i < group->count; i++) {
		uint64_t data[2]; /* how many values, and one */

		if (read(group->fds[i], data, sizeof(data)) != sizeof(data) || data[0] != 1)
			return -EBADMSG;
		if (i < group->counters)
			values[i] += data[1];
	}
	return 0;
}

bool perf_group_is_detached(const struct perf_group *group)
{
	return group->detached;
}

int perf_group_read(struct perf_group *group, uint64_t *values)
{
	struct {
		uint64_t count;
		uint64_t values[GROUP_MAX];
	} data;
	size_t start, i;

	for (start = 0; start < group->count; start += GROUP_MAX) {
		size_t members = group->count - start < GROUP_MAX ? group->count - start
								  : GROUP_MAX;
		ssize_t n = read(group->fds[start], &data, sizeof(data));

		if (n < 0)
			return -errno;
		if (start == 0 && members > 1 && (size_t)n >= sizeof(uint64_t) && data.count == 1)
			return read_detached(group, values);
		if ((size_t)n < (members + 1) * sizeof(uint64_t) || data.count != members)
			return -EBADMSG;
		for (i = 0; i < members && start + i < group->counters; i++)
			values[start + i] += data.values[i];
	}
	return 0;
}

/* Copies `size` bytes out of the ring, whose data wraps at its end. */
static void copy_out(const struct perf_group *group, uint64_t from, void *to, size_t size)
{
	const char *data = (const char *)group->ring + group->ring->data_offset;
	uint64_t mask = group->ring->data_size - 1;
	size_t first = (size_t)(group->ring->data_size - (from & mask));

	if (first > size)
		first = size;
	memcpy(to, data + (from & mask), first);
	memcpy((char *)to + first, data, size - first);
}

void perf_group_drain(struct perf_group *group,
		      void (*take)(const void *record, size_t size, void *data), void *data)
{
	uint64_t head, tail;

	if (!group->ring)
		return;
	/* Pairs with the kernel's release of data_head, see perf_event_open(2). */
	head = __atomic_load_n(&group->ring->data_head, __ATOMIC_ACQUIRE);
	for (tail = group->ring->data_tail; head - tail >= sizeof(struct perf_event_header);) {
		struct {
			struct perf_event_header header;
			uint32_t raw_size;
		} start;
		char record[1024];

		copy_out(group, tail, &start.header, sizeof(start.header));
		if (start.header.size < sizeof(start.header))
			break; /* cannot be: rather stop than walk on the spot */
		if (start.header.type == PERF_RECORD_SAMPLE &&
		    start.header.size >= sizeof(start.header) + sizeof(start.raw_size)) {
			copy_out(group, tail + sizeof(start.header), &start.raw_size,
				 sizeof(start.raw_size));
			if (start.raw_size > sizeof(record))
				start.raw_size = sizeof(record);
			copy_out(group, tail + sizeof(start.header) + sizeof(start.raw_size),
				 record, start.raw_size);
			take(record, start.raw_size, data);
		}
		tail += start.header.size;
	}
	__atomic_store_n(&group->ring->data_tail, tail, __ATOMIC_RELEASE);
}

size_t perf_group_fd_count(const struct perf_group *group)
{
	return group->count;
}

size_t perf_group_release(struct perf_group *group, int *fds)
{
	size_t count = group->count;

	if (!fds) {
		close_fds(group);
		return count;
	}
	if (group->ring)
		munmap(group->ring, group->ring_size);
	memcpy(fds, group->fds, count * sizeof(*fds));
	free(group->fds);
	free(group);
	return count;
}
