/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of the kernel in which this process' BPF program counts (kvm_stat/bpf/count.h), for its
 * tests: what they hold, and how they get full. What fails fails the test.
 */
#pragma once

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kvm_stat/bpf/count.h"

#define BPF_FEW_ROWS  64          /* a counter with so many has no slots */
#define BPF_MANY_ROWS (64 * 1024) /* one with so many has */
#define BPF_NO_THREAD 0x40000000  /* a number above what the kernel gives out */

/* The descriptor of our only map that has this name and type (BPF_MAP_TYPE_*). */
int bpf_table(const char *name, uint32_t type);

/* How many rows of a process are in slots, in the hash table, and in both together. */
size_t bpf_slot_rows(pid_t process);
size_t bpf_hash_rows(pid_t process);
size_t bpf_rows(pid_t process);

/* The key of any row that is in a slot. */
struct count_key bpf_any_key(void);

/*
 * Fills all slots that are free with copies of a row of this count, each of another thread from
 * key->tid on, which is the next one then. Returns how many they were.
 */
uint32_t bpf_fill_slots(struct count_key *key, uint64_t count);

/* As bpf_fill_slots(), the hash table. */
uint32_t bpf_fill_rows(struct count_key *key, uint64_t count);
