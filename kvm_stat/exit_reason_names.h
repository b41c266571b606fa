/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of exit reasons where the running kernel's own are missing or differ from upstream's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct reason_name {
	uint64_t value;
	const char *name;
};

/*
 * SVM: the kernel prints lower-case names of its own; users know those of the manual (AMD APM
 * volume 2, appendix C), as the Python kvm_stat spells them. Ends with a NULL name.
 */
extern const struct reason_name svm_reason_names[];

/*
 * KVM_EXIT_* of the uapi header: since 5.15 (X86_BUS_LOCK) nobody has added new ones to the
 * kernel's own table of kvm_userspace_exit. Ends with a NULL name.
 */
extern const struct reason_name userspace_reason_names[];

/*
 * RISC-V: scause values (privileged architecture, table of exception codes); the kernel prints
 * numbers only. Ends with a NULL name.
 */
extern const struct reason_name riscv_reason_names[];
