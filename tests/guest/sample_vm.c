/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/sample_vm.h"

#include <errno.h>

#ifdef __x86_64__

#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE         4096u
#define CODE_ADDRESS 0x1000u /* one page of code for all vCPUs, then one page of data each */
#define END_ADDRESS  0xf000u /* no memory there: a write is an exit, the end of a round */
#define PORT         0x10u
#define TSS_ADDRESS  0xfffbd000u /* for Intel CPUs without "unrestricted guest" */
#define NSEC_PER_SEC 1000000000u

/*
 * Counts come in %edi (out), %esi (cpuid) and %ebp (hlt); %sp is the address of the 32-bit word in
 * which the guest counts its CPUIDs, as that instruction clobbers all but these.
 */
/* clang-format off */
static const uint8_t code[] = {
	0x66, 0x85, 0xff,		/*	test %edi,%edi */
	0x74, 0x08,			/*	jz cpuids */
	0xba, PORT, 0x00,		/*	mov $PORT,%dx */
	0xee,				/* 1:	out %al,(%dx) */
	0x66, 0x4f,			/*	dec %edi */
	0x75, 0xfb,			/*	jnz 1b */
	0x66, 0x85, 0xf6,		/* cpuids: test %esi,%esi */
	0x74, 0x11,			/*	jz halts */
	0x66, 0x31, 0xc0,		/* 2:	xor %eax,%eax */
	0x66, 0x31, 0xc9,		/*	xor %ecx,%ecx */
	0x0f, 0xa2,			/*	cpuid */
	0x89, 0xe3,			/*	mov %sp,%bx */
	0x66, 0xff, 0x07,		/*	incl (%bx) */
	0x66, 0x4e,			/*	dec %esi */
	0x75, 0xef,			/*	jnz 2b */
	0x66, 0x85, 0xed,		/* halts: test %ebp,%ebp */
	0x74, 0x05,			/*	jz end */
	0xf4,				/* 3:	hlt */
	0x66, 0x4d,			/*	dec %ebp */
	0x75, 0xfb,			/*	jnz 3b */
	0xa2, END_ADDRESS & 0xff, END_ADDRESS >> 8,	/* end: mov %al,END_ADDRESS */
	0xf4,				/*	hlt: never reached */
};
/* clang-format on */

#define VCPUS_MAX ((END_ADDRESS - CODE_ADDRESS) / PAGE - 1)

struct sample_vm {
	int kvm_fd, fd;
	uint8_t *memory;
	size_t size;
	bool keeps_stats;
	int stats[1 + 2 * VCPUS_MAX]; /* of the VM, of each vCPU, and again of each; -1: none */
};

struct sample_vcpu {
	unsigned int id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	volatile uint32_t *cpuids; /* the guest's own counter */
};

int sample_vm_open_stats(struct sample_vm *vm)
{
	if (vm->stats[0] < 0)
		vm->stats[0] = ioctl(vm->fd, KVM_GET_STATS_FD, 0);
	return vm->stats[0] < 0 ? -errno : 0;
}

void sample_vm_close_stats(struct sample_vm *vm)
{
	if (vm->stats[0] >= 0)
		close(vm->stats[0]);
	vm->stats[0] = -1;
}

int sample_vm_create(bool keeps_stats, struct sample_vm **ret_vm)
{
	struct sample_vm *vm = malloc(sizeof(*vm));
	struct kvm_userspace_memory_region region;
	int err;

	if (!vm)
		return -ENOMEM;
	*vm = (struct sample_vm){.fd = -1, .memory = MAP_FAILED, .keeps_stats = keeps_stats};
	memset(vm->stats, -1, sizeof(vm->stats));
	vm->size = (VCPUS_MAX + 1) * PAGE;
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		goto fail;
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		goto fail;
	vm->memory = mmap(NULL, vm->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			  0);
	if (vm->memory == MAP_FAILED)
		goto fail;
	memcpy(vm->memory, code, sizeof(code));
	region = (struct kvm_userspace_memory_region){
		.guest_phys_addr = CODE_ADDRESS,
		.memory_size = vm->size,
		.userspace_addr = (uintptr_t)vm->memory,
	};
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)TSS_ADDRESS) < 0 ||
	    ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		goto fail;
	if (keeps_stats && sample_vm_open_stats(vm) < 0)
		goto fail;
	*ret_vm = vm;
	return 0;
fail:
	err = -errno;
	sample_vm_destroy(vm);
	return err;
}

void sample_vm_destroy(struct sample_vm *vm)
{
	if (!vm)
		return;
	for (size_t i = 0; i < array_size(vm->stats); i++)
		if (vm->stats[i] >= 0)
			close(vm->stats[i]);
	if (vm->memory != MAP_FAILED)
		munmap(vm->memory, vm->size);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	free(vm);
}

void sample_vcpu_destroy(struct sample_vcpu *vcpu)
{
	if (!vcpu)
		return;
	if (vcpu->run != MAP_FAILED)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	free(vcpu);
}

