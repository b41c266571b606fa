/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMM of a few hundred lines whose guest makes a known number of exits: what the tests count,
 * the benchmarks measure and scripts/quickstart shows where no other guest runs.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "host/kvm_device.h"
#include "host/message.h"
#include "host/number.h"
#include "host/stdout.h"
#include "tests/guest/sample_vm.h"

#define VCPUS_MAX 8
#define RATE_MAX  1000000

struct options {
	struct sample_work work; /* of all vCPUs together; a round of it with --forever */
	uint64_t vcpus, rate, linger, queries;
	bool forever, wait, late, helper_thread, stats, end_vm, keep_vcpus, replug, another_vm,
		probe;
};

struct vcpu_thread {
	pthread_t thread;
	pthread_barrier_t *start; /* NULL: runs at once */
	pthread_barrier_t *end;   /* of the work, then of the thread; NULL: both at once */
	struct sample_vm *vm;
	struct sample_vcpu *made; /* with --replug: stays there, as QEMU parks it */
	const struct options *options;
	unsigned int id;
	struct sample_work work, seen;
	int err;
};

static volatile bool stop; /* a vCPU looks at it between two exits, so nobody is kicked */

static void usage(void)
{
	printf("Usage: %s [OPTION]...\n"
	       "Run a tiny KVM guest that makes an exact number of exits.\n\n"
	       "      --vcpus N        virtual CPUs, 1..%d (1); they share the work\n"
	       "      --io N           `out` exits to userspace (1000)\n"
	       "      --cpuid N        CPUID exits (100)\n"
	       "      --halts N        HLT exits to userspace (10)\n"
	       "      --rate N         at most N exits to userspace per second and vCPU\n"
	       "      --forever        repeat the work until SIGTERM, at --rate (1000)\n"
	       "      --linger S       keep the VM for S seconds after the work\n"
	       "      --end-vm         with --linger: without the VM\n"
	       "      --keep-vcpus     with --linger: the vCPUs' threads too, as other VMMs do\n"
	       "      --replug         do the work twice, each vCPU in another thread the second\n"
	       "                       time, as QEMU does when it was unplugged between\n"
	       "      --another-vm     do the work twice, in another VM the second time\n"
	       "      --wait           print \"ready\" when the VM exists, run at a line on stdin;\n"
	       "                       so again before the second time\n"
	       "      --late           with --wait: no vCPU threads before that line\n"
	       "      --helper-thread  create the VM in a thread that ends at once\n"
	       "      --stats          keep descriptors of statistics open, as QEMU 8.1 does\n"
	       "      --queries N      with --stats: not that of the VM, which is open after the work\n"
	       "                       from one line on stdin to the next, N times, as long as\n"
	       "                       QEMU is asked\n"
	       "      --name NAME      ignored; -name as well, as on QEMU's command line\n"
	       "      --probe          only say whether KVM can be used here\n"
	       "      --help           show this help\n\n"
	       "The last line is \"io=N cpuid=N halts=N\", what happened; the exit status is 0\n"
	       "when that is what was asked for (or twice that). Each vCPU's round ends with one MMIO exit more.\n",
	       message_program(), VCPUS_MAX);
}

