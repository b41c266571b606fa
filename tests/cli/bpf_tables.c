/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cli/bpf_tables.h"

#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#define FILES 256 /* as many descriptors are looked at */

int bpf_table(const char *name, uint32_t type)
{
	int fd, found = -1;

	for (fd = 3; fd < FILES; fd++) {
		struct bpf_map_info info = {0};
		unsigned int size = sizeof(info);

		if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.type != type ||
		    strcmp(info.name, name) != 0)
			continue;
		assert_int_equal(found, -1);
		found = fd;
	}
	assert_int_not_equal(found, -1);
	return found;
}

size_t bpf_slot_rows(pid_t process)
{
	int fd = bpf_table("slots", BPF_MAP_TYPE_ARRAY);
	struct count_slot slot;
	size_t count = 0;
	unsigned int i;

	for (i = 0; bpf_map_lookup_elem(fd, &i, &slot) == 0; i++)
		count += slot.state == COUNT_SLOT_TAKEN && (pid_t)slot.key.tgid == process;
	return count;
}

size_t bpf_hash_rows(pid_t process)
{
	struct count_key key, *before = NULL;
	size_t count = 0;
	int fd = bpf_table("rows", BPF_MAP_TYPE_HASH);

	while (bpf_map_get_next_key(fd, before, &key) == 0) {
		count += (pid_t)key.tgid == process;
		before = &key;
	}
	return count;
}

size_t bpf_rows(pid_t process)
{
	return bpf_slot_rows(process) + bpf_hash_rows(process);
}

/* Puts a row into the slot that its key leads to, if that is free. Returns whether it was. */
static bool fill_slot(int fd, const struct count_key *key, uint64_t count)
{
	unsigned int index = count_slot_of(key);
	struct count_slot slot;

	assert_int_equal(bpf_map_lookup_elem(fd, &index, &slot), 0);
	if (slot.state != COUNT_SLOT_FREE)
		return false;
	slot = (struct count_slot){.state = COUNT_SLOT_TAKEN, .key = *key, .count = count};
	assert_int_equal(bpf_map_update_elem(fd, &index, &slot, BPF_ANY), 0);
	return true;
}

struct count_key bpf_any_key(void)
{
	int fd = bpf_table("slots", BPF_MAP_TYPE_ARRAY);
	struct count_slot slot = {0};
	unsigned int i;

	for (i = 0; slot.state != COUNT_SLOT_TAKEN; i++)
		assert_int_equal(bpf_map_lookup_elem(fd, &i, &slot), 0);
	return slot.key;
}

static bool any_slot_is_free(int fd)
{
	struct count_slot slot = {.state = COUNT_SLOT_TAKEN};
	unsigned int i;

	for (i = 0; i < COUNT_SLOTS && slot.state != COUNT_SLOT_FREE; i++)
		assert_int_equal(bpf_map_lookup_elem(fd, &i, &slot), 0);
	return slot.state == COUNT_SLOT_FREE;
}

uint32_t bpf_fill_slots(struct count_key *key, uint64_t count)
{
	int fd = bpf_table("slots", BPF_MAP_TYPE_ARRAY);
	uint32_t filled = 0, i;

	while (any_slot_is_free(fd)) {
		for (i = 0; i < COUNT_SLOTS; i++, key->tid++)
			filled += fill_slot(fd, key, count);
	}
	return filled;
}

uint32_t bpf_fill_rows(struct count_key *key, uint64_t count)
{
	int fd = bpf_table("rows", BPF_MAP_TYPE_HASH);
	uint32_t filled = 0;

	for (; bpf_map_update_elem(fd, key, &count, BPF_NOEXIST) == 0; key->tid++)
		filled++;
	assert_int_equal(errno, E2BIG);
	return filled;
}
