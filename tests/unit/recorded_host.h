/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A made host, whose guests and threads come and go, and a recording of it: what a replay shows must
 * be what that host did. Failures fail the test.
 */
#pragma once

#include "tests/unit/unit.h"

#include "kvm_stat/guests.h"
#include "kvm_stat/recording.h"
#include "kvm_stat/sample.h"
#include "kvm_stat/source.h"
#include "tests/unit/tree.h"

#define SAMPLES_MAX 150

/* The tree of the present test, and the path of the recording in it. */
extern struct tree tree;
extern char *path;

int recorded_host_setup(void **state);
int recorded_host_teardown(void **state);

#define OF_HOST(test)                                                                              \
	cmocka_unit_test_setup_teardown(test, recorded_host_setup, recorded_host_teardown)

/* A number below `sides`: the same ones follow each record(). */
uint32_t dice(uint32_t sides);

/* Lets a host live and records it: SAMPLES_MAX samples at most. */
void record(uint32_t random, int samples);

/* The size of the recording after its head, and at present. */
extern off_t head_size;
off_t file_size(void);

/* How many samples were in the file as a whole when it had this size. */
int samples_within(size_t size);

/* A sample of the host as sources make it, sorted, and what it has beside its rows. */
void fill_sample(struct sample *sample, struct guests *guests, int number);
struct recording_moment moment_of(int number);

/*
 * What the host had done up to a sample, by what rows are of. `name` 0 is kvm_exit, which counts; 1
 * is its reason HLT, which has times; 2 is pages, a state; 3 is wait_ns.
 */
uint64_t truth(int number, int name, enum selection_by by, pid_t guest, unsigned int vcpu);

/* Opens the recording, which is not damaged. */
struct source *open_good(void);

/* Selects all rows. */
void select_by(struct source *replay, enum selection_by by);

/* Reads the next sample, and checks that it is this one of the host. */
void check_sample(struct source *replay, enum selection_by by, int number);
