/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-exit out|none COUNT ROUNDS: prints how many nanoseconds of CPU one exit to userspace takes
 * the thread of a guest's vCPU: the least of all rounds of so many exits. With many short rounds some
 * find the host quiet, whoever else runs on it. "out": the guest makes them by an instruction.
 * "none": KVM_RUN returns without running the guest, which is the least there can be around an exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "host/message.h"
#include "host/number.h"
#include "tests/guest/sample_vm.h"

#define VCPUS 10 /* each round of "out" has one of its own, and so many rounds have a VM */

static uint64_t thread_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int run_out(uint64_t count, uint64_t rounds, uint64_t *best)
{
	static const bool never;
	struct sample_work seen = {0};
	struct sample_vm *vm = NULL;
	unsigned int i;
	int r = 0;

	for (i = 0; r == 0 && i < rounds; i++) {
		struct sample_vcpu *vcpu = NULL;
		uint64_t start, spent;

		if (i % VCPUS == 0) {
			sample_vm_destroy(vm);
			vm = NULL;
			r = sample_vm_create(false, &vm);
		}
		if (r == 0)
			r = sample_vcpu_create(vm, i % VCPUS, &vcpu);
		start = thread_time_ns();
		if (r == 0)
			r = sample_vcpu_run(vcpu, &(struct sample_work){.io = count}, 1, 0, &never,
					    &seen);
		spent = thread_time_ns() - start;
		sample_vcpu_destroy(vcpu);
		*best = spent < *best ? spent : *best;
	}
	sample_vm_destroy(vm);
	return r;
}

static int run_none(uint64_t count, uint64_t rounds, uint64_t *best)
{
	cleanup_close int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	cleanup_close int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	cleanup_close int vcpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0);
	struct kvm_run *run;
	uint64_t i, j;

	if (vcpu < 0)
		return -errno;
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return -errno;
	run->immediate_exit = 1;
	for (i = 0; i < rounds; i++) {
		uint64_t start = thread_time_ns(), spent;

		for (j = 0; j < count; j++) {
			if (ioctl(vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
				return -EPROTO;
		}
		spent = thread_time_ns() - start;
		*best = spent < *best ? spent : *best;
	}
	return 0;
}

int main(int argc, char *argv[])
{
	uint64_t count, rounds, best = UINT64_MAX;
	int r;

	message_set_program(argv[0], "bench-exit");
	if (argc != 4 || (strcmp(argv[1], "out") && strcmp(argv[1], "none")) ||
	    number_parse_u64(argv[2], 1, UINT32_MAX, &count) < 0 ||
	    number_parse_u64(argv[3], 1, UINT16_MAX, &rounds) < 0) {
		message_error("usage: out|none COUNT ROUNDS");
		return 2;
	}
	r = strcmp(argv[1], "out") == 0 ? run_out(count, rounds, &best)
					: run_none(count, rounds, &best);
	if (r < 0) {
		message_error("cannot run a guest: %s", strerror(-r));
		return 1;
	}
	printf("%lu\n", (unsigned long)(best / count));
	return 0;
}