/* Returns 1 to go on, or 0 with *ret_status set. */
static int parse(int argc, char *argv[], struct options *options, int *ret_status)
{
	enum {
		OPT_VCPUS = CHAR_MAX + 1,
		OPT_IO,
		OPT_CPUID,
		OPT_HALTS,
		OPT_RATE,
		OPT_FOREVER,
		OPT_LINGER,
		OPT_WAIT,
		OPT_LATE,
		OPT_HELPER_THREAD,
		OPT_STATS,
		OPT_QUERIES,
		OPT_END_VM,
		OPT_KEEP_VCPUS,
		OPT_REPLUG,
		OPT_ANOTHER_VM,
		OPT_NAME,
		OPT_PROBE,
		OPT_HELP
	};
	static const struct option table[] = {
		{"vcpus", required_argument, NULL, OPT_VCPUS},
		{"io", required_argument, NULL, OPT_IO},
		{"cpuid", required_argument, NULL, OPT_CPUID},
		{"halts", required_argument, NULL, OPT_HALTS},
		{"rate", required_argument, NULL, OPT_RATE},
		{"forever", no_argument, NULL, OPT_FOREVER},
		{"linger", required_argument, NULL, OPT_LINGER},
		{"wait", no_argument, NULL, OPT_WAIT},
		{"late", no_argument, NULL, OPT_LATE},
		{"helper-thread", no_argument, NULL, OPT_HELPER_THREAD},
		{"stats", no_argument, NULL, OPT_STATS},
		{"queries", required_argument, NULL, OPT_QUERIES},
		{"end-vm", no_argument, NULL, OPT_END_VM},
		{"keep-vcpus", no_argument, NULL, OPT_KEEP_VCPUS},
		{"replug", no_argument, NULL, OPT_REPLUG},
		{"another-vm", no_argument, NULL, OPT_ANOTHER_VM},
		{"name", required_argument, NULL, OPT_NAME},
		{"probe", no_argument, NULL, OPT_PROBE},
		{"help", no_argument, NULL, OPT_HELP},
		{0},
	};
	struct {
		int option;
		uint64_t *value, min, max;
	} numbers[] = {
		{OPT_VCPUS, &options->vcpus, 1, VCPUS_MAX},
		{OPT_IO, &options->work.io, 0, UINT32_MAX},
		{OPT_CPUID, &options->work.cpuid, 0, UINT32_MAX},
		{OPT_HALTS, &options->work.halts, 0, UINT32_MAX},
		{OPT_RATE, &options->rate, 1, RATE_MAX},
		{OPT_LINGER, &options->linger, 0, 86400},
		{OPT_QUERIES, &options->queries, 1, 100},
	};
	int option;

	*options = (struct options){.vcpus = 1, .work = {.io = 1000, .cpuid = 100, .halts = 10}};
	*ret_status = 0;
	while ((option = getopt_long_only(argc, argv, "", table, NULL)) != -1) {
		for (size_t i = 0; i < array_size(numbers); i++) {
			if (numbers[i].option != option)
				continue;
			if (number_parse_u64(optarg, numbers[i].min, numbers[i].max,
					     numbers[i].value) == 0)
				continue;
			message_error("\"%s\" is not a number from %lu to %lu", optarg,
				      (unsigned long)numbers[i].min, (unsigned long)numbers[i].max);
			*ret_status = 2;
			return 0;
		}
		options->forever |= option == OPT_FOREVER;
		options->wait |= option == OPT_WAIT;
		options->late |= option == OPT_LATE;
		options->helper_thread |= option == OPT_HELPER_THREAD;
		options->stats |= option == OPT_STATS;
		options->end_vm |= option == OPT_END_VM;
		options->keep_vcpus |= option == OPT_KEEP_VCPUS;
		options->replug |= option == OPT_REPLUG;
		options->another_vm |= option == OPT_ANOTHER_VM;
		options->probe |= option == OPT_PROBE;
		if (option == OPT_HELP) {
			usage();
			return 0;
		}
		if (option == '?') {
			*ret_status = message_try_help();
			return 0;
		}
	}
	if (optind < argc) {
		message_error("unexpected argument \"%s\"", argv[optind]);
		*ret_status = message_try_help();
		return 0;
	}
	if (options->keep_vcpus && (options->replug || options->another_vm)) {
		message_error("--keep-vcpus does not go with --replug or --another-vm");
		*ret_status = 2;
		return 0;
	}
	if (options->forever && options->rate == 0)
		options->rate = 1000;
	return 1;
}

/* "CODE: text: strerror; advice", so that scripts can tell a reason by its first word. */
static int probe(void)
{
	struct host_root root;
	struct kvm_verdict verdict;
	cleanup_free char *text = NULL;
	int err = host_root_open(NULL, &root);

	if (err < 0) {
		fprintf(stderr, "other: /: %s\n", strerror(-err));
		return 1;
	}
	verdict = kvm_device_probe(&root);
	host_root_close(&root);
#ifndef __x86_64__
	if (verdict.cause == KVM_CAUSE_NONE) {
		fputs("no-sample-guest: the sample guest is made for x86-64 only\n", stderr);
		return 1;
	}
#endif
	if (verdict.cause == KVM_CAUSE_NONE)
		return 0;
	text = kvm_verdict_describe(&verdict);
	fprintf(stderr, "%s\n", text ? text : "other: out of memory");
	return 1;
}

