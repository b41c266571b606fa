// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The least that a program at a tracepoint can do: nothing at all, count in a per-CPU array, or read
 * the clock.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char program_license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, unsigned int);
	__type(value, unsigned long long);
} counts SEC(".maps");

SEC("tracepoint")
int empty(void *record)
{
	(void)record;
	return 1;
}

/* What is read has to go somewhere. */
unsigned long long last;

SEC("tracepoint")
int clock(void *record)
{
	(void)record;
	last = bpf_ktime_get_ns();
	return 1;
}

SEC("tracepoint")
int array(void *record)
{
	unsigned int index = 0;
	unsigned long long *count = bpf_map_lookup_elem(&counts, &index);

	(void)record;
	if (count)
		++*count;
	return 1;
}
