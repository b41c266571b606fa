/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A KVM VM whose real-mode guest makes an exact number of exits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/cleanup.h"

/* Exits by their kind. Every round ends with one more exit, an MMIO write, on each vCPU. */
struct sample_work {
	uint64_t io;    /* `out` instructions: to userspace */
	uint64_t cpuid; /* handled by the kernel, counted by the guest itself */
	uint64_t halts; /* HLT: to userspace, as the VM has no interrupt controller of the kernel */
};

struct sample_vm;

/*
 * Creates the VM without vCPUs. `keeps_stats`: its descriptor of statistics, and one of each vCPU,
 * are opened and kept until the end, as QEMU does with those of vCPUs since 8.1. Returns 0 or
 * -errno (-ENOTSUP: no guest code for this CPU).
 */
int sample_vm_create(bool keeps_stats, struct sample_vm **ret_vm) must_check;

/*
 * Opens the descriptor of the VM's own statistics, as QEMU does for as long as a query takes, if it
 * is not open. Returns 0 or -errno.
 */
int sample_vm_open_stats(struct sample_vm *vm) must_check;

/* Closes it. */
void sample_vm_close_stats(struct sample_vm *vm);

/* Destroys the VM; NULL is fine. No vCPU may run any more. */
void sample_vm_destroy(struct sample_vm *vm);

struct sample_vcpu;

/* Makes vCPU `id`, for the calling thread to run. Returns 0 or -errno. */
int sample_vcpu_create(struct sample_vm *vm, unsigned int id,
		       struct sample_vcpu **ret_vcpu) must_check;

/*
 * Does what QEMU does when a vCPU is plugged in again: opens another descriptor of its statistics and
 * keeps the one before. Returns 0 or -errno.
 */
int sample_vcpu_plug_again(struct sample_vm *vm, struct sample_vcpu *vcpu) must_check;

/* Destroys the vCPU; NULL is fine. */
void sample_vcpu_destroy(struct sample_vcpu *vcpu);

/*
 * Runs `rounds` rounds of `work` (0: without end) and adds what was seen to *seen. At most `rate`
 * exits to userspace are made in a second; 0: no limit. Ends early, between two exits, when *stop
 * becomes true. Returns 0 or -errno; -EPROTO for an exit that the guest does not make.
 */
int sample_vcpu_run(struct sample_vcpu *vcpu, const struct sample_work *work, uint64_t rounds,
		    uint64_t rate, const volatile bool *stop, struct sample_work *seen) must_check;
