/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of the same id. QEMU (as of 10.1) makes another descriptor of a vCPU's statistics when that
 * is plugged in again, and keeps the one before: both have all that it ever counted. A VMM that makes
 * another VM gives its vCPUs the ids of those before, and two VMs of one process may share them.
 */
#pragma once

#include "kvm_stat/stats_guest.h"

/*
 * Whether two copies of which neither had counted anything may now be told apart, as the one that
 * rests has counted: a look is due then. `values` has room for one copy's.
 */
bool stats_twins_are_due(const struct stats_guest *guest, uint64_t *values);

/*
 * Lets one copy of each vCPU count and the others rest, or count again when they turn out to be
 * another's or the first is gone. To be called after each look, when threads were found, and before
 * stats_guest_sweep(). Returns 0; 1 when a vCPU that was counted has no row any more; or -ENOMEM.
 */
int stats_twins_settle(struct stats_guest *guest, bool include_past) must_check;
