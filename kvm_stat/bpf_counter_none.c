/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What takes the place of bpf_counter.c in a build without BPF. */
#include <errno.h>

#include "kvm_stat/bpf_counter.h"

int bpf_counter_open(const struct bpf_counter_event *events, size_t count,
		     struct bpf_counter **ret_counter)
{
	(void)events;
	(void)count;
	(void)ret_counter;
	return -EOPNOTSUPP;
}

int bpf_counter_totals(struct bpf_counter *counter, uint64_t *totals)
{
	(void)counter;
	(void)totals;
	return -EOPNOTSUPP;
}

int bpf_counter_rows(struct bpf_counter *counter,
		     int (*take)(const struct count_key *key, uint64_t count, void *data),
		     void *data)
{
	(void)counter;
	(void)take;
	(void)data;
	return -EOPNOTSUPP;
}

int bpf_counter_latencies(struct bpf_counter *counter,
			  int (*take)(const struct count_key *key,
				      const struct count_latency *latency, void *data),
			  void *data)
{
	(void)counter;
	(void)take;
	(void)data;
	return -EOPNOTSUPP;
}

void bpf_counter_forget(struct bpf_counter *counter, const struct count_key *key)
{
	(void)counter;
	(void)key;
}

struct bpf_counter_loss bpf_counter_loss(const struct bpf_counter *counter)
{
	(void)counter;
	return (struct bpf_counter_loss){0};
}

size_t bpf_counter_room(void)
{
	return 0;
}

void bpf_counter_close(struct bpf_counter *counter)
{
	(void)counter;
}
