/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/stats_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host/cleanup.h"

#define VM_LINK       "anon_inode:kvm-vm-stats"
#define VCPU_LINK     "anon_inode:kvm-vcpu-stats:"
#define ANON_INODE_FS 0x09041934 /* ANON_INODE_FS_MAGIC of <linux/magic.h> */
#define LAYOUTS_MAX   16         /* a kernel has two; KVM may be loaded anew, and changed */

#define BLOCK 32 /* values that are compared at once */

bool stats_link_is_vm(const char *target)
{
	return strcmp(target, VM_LINK) == 0;
}

bool stats_link_is(const char *target)
{
	return stats_link_is_vm(target) || strncmp(target, VCPU_LINK, strlen(VCPU_LINK)) == 0;
}

/*
 * Whether our own descriptor is one of binary statistics. The guest may have put another under the
 * number since it was looked at, and reading a pipe or a device would do something.
 */
static bool is_stats(int fd)
{
	char path[sizeof("/proc/self/fd/") + 11], target[64];
	struct statfs fs;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0 || fstatfs(fd, &fs) < 0)
		return false;
	target[length] = '\0';
	return stats_link_is(target) && (uint32_t)fs.f_type == ANON_INODE_FS;
}

/* The layout of a file: one that is known, or a new one. Returns NULL with *ret_error. */
static const struct stats_layout *find_layout(struct stats_layouts *layouts, const void *block,
					      size_t length, int *ret_error)
{
	struct stats_layout *layout = NULL, **grown;
	size_t i;

	for (i = 0; i < layouts->count; i++) {
		if (stats_layout_matches(layouts->list[i], block, length))
			return layouts->list[i];
	}
	*ret_error = -EBADMSG;
	if (layouts->count == LAYOUTS_MAX)
		return NULL;
	*ret_error = stats_layout_parse(block, length, &layout);
	if (!layout)
		return NULL;
	grown = reallocarray(layouts->list, layouts->count + 1, sizeof(struct stats_layout *));
	if (!grown) {
		stats_layout_free(layout);
		*ret_error = -ENOMEM;
		return NULL;
	}
	layouts->list = grown;
	grown[layouts->count++] = layout;
	return layout;
}

static ssize_t read_at(int fd, void *data, size_t size, off_t offset)
{
	ssize_t n;

	do {
		n = pread(fd, data, size, offset);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int stats_copy_open(int fd, struct stats_layouts *layouts, struct stats_copy *ret_copy)
{
	cleanup_free unsigned char *block = malloc(STATS_BLOCK_MAX + 1);
	struct stats_copy copy = {.fd = fd, .is_new = true};
	ssize_t length = block ? read_at(fd, block, STATS_BLOCK_MAX + 1, 0) : -ENOMEM;
	int r = 0;

	if (length < 0)
		return (int)length;
	copy.layout = find_layout(layouts, block, (size_t)length, &r);
	if (!copy.layout)
		return r;
	r = stats_layout_id(copy.layout, block, (size_t)length, &copy.id);
	if (r < 0)
		return r;
	copy.last = calloc(copy.layout->value_count + 1, sizeof(uint64_t));
	if (!copy.last)
		return -ENOMEM;
	*ret_copy = copy;
	return 1;
}

int stats_copy_take(int pidfd, int guest_fd, struct stats_layouts *layouts,
		    struct stats_copy *ret_copy)
{
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, guest_fd, 0);
	int r = 0;

	if (fd < 0)
		return errno == EBADF ? 0 : -errno;
	if (is_stats(fd))
		r = stats_copy_open(fd, layouts, ret_copy);
	if (r <= 0)
		close(fd);
	else
		ret_copy->guest_fd = guest_fd;
	return r;
}

void stats_copy_close(struct stats_copy *copy)
{
	if (copy->fd >= 0)
		close(copy->fd);
	copy->fd = -1;
}

void stats_copy_done(struct stats_copy *copy)
{
	stats_copy_close(copy);
	free(copy->last);
	copy->last = NULL;
	if (copy->owns_tally)
		free(copy->tally);
	copy->tally = NULL;
}

void stats_copy_restart(struct stats_copy *copy)
{
	copy->is_new = copy->has_past = true;
}

static void set_baseline(struct stats_copy *copy, const uint64_t *values, bool include_past)
{
	size_t size = copy->layout->value_count * sizeof(*values);

	if (copy->has_past && !include_past)
		memcpy(copy->last, values, size);
	else
		memset(copy->last, 0, size);
	copy->is_new = false;
}

/* Less than before: somebody cleared the counter through debugfs. */
static void add_block(uint64_t *restrict sum, uint64_t *restrict last, const uint64_t *restrict now,
		      size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		sum[i] += now[i] >= last[i] ? now[i] - last[i] : now[i];
		last[i] = now[i];
	}
}

