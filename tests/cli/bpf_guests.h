/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that make a known number of exits, for the tests of counting via BPF: in threads and
 * processes that end when they are told to. What fails aborts.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/guest/sample_vm.h"

/* Enters mounts of its own, and skips the test where BPF programs do not count or KVM is missing. */
void bpf_guests_need(void);

/* What bpf_guest_work() makes. */
#define IO       500
#define CPUIDS   100
#define HALTS    30
#define EXITS    (IO + HALTS + 1) /* to userspace; the last one ends the work */
#define RESTARTS 50               /* what bpf_guest_interrupt() makes */

struct bpf_guest_thread {
	struct sample_vm *vm;
	struct sample_work work;
	unsigned int id;
	uint64_t rate; /* exits in a second; 0: as fast as it can */
	pid_t tid; /* these are results: the thread, 0 or -errno, and how many ns the vCPU ran */
	int r;
	uint64_t elapsed;
};

/* For pthread_create(3): makes a vCPU of the thread's and runs it. */
void *bpf_guest_run_thread(void *data);

/* Makes a VM. */
struct sample_vm *bpf_guest_vm(void);

/* Does the work in a thread of its own, which ends. Returns its number. */
pid_t bpf_guest_work(struct sample_vm *vm, unsigned int id);

/* Runs, in a thread of its own, a vCPU that comes back at once, with EINTR: a "restart" each time. */
void bpf_guest_interrupt(void);

/* A process that makes a VM and does what it is told by single letters. */
struct bpf_guest {
	pid_t pid;
	int to, from;
};

/* Starts it, and waits for its VM. */
struct bpf_guest bpf_guest_start(void);

/*
 * Gives an order and waits until it is carried out: w work, i interrupt, c close the VM, n make a
 * new one; 0: waits for the guest to be there.
 */
void bpf_guest_order(const struct bpf_guest *guest, char letter);

/* Kills it. */
void bpf_guest_end(const struct bpf_guest *guest);
