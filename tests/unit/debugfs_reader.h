/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made tree of KVM's debugfs, and the debugfs source that reads it. Failures fail the test. */
#pragma once

#include "tests/unit/unit.h"

#include "kvm_stat/source.h"
#include "tests/unit/tree.h"

/* A source with the sample that was read last. */
struct reader {
	struct source *source;
	struct field_filter *filter;
	struct sample sample;
};

/* The value of a row that is not there. */
#define NO_ROW UINT64_MAX

/* The tree of the present test, made and removed by these two. */
extern struct tree tree;

int reader_setup(void **state);
int reader_teardown(void **state);

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, reader_setup, reader_teardown)

/* A VM of process `pid`, or new values of it: exits and halt_wait_ns count, pages_4k is a state. */
void put_vm(pid_t pid, unsigned int exits, unsigned int pages);

/* The VM and its process are gone. */
void delete_vm(pid_t pid);

/* The kernel's sums of the same fields. */
void put_sums(unsigned int exits, unsigned int pages);

/* Opens the source on the tree. */
struct reader reader_open(bool include_past);

/* Selects, with the fields that match `pattern` (NULL: all). */
void reader_select(struct reader *reader, struct selection selection, const char *pattern);

/* Takes a sample. */
void reader_read(struct reader *reader);

/* Closes the source and frees the sample. */
void reader_close(struct reader *reader);

/* A row of the last sample, or NULL. */
const struct sample_row *find_row(const struct reader *reader, const char *name, pid_t guest);

/* The value of a guest's row, and of a row for all, or NO_ROW. */
uint64_t value_for(const struct reader *reader, const char *name, pid_t guest);
uint64_t value(const struct reader *reader, const char *name);