static void *run_vcpu(void *data)
{
	struct vcpu_thread *vcpu = data;
	const struct options *options = vcpu->options;
	struct sample_vcpu *made = vcpu->made;
	char name[16];

	snprintf(name, sizeof(name), "CPU %u/KVM", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	vcpu->err = made ? sample_vcpu_plug_again(vcpu->vm, made)
			 : sample_vcpu_create(vcpu->vm, vcpu->id, &made);
	if (vcpu->start)
		pthread_barrier_wait(vcpu->start);
	if (vcpu->err == 0)
		vcpu->err = sample_vcpu_run(made, &vcpu->work, options->forever ? 0 : 1,
					    options->rate, &stop, &vcpu->seen);
	if (vcpu->end) {
		pthread_barrier_wait(vcpu->end);
		pthread_barrier_wait(vcpu->end);
	}
	if (options->replug)
		vcpu->made = made;
	else
		sample_vcpu_destroy(made);
	return NULL;
}

static uint64_t share(uint64_t all, uint64_t count, unsigned int id)
{
	return all / count + (id < all % count);
}

static void start_vcpus(struct vcpu_thread *vcpus, const struct options *options,
			struct sample_vm *vm, pthread_barrier_t *start, pthread_barrier_t *end)
{
	const struct sample_work *work = &options->work;

	for (unsigned int i = 0; i < options->vcpus; i++) {
		vcpus[i] = (struct vcpu_thread){
			.start = start,
			.end = options->keep_vcpus ? end : NULL,
			.vm = vm,
			.made = vcpus[i].made,
			.options = options,
			.id = i,
			.work.io = share(work->io, options->vcpus, i),
			.work.cpuid = share(work->cpuid, options->vcpus, i),
			.work.halts = share(work->halts, options->vcpus, i),
		};
		if (pthread_create(&vcpus[i].thread, NULL, run_vcpu, &vcpus[i]) != 0) {
			message_error("cannot start a thread for vCPU %u", i);
			exit(1);
		}
	}
}

static void join_vcpus(struct vcpu_thread *vcpus, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		pthread_join(vcpus[i].thread, NULL);
}

/* Adds up what all vCPUs have seen. Returns the first error of any, or 0. */
static int add_seen(const struct vcpu_thread *vcpus, uint64_t count, struct sample_work *seen)
{
	int err = 0;

	for (uint64_t i = 0; i < count; i++) {
		seen->io += vcpus[i].seen.io;
		seen->cpuid += vcpus[i].seen.cpuid;
		seen->halts += vcpus[i].seen.halts;
		err = err ? err : vcpus[i].err;
	}
	return err;
}

static void wait_for_line(void)
{
	int c;

	puts("ready");
	fflush(stdout);
	do
		c = getchar();
	while (c != '\n' && c != EOF);
}

/* Sleeps for `seconds`, or (0) until a signal ends the program. */
static void wait_for_signal(const sigset_t *signals, uint64_t seconds)
{
	struct timespec timeout = {.tv_sec = (time_t)seconds};

	while (sigtimedwait(signals, NULL, seconds ? &timeout : NULL) < 0 && errno == EINTR)
		;
}

/* Does the work once more, with the same vCPUs or those of another VM. Returns 0 or -errno. */
static int run_again(const struct options *options, struct vcpu_thread *vcpus,
		     struct sample_vm **vm, struct sample_work *seen)
{
	int err = 0;

	if (options->wait)
		wait_for_line();
	if (options->another_vm) {
		sample_vm_destroy(*vm);
		*vm = NULL;
		err = sample_vm_create(options->stats, vm);
	}
	if (err < 0)
		return err;
	start_vcpus(vcpus, options, *vm, NULL, NULL);
	join_vcpus(vcpus, options->vcpus);
	return add_seen(vcpus, options->vcpus, seen);
}

/* Has the VM's statistics open for a while each time. Returns 0 or -errno. */
static int answer_queries(struct sample_vm *vm, uint64_t count)
{
	int err = 0;

	for (uint64_t i = 0; i < count && err == 0; i++) {
		wait_for_line();
		err = sample_vm_open_stats(vm);
		wait_for_line();
		sample_vm_close_stats(vm);
	}
	return err;
}

/* Runs the VM, which is then destroyed. Returns the exit status. */
static int run(const struct options *options, struct sample_vm *vm, const sigset_t *signals)
{
	bool is_twice = options->replug || options->another_vm;
	struct sample_work wanted = options->work, seen = {0};
	struct vcpu_thread vcpus[VCPUS_MAX] = {0};
	pthread_barrier_t start, end;
	bool held = options->wait && !options->late;
	int err;

	pthread_barrier_init(&start, NULL, (unsigned int)options->vcpus + 1);
	pthread_barrier_init(&end, NULL, (unsigned int)options->vcpus + 1);
	if (held)
		start_vcpus(vcpus, options, vm, &start, &end);
	if (options->wait)
		wait_for_line();
	if (held)
		pthread_barrier_wait(&start);
	else
		start_vcpus(vcpus, options, vm, NULL, &end);
	if (options->forever)
		wait_for_signal(signals, 0);
	stop = options->forever;
	if (options->keep_vcpus)
		pthread_barrier_wait(&end);
	else
		join_vcpus(vcpus, options->vcpus);
	err = add_seen(vcpus, options->vcpus, &seen);
	pthread_barrier_destroy(&start);
	if (err == 0 && is_twice)
		err = run_again(options, vcpus, &vm, &seen);
	if (err == 0)
		err = answer_queries(vm, options->queries);
	if (err < 0) {
		message_error("cannot run the guest: %s", strerror(-err));
		sample_vm_destroy(vm);
		return 1;
	}
	if (options->end_vm) {
		sample_vm_destroy(vm);
		vm = NULL;
	}
	printf("io=%lu cpuid=%lu halts=%lu\n", (unsigned long)seen.io, (unsigned long)seen.cpuid,
	       (unsigned long)seen.halts);
	fflush(stdout);
	if (options->linger)
		wait_for_signal(signals, options->linger);
	if (options->keep_vcpus) {
		pthread_barrier_wait(&end);
		join_vcpus(vcpus, options->vcpus);
	}
	pthread_barrier_destroy(&end);
	for (uint64_t i = 0; i < options->vcpus; i++)
		sample_vcpu_destroy(vcpus[i].made);
	sample_vm_destroy(vm);
	if (is_twice)
		wanted = (struct sample_work){2 * wanted.io, 2 * wanted.cpuid, 2 * wanted.halts};
	return options->forever || memcmp(&seen, &wanted, sizeof(seen)) == 0 ? 0 : 1;
}

struct creation {
	bool keeps_stats;
	struct sample_vm *vm;
	int err;
};

static void *create_vm(void *data)
{
	struct creation *creation = data;

	creation->err = sample_vm_create(creation->keeps_stats, &creation->vm);
	return NULL;
}

/* KVM names a VM after the thread that creates it; some VMMs use one that ends long before. */
static void create_vm_in_thread(struct creation *creation)
{
	pthread_t thread;

	creation->err = -pthread_create(&thread, NULL, create_vm, creation);
	if (creation->err == 0)
		pthread_join(thread, NULL);
}

int main(int argc, char *argv[])
{
	struct creation creation = {0};
	struct options options;
	sigset_t signals;
	int status;

	message_set_program(argv[0], "kvm-sample-guest");
	if (!parse(argc, argv, &options, &status))
		return stdout_close(status);
	if (options.probe)
		return probe();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (options.forever || options.linger)
		sigprocmask(SIG_BLOCK, &signals, NULL);
	creation.keeps_stats = options.stats;
	if (options.helper_thread)
		create_vm_in_thread(&creation);
	else
		create_vm(&creation);
	if (creation.err < 0) {
		message_error("cannot create a VM: %s", strerror(-creation.err));
		return 1;
	}
	if (options.queries)
		sample_vm_close_stats(creation.vm);
	status = run(&options, creation.vm, &signals);
	return stdout_close(status);
}
