/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-bpf stats: lets the kernel measure how long BPF programs run.
 * bench-bpf empty|clock|array ID...: runs the bare program of that name at these tracepoints.
 * bench-bpf times START END: runs kvm_stat's, which measures the times from one to the other.
 * Each until a signal ends it; the line "ready" says that it is at work.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bare.skel.h"
#include "host/message.h"
#include "host/number.h"
#include "kvm_stat/bpf_counter.h"

static uint64_t parse_id(const char *text)
{
	uint64_t id;

	if (number_parse_u64(text, 1, UINT32_MAX, &id) < 0) {
		message_error("\"%s\" is not the id of a tracepoint", text);
		exit(2);
	}
	return id;
}

static int attach(const struct bpf_program *program, uint64_t id)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .config = id};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	return bpf_program__attach_perf_event(program, fd) ? 0 : -errno;
}

static int run_bare(const char *name, char *ids[])
{
	struct bare *skeleton = bare__open_and_load();
	struct bpf_program *program;
	int r = 0;

	if (!skeleton)
		return -errno;
	program = bpf_object__find_program_by_name(skeleton->obj, name);
	if (!program)
		return -ENOENT;
	for (; *ids && r == 0; ids++)
		r = attach(program, parse_id(*ids));
	return r;
}

static int run_times(const char *start, const char *end)
{
	struct bpf_counter_event events[] = {
		{.tracepoint = parse_id(start),
		 .how = {.fields = {{8, 4}, {12, 4}}, .by_thread = 1, .starts = 1}},
		{.tracepoint = parse_id(end), .how = {.ends = 1}},
	};
	struct bpf_counter *counter;

	return bpf_counter_open(events, 2, 0, 65536, &counter);
}

int main(int argc, char *argv[])
{
	int r;

	message_set_program(argv[0], "bench-bpf");
	if (argc == 2 && strcmp(argv[1], "stats") == 0) {
		r = bpf_enable_stats(BPF_STATS_RUN_TIME);
	} else if (argc == 4 && strcmp(argv[1], "times") == 0) {
		r = run_times(argv[2], argv[3]);
	} else if (argc > 2) {
		r = run_bare(argv[1], argv + 2);
	} else {
		message_error("usage: stats | empty|clock|array ID... | times START END");
		return 2;
	}
	if (r < 0) {
		message_error("cannot run %s: %s", argv[1], strerror(-r));
		return 1;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
