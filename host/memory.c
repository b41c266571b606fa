/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/memory.h"

#include <errno.h>
#include <string.h>

#include "host/number.h"

#define POOLS "sys/kernel/mm/hugepages"
#define KSM   "sys/kernel/mm/ksm"

/* "hugepages-2048kB". Returns 0 or -EINVAL. */
static int parse_pool_name(const char *name, uint64_t *ret_kib)
{
	static const char start[] = "hugepages-";
	size_t length = strlen(name);
	char digits[24];

	if (strncmp(name, start, sizeof(start) - 1) != 0 || length < sizeof(start) + 2 ||
	    strcmp(name + length - 2, "kB") != 0)
		return -EINVAL;
	name += sizeof(start) - 1;
	length -= sizeof(start) - 1 + 2;
	if (length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, name, length);
	digits[length] = '\0';
	return number_parse_u64(digits, 1, UINT64_MAX, ret_kib) < 0 ? -EINVAL : 0;
}

static int read_pool(int parent, const char *name, struct memory_pool *ret)
{
	cleanup_closedir DIR *dir = NULL;
	int r = parse_pool_name(name, &ret->page_kib);

	if (r == 0)
		r = host_opendir_at(parent, name, &dir);
	if (r == 0)
		r = host_read_u64_at(dirfd(dir), "nr_hugepages", &ret->total);
	if (r == 0)
		r = host_read_u64_at(dirfd(dir), "free_hugepages", &ret->free);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct memory_pool *left = a, *right = b;

	return (left->page_kib > right->page_kib) - (left->page_kib < right->page_kib);
}

int memory_read_pools(const struct host_root *root,
		      struct memory_pool ret_pools[static MEMORY_POOLS_MAX])
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int count = 0;
	int r = host_opendir(root, POOLS, &dir);

	while (r >= 0 && count < MEMORY_POOLS_MAX && (r = host_readdir(dir, &entry)) > 0) {
		r = read_pool(dirfd(dir), entry->d_name, &ret_pools[count]);
		if (r == 0)
			count++;
		else if (r == -EINVAL)
			r = 0; /* no pool at all */
	}
	if (r < 0)
		return r;
	qsort(ret_pools, (size_t)count, sizeof(*ret_pools), compare);
	return count;
}

int memory_read_transparent(const struct host_root *root, char *ret_word, size_t size)
{
	char line[128];
	ssize_t length = host_read_line(root, "sys/kernel/mm/transparent_hugepage/enabled", line,
					sizeof(line));
	char *start, *end;

	if (length < 0)
		return (int)length;
	start = strchr(line, '[');
	end = start ? strchr(start, ']') : NULL;
	if (!end || (size_t)(end - start) > size)
		return -EBADMSG;
	*end = '\0';
	strcpy(ret_word, start + 1);
	return 0;
}

int memory_read_ksm(const struct host_root *root, struct memory_ksm *ret_ksm)
{
	cleanup_closedir DIR *dir = NULL;
	struct memory_ksm ksm;
	int r = host_opendir(root, KSM, &dir);

	if (r == 0)
		r = host_read_u64_at(dirfd(dir), "run", &ksm.run);
	if (r == 0)
		r = host_read_u64_at(dirfd(dir), "pages_sharing", &ksm.sharing);
	if (r == 0)
		*ret_ksm = ksm;
	return r;
}
