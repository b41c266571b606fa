/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of one and the same vCPU. QEMU (as of 10.1) makes another descriptor of a vCPU's statistics
 * when that is plugged in again, and keeps the one before: both have all that it ever counted, and
 * the same id. Two VMs of one process may have vCPUs of the same id, too.
 */
#pragma once

#include "kvm_stat/stats_guest.h"

/*
 * Lets one copy of each vCPU count and the others rest, or count again when they turn out to be
 * another's. To be called after each look, when threads were found. Returns 0 or -ENOMEM.
 */
int stats_twins_settle(struct stats_guest *guest) must_check;

/* A copy is about to be freed, and was read to its end: one that rests beside it counts from there on. */
void stats_twins_leave(struct stats_guest *guest, struct stats_copy *copy);
