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

/* Creates the VM without vCPUs. Returns 0 or -errno (-ENOTSUP: no guest code for this CPU). */
int sample_vm_create(struct sample_vm **ret_vm) must_check;

/* Destroys the VM; NULL is fine. No vCPU may run any more. */
void sample_vm_destroy(struct sample_vm *vm);

/*
 * Makes vCPU `id` on the calling thread, runs `rounds` rounds of `work` (0: without end) and adds
 * what was seen to *seen. At most `rate` exits to userspace are made in a second; 0: no limit.
 * Ends early, between two exits, when *stop becomes true. Returns 0 or -errno; -EPROTO for an exit
 * that the guest does not make.
 */
int sample_vm_run_vcpu(struct sample_vm *vm, unsigned int id, const struct sample_work *work,
		       uint64_t rounds, uint64_t rate, const volatile bool *stop,
		       struct sample_work *seen) must_check;
