/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/debugfs_reader.h"

#include <stdio.h>
#include <string.h>

struct tree tree;

int reader_setup(void **state)
{
	(void)state;
	tree_make(&tree);
	return 0;
}

int reader_teardown(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

void put_vm(pid_t pid, unsigned int exits, unsigned int pages)
{
	char vm[32];

	snprintf(vm, sizeof(vm), "%d-9", (int)pid);
	tree_process(&tree, pid, "qemu", "", 0);
	tree_stat(&tree, vm, "exits", false, exits);
	tree_stat(&tree, vm, "halt_wait_ns", false, exits * 10ULL);
	tree_stat(&tree, vm, "pages_4k", true, pages);
}

void delete_vm(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), TREE_KVM "/%d-9", (int)pid);
	tree_delete(&tree, path);
	snprintf(path, sizeof(path), "proc/%d", (int)pid);
	tree_delete(&tree, path);
}

void put_sums(unsigned int exits, unsigned int pages)
{
	tree_stat(&tree, "", "exits", false, exits);
	tree_stat(&tree, "", "halt_wait_ns", false, exits * 10ULL);
	tree_stat(&tree, "", "pages_4k", true, pages);
}

struct reader reader_open(bool include_past)
{
	struct reader reader = {0};
	struct source_error error;

	assert_int_equal(source_debugfs_open(&tree.root, include_past, &reader.source, &error), 0);
	return reader;
}

void reader_select(struct reader *reader, struct selection selection, const char *pattern)
{
	struct source_error error;
	char *why;

	field_filter_free(reader->filter);
	reader->filter = NULL;
	if (pattern)
		assert_int_equal(field_filter_compile(pattern, &reader->filter, &why), 0);
	selection.filter = reader->filter;
	assert_int_equal(source_select(reader->source, &selection, &error), 0);
}

void reader_read(struct reader *reader)
{
	sample_clear(&reader->sample);
	assert_int_equal(source_read(reader->source, &reader->sample), 0);
	sample_sort(&reader->sample);
}

void reader_close(struct reader *reader)
{
	source_close(reader->source);
	field_filter_free(reader->filter);
	sample_done(&reader->sample);
}

const struct sample_row *find_row(const struct reader *reader, const char *name, pid_t guest)
{
	size_t i;

	for (i = 0; i < reader->sample.count; i++) {
		const struct sample_row *row = &reader->sample.rows[i];

		if (strcmp(row->name, name) == 0 && row->guest == guest)
			return row;
	}
	return NULL;
}

uint64_t value_for(const struct reader *reader, const char *name, pid_t guest)
{
	const struct sample_row *row = find_row(reader, name, guest);

	return row ? row->value : NO_ROW;
}

uint64_t value(const struct reader *reader, const char *name)
{
	return value_for(reader, name, 0);
}