static int vcpu_open(struct sample_vm *vm, struct sample_vcpu *vcpu)
{
	struct kvm_sregs sregs;
	int size;

	vcpu->cpuids = (volatile uint32_t *)(void *)(vm->memory + (vcpu->id + 1) * PAGE);
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)vcpu->id);
	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu->fd < 0)
		return -errno;
	if (size < (int)sizeof(*vcpu->run))
		return -EIO;
	if (vm->keeps_stats && (vm->stats[1 + vcpu->id] = ioctl(vcpu->fd, KVM_GET_STATS_FD, 0)) < 0)
		return -errno;
	vcpu->run_size = (size_t)size;
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 ? -errno : 0;
}

int sample_vcpu_create(struct sample_vm *vm, unsigned int id, struct sample_vcpu **ret_vcpu)
{
	struct sample_vcpu *vcpu;
	int err;

	if (id >= VCPUS_MAX)
		return -E2BIG;
	vcpu = malloc(sizeof(*vcpu));
	if (!vcpu)
		return -ENOMEM;
	*vcpu = (struct sample_vcpu){.id = id, .fd = -1, .run = MAP_FAILED};
	err = vcpu_open(vm, vcpu);
	if (err < 0)
		sample_vcpu_destroy(vcpu);
	else
		*ret_vcpu = vcpu;
	return err;
}

int sample_vcpu_plug_again(struct sample_vm *vm, struct sample_vcpu *vcpu)
{
	int fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, 0);

	if (fd >= 0)
		vm->stats[1 + VCPUS_MAX + vcpu->id] = fd;
	return fd < 0 ? -errno : 0;
}

static int start_round(struct sample_vcpu *vcpu, const struct sample_work *work)
{
	struct kvm_regs regs = {
		.rip = CODE_ADDRESS,
		.rflags = 2,
		.rdi = work->io,
		.rsi = work->cpuid,
		.rbp = work->halts,
		.rsp = CODE_ADDRESS + (vcpu->id + 1) * PAGE,
	};

	*vcpu->cpuids = 0;
	return ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0 ? -errno : 0;
}

/* Sleeps until the next exit is due. One that comes late does not make the later ones a burst. */
static void pace(struct timespec *due, uint64_t rate)
{
	uint64_t step = NSEC_PER_SEC / rate;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	due->tv_nsec += (long)(step % NSEC_PER_SEC);
	due->tv_sec += (time_t)(step / NSEC_PER_SEC) + due->tv_nsec / (long)NSEC_PER_SEC;
	due->tv_nsec %= (long)NSEC_PER_SEC;
	if (now.tv_sec > due->tv_sec + 1)
		*due = now;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, due, NULL) == EINTR)
		;
}

/* Runs until the next exit to userspace. Returns 1 at the end of a round, 0, or -errno. */
static int step(struct sample_vcpu *vcpu, struct sample_work *seen)
{
	const struct kvm_run *run = vcpu->run;

	while (ioctl(vcpu->fd, KVM_RUN, 0) < 0)
		if (errno != EINTR)
			return -errno;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		seen->io += run->io.port == PORT;
		return run->io.port == PORT ? 0 : -EPROTO;
	case KVM_EXIT_HLT:
		seen->halts++;
		return 0;
	case KVM_EXIT_MMIO:
		return run->mmio.phys_addr == END_ADDRESS ? 1 : -EPROTO;
	default:
		return -EPROTO;
	}
}

int sample_vcpu_run(struct sample_vcpu *vcpu, const struct sample_work *work, uint64_t rounds,
		    uint64_t rate, const volatile bool *stop, struct sample_work *seen)
{
	struct timespec due;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &due);
	for (uint64_t round = 0; err == 0 && !*stop && (rounds == 0 || round < rounds); round++) {
		err = start_round(vcpu, work);
		while (err == 0 && !*stop) {
			if (rate)
				pace(&due, rate);
			err = step(vcpu, seen);
		}
		seen->cpuid += *vcpu->cpuids;
		if (err > 0)
			err = 0;
	}
	return err;
}

#else

int sample_vm_create(bool keeps_stats, struct sample_vm **ret_vm)
{
	(void)keeps_stats, (void)ret_vm;
	return -ENOTSUP;
}

int sample_vm_open_stats(struct sample_vm *vm)
{
	(void)vm;
	return -ENOTSUP;
}

void sample_vm_close_stats(struct sample_vm *vm)
{
	(void)vm;
}

void sample_vm_destroy(struct sample_vm *vm)
{
	(void)vm;
}

int sample_vcpu_create(struct sample_vm *vm, unsigned int id, struct sample_vcpu **ret_vcpu)
{
	(void)vm, (void)id, (void)ret_vcpu;
	return -ENOTSUP;
}

int sample_vcpu_plug_again(struct sample_vm *vm, struct sample_vcpu *vcpu)
{
	(void)vm, (void)vcpu;
	return -ENOTSUP;
}

void sample_vcpu_destroy(struct sample_vcpu *vcpu)
{
	(void)vcpu;
}

int sample_vcpu_run(struct sample_vcpu *vcpu, const struct sample_work *work, uint64_t rounds,
		    uint64_t rate, const volatile bool *stop, struct sample_work *seen)
{
	(void)vcpu, (void)work, (void)rounds, (void)rate, (void)stop, (void)seen;
	return -ENOTSUP;
}

#endif
