/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cli/bpf_guests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/cli/private_mounts.h"
#include "tests/unit/unit.h"

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

void bpf_guests_need(void)
{
	struct sample_vm *vm;
	int r;

	need_host_pids();
	enter_private_mounts();
	r = sample_vm_create(false, &vm);
	if (r < 0)
		skip_test("no-kvm", strerror(-r));
	sample_vm_destroy(vm);
}

void *bpf_guest_run_thread(void *data)
{
	static const bool never;
	struct bpf_guest_thread *thread = data;
	struct sample_vcpu *vcpu = NULL;
	struct sample_work seen = {0};

	thread->tid = gettid();
	thread->r = sample_vcpu_create(thread->vm, thread->id, &vcpu);
	thread->elapsed = now();
	if (thread->r == 0)
		thread->r = sample_vcpu_run(vcpu, &thread->work, 1, thread->rate, &never, &seen);
	thread->elapsed = now() - thread->elapsed;
	sample_vcpu_destroy(vcpu);
	if (thread->r == 0 && memcmp(&seen, &thread->work, sizeof(seen)) != 0)
		thread->r = -EPROTO;
	return NULL;
}

pid_t bpf_guest_work(struct sample_vm *vm, unsigned int id)
{
	struct bpf_guest_thread thread = {.vm = vm, .id = id, .work = {IO, CPUIDS, HALTS}};
	pthread_t handle;

	if (pthread_create(&handle, NULL, bpf_guest_run_thread, &thread) != 0)
		abort();
	pthread_join(handle, NULL);
	if (thread.r < 0) {
		fprintf(stderr, "cannot run a guest: %s\n", strerror(-thread.r));
		abort();
	}
	return thread.tid;
}

/* Runs a vCPU that comes back at once, with EINTR: a "restart", which has a row for each thread. */
static void *run_interrupted(void *data)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	int vcpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0);
	struct kvm_run *run;
	unsigned int i;

	run = vcpu < 0 ? MAP_FAILED
		       : mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		abort();
	run->immediate_exit = 1;
	for (i = 0; i < RESTARTS; i++) {
		if (ioctl(vcpu, KVM_RUN, 0) == 0 || errno != EINTR)
			abort();
	}
	munmap(run, sizeof(*run));
	close(vcpu);
	close(vm);
	close(kvm);
	return data;
}

void bpf_guest_interrupt(void)
{
	pthread_t handle;

	if (pthread_create(&handle, NULL, run_interrupted, NULL) != 0)
		abort();
	pthread_join(handle, NULL);
}

struct sample_vm *bpf_guest_vm(void)
{
	struct sample_vm *vm;

	if (sample_vm_create(false, &vm) < 0)
		abort();
	return vm;
}

static _Noreturn void be_guest(int in, int out)
{
	struct sample_vm *vm = bpf_guest_vm();
	unsigned int id = 0;
	char order;

	while (write(out, "", 1) == 1 && read(in, &order, 1) == 1) {
		if (order == 'w')
			bpf_guest_work(vm, id++);
		if (order == 'i')
			bpf_guest_interrupt();
		if (order == 'c') {
			sample_vm_destroy(vm);
			vm = NULL;
		}
		if (order == 'n') {
			vm = bpf_guest_vm();
			id = 0;
		}
	}
	_exit(0);
}

void bpf_guest_order(const struct bpf_guest *guest, char letter)
{
	char done;

	assert_true(letter == 0 || write(guest->to, &letter, 1) == 1);
	assert_int_equal(read(guest->from, &done, 1), 1);
}

struct bpf_guest bpf_guest_start(void)
{
	int to[2] = {-1, -1}, from[2] = {-1, -1};
	struct bpf_guest guest;

	assert_true(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
	guest = (struct bpf_guest){.pid = fork(), .to = to[1], .from = from[0]};
	assert_true(guest.pid >= 0);
	if (guest.pid == 0) {
		close(to[1]);
		be_guest(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	bpf_guest_order(&guest, 0);
	return guest;
}

void bpf_guest_end(const struct bpf_guest *guest)
{
	close(guest->to);
	close(guest->from);
	kill(guest->pid, SIGKILL);
	assert_int_equal(waitpid(guest->pid, NULL, 0), guest->pid);
}
