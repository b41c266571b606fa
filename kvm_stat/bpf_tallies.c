/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/bpf_tallies.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

#include "kvm_stat/search_tree.h"

static int compare_tallies(const void *a, const void *b)
{
	const struct bpf_tally *left = a, *right = b;

	if (left->name != right->name)
		return search_tree_compare_u64(left->name, right->name);
	if (left->guest != right->guest)
		return left->guest < right->guest ? -1 : 1;
	return (left->tid > right->tid) - (left->tid < right->tid);
}

static void free_tally(void *data)
{
	struct bpf_tally *tally = data;

	free(tally->latency);
	free(tally);
}

struct bpf_tally *bpf_tallies_make(struct bpf_tallies *tallies, size_t name, pid_t guest, pid_t tid)
{
	struct bpf_tally key = {.name = name, .guest = guest, .tid = tid};
	struct bpf_tally **node = tsearch(&key, &tallies->tree, compare_tallies);

	if (!node)
		return NULL;
	if (*node == &key) {
		*node = malloc(sizeof(key));
		if (*node) {
			**node = key;
		} else {
			*node = &key;
			tdelete(&key, &tallies->tree, compare_tallies);
			return NULL;
		}
	}
	return *node;
}

const struct bpf_tally *bpf_tallies_find(const struct bpf_tallies *tallies, size_t name)
{
	struct bpf_tally key = {.name = name};
	struct bpf_tally **node = tfind(&key, &tallies->tree, compare_tallies);

	return node ? *node : NULL;
}

int bpf_tally_add(struct bpf_tally *tally, bool gone, uint64_t count,
		  const struct distribution *latency)
{
	if (latency && !tally->latency) {
		tally->latency = calloc(BPF_LATENCIES, sizeof(*tally->latency));
		if (!tally->latency)
			return -ENOMEM;
	}
	*(gone ? &tally->retired : &tally->now) += count;
	if (latency)
		distribution_add(&tally->latency[gone ? BPF_LATENCY_RETIRED : BPF_LATENCY_NOW],
				 latency);
	return 0;
}

uint64_t bpf_tally_value(const struct bpf_tally *tally)
{
	return tally->now + tally->retired - tally->base;
}

/* All times that the tally has ever had. */
static struct distribution latency_ever(const struct bpf_tally *tally)
{
	struct distribution latency = tally->latency[BPF_LATENCY_RETIRED];

	distribution_add(&latency, &tally->latency[BPF_LATENCY_NOW]);
	return latency;
}

struct distribution bpf_tally_latency(const struct bpf_tally *tally)
{
	struct distribution latency = latency_ever(tally);

	distribution_subtract(&latency, &tally->latency[BPF_LATENCY_BASE]);
	return latency;
}

static void begin_tally(void *node, void *data)
{
	struct bpf_tally *tally = node;

	(void)data;
	tally->now = 0;
	if (tally->latency)
		tally->latency[BPF_LATENCY_NOW] = (struct distribution){0};
}

void bpf_tallies_begin(struct bpf_tallies *tallies)
{
	search_tree_walk(tallies->tree, begin_tally, NULL);
}

static void reset_tally(void *node, void *data)
{
	struct bpf_tally *tally = node;

	(void)data;
	tally->base = tally->now + tally->retired;
	if (tally->latency)
		tally->latency[BPF_LATENCY_BASE] = latency_ever(tally);
}

void bpf_tallies_reset(struct bpf_tallies *tallies)
{
	search_tree_walk(tallies->tree, reset_tally, NULL);
}

void bpf_tallies_walk(const struct bpf_tallies *tallies, void (*visit)(void *tally, void *data),
		      void *data)
{
	search_tree_walk(tallies->tree, visit, data);
}

struct burial {
	struct bpf_owners *owners;
	bool any;
};

/* Whether the guest or thread of a tally is gone, as far as the last read knows. */
static bool is_dead(const void *node, void *data)
{
	const struct bpf_tally *tally = node;
	const struct bpf_owner *guest, *thread;
	struct burial *burial = data;
	bool dead;

	if (!tally->guest)
		return false;
	guest = bpf_owners_find(burial->owners, tally->guest, 0);
	thread = tally->tid ? bpf_owners_find(burial->owners, tally->guest, tally->tid) : guest;
	dead = !guest || !thread || !guest->is_guest || !guest->alive || !thread->alive;
	burial->any |= dead;
	return dead;
}

bool bpf_tallies_bury(struct bpf_tallies *tallies, struct bpf_owners *owners)
{
	struct burial burial = {.owners = owners};

	search_tree_remove(&tallies->tree, compare_tallies, is_dead, &burial, free_tally);
	return burial.any;
}

void bpf_tallies_done(struct bpf_tallies *tallies)
{
	tdestroy(tallies->tree, free_tally);
	tallies->tree = NULL;
}