/*
 * Adds what was counted since the last time. Most vCPUs are idle, and even in a busy guest most
 * values stay as they are: a look at them together costs less than the addition of each.
 */
static void add_counted(uint64_t *sum, uint64_t *last, const uint64_t *now, size_t count)
{
	size_t i;

	if (memcmp(last, now, count * sizeof(*now)) == 0)
		return;
	for (i = 0; i < count; i += BLOCK) {
		size_t part = count - i < BLOCK ? count - i : BLOCK;

		if (memcmp(last + i, now + i, part * sizeof(*now)))
			add_block(sum + i, last + i, now + i, part);
	}
}

static int read_values(const struct stats_copy *copy, uint64_t *values)
{
	size_t size = copy->layout->value_count * sizeof(*values);
	ssize_t n = read_at(copy->fd, values, size, copy->layout->data_offset);

	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -EBADMSG;
}

static bool has_counted(const struct stats_layout *layout, const uint64_t *values)
{
	uint64_t any = 0;
	size_t i, j;

	for (i = 0; i < layout->range_count; i++) {
		for (j = layout->ranges[i].first; j < layout->ranges[i].end; j++)
			any |= values[j];
	}
	return any != 0;
}

int stats_copy_has_counted(const struct stats_copy *copy, uint64_t *values)
{
	int r = read_values(copy, values);

	return r < 0 ? r : has_counted(copy->layout, values);
}

/* STATS_SAME when no counter falls from one reading to the next. */
static enum stats_same compare_readings(const struct stats_layout *layout, const uint64_t *first,
					const uint64_t *second, const uint64_t *third)
{
	size_t i, j;

	for (i = 0; i < layout->range_count; i++) {
		for (j = layout->ranges[i].first; j < layout->ranges[i].end; j++) {
			if (first[j] > second[j] || second[j] > third[j])
				return STATS_DIFFERENT;
		}
	}
	return has_counted(layout, third) ? STATS_SAME : STATS_NOT_KNOWN;
}

int stats_copy_compare(const struct stats_copy *a, const struct stats_copy *b)
{
	size_t count = a->layout->value_count;
	cleanup_free uint64_t *values = calloc(3 * count + 1, sizeof(*values));
	int r = values ? read_values(a, values) : -ENOMEM;

	if (r == 0)
		r = read_values(b, values + count);
	if (r == 0)
		r = read_values(a, values + 2 * count);
	return r < 0 ? r
		     : (int)compare_readings(a->layout, values, values + count, values + 2 * count);
}

int stats_copy_compare_closed(const struct stats_copy *copy, const struct stats_copy *closed)
{
	cleanup_free uint64_t *values = calloc(copy->layout->value_count + 1, sizeof(*values));
	int r = values ? read_values(copy, values) : -ENOMEM;

	return r < 0 ? r : (int)compare_readings(copy->layout, closed->last, values, values);
}

int stats_copy_begin(struct stats_copy *copy, bool include_past)
{
	cleanup_free uint64_t *values = calloc(copy->layout->value_count + 1, sizeof(*values));
	int r = values ? read_values(copy, values) : -ENOMEM;

	if (r == 0)
		set_baseline(copy, values, include_past);
	return r;
}

int stats_copy_count(struct stats_copy *copy, uint64_t *values, bool include_past)
{
	const struct stats_layout *layout = copy->layout;
	size_t i;
	int r = read_values(copy, values);

	if (r < 0)
		return r;
	if (copy->is_new)
		set_baseline(copy, values, include_past);
	for (i = 0; i < layout->range_count; i++) {
		size_t first = layout->ranges[i].first;

		add_counted(copy->tally->values + first, copy->last + first, values + first,
			    layout->ranges[i].end - first);
	}
	for (i = 0; i < layout->state_count; i++) {
		size_t at = layout->states[i]->first;
		uint64_t *state = &copy->tally->values[at];

		if (layout->states[i]->kind == FIELD_GAUGE)
			*state += values[at];
		else
			*state = *state > values[at] ? *state : values[at];
	}
	copy->tally->has_states = true;
	return 0;
}

struct stats_tally *stats_tally_new(const struct stats_layout *layout)
{
	struct stats_tally *tally =
		calloc(1, sizeof(*tally) + layout->value_count * sizeof(tally->values[0]));

	if (tally)
		tally->layout = layout;
	return tally;
}

void stats_tally_clear_states(struct stats_tally *tally)
{
	size_t i;

	for (i = 0; i < tally->layout->state_count; i++)
		tally->values[tally->layout->states[i]->first] = 0;
	tally->has_states = false;
}

void stats_layouts_done(struct stats_layouts *layouts)
{
	size_t i;

	for (i = 0; i < layouts->count; i++)
		stats_layout_free(layouts->list[i]);
	free(layouts->list);
	*layouts = (struct stats_layouts){0};
}
