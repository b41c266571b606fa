/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What takes the place of bpf_counter.c in a build without BPF. */
#include <errno.h>

#include "kvm_stat/bpf_counter.h"

int bpf_counter_open(const struct bpf_counter_event *events, size_t count, pid_t process,
		     unsigned int rows, struct bpf_counter **ret_counter)
{
	(void)events;
	(void)count;
	(void)process;
	(void)rows;
	(void)ret_counter;
	return -ENOSYS;
}

int bpf_counter_totals(struct bpf_counter *counter, uint64_t *totals)
{
	(void)counter;
	(void)totals;
	return -ENOSYS;
}

int bpf_counter_rows(struct bpf_counter *counter,
		     int (*take)(const struct count_key *key, uint64_t count, void *data),
		     void *data)
{
	(void)counter;
	(void)take;
	(void)data;
	return -ENOSYS;
}

int bpf_counter_latencies(struct bpf_counter *counter,
			  int (*take)(const struct count_key *key,
				      const struct count_latency *latency, void *data),
			  void *data)
{
	(void)counter;
	(void)take;
	(void)data;
	return -ENOSYS;
}

int bpf_counter_take(struct bpf_counter *counter, const struct count_key *key, uint64_t *ret_count,
		     struct count_latency *ret_latency)
{
	(void)counter;
	(void)key;
	(void)ret_count;
	(void)ret_latency;
	return -ENOSYS;
}

struct bpf_counter_loss bpf_counter_loss(const struct bpf_counter *counter)
{
	(void)counter;
	return (struct bpf_counter_loss){0};
}

void bpf_counter_close(struct bpf_counter *counter)
{
	(void)counter;
}
