/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/run.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "host/message.h"
#include "host/number.h"
#include "host/stdout.h"
#include "host/text.h"
#include "qemu-kvm/explain.h"
#include "qemu-kvm/plan.h"
#include "qemu-kvm/vhost.h"

/*
 * How many launchers have led to this one. An "emulator" that is a script and runs the launcher
 * again, in its own process or another, would go on for ever.
 */
#define DEPTH_VARIABLE "QEMU_KVM_LAUNCHER_DEPTH"
#define DEPTH_MAX      3

/* Our own options, which stand in front of QEMU's. */
struct own_options {
	bool explain;
	const char *sysroot;
	int count; /* how many arguments they are */
};

/* Returns 0, or -EINVAL when a value is missing. */
static int parse_own_options(char *const argv[], struct own_options *ret)
{
	static const char sysroot[] = "--sysroot";
	const size_t length = sizeof(sysroot) - 1;

	*ret = (struct own_options){0};
	if (!argv[1] || strcmp(argv[1], "--kvm-explain") != 0)
		return 0;
	ret->explain = true;
	ret->count = 1;
	if (!argv[2] || strncmp(argv[2], sysroot, length) != 0)
		return 0;
	if (argv[2][length] == '=') {
		ret->sysroot = argv[2] + length + 1;
		ret->count = 2;
	} else if (!argv[2][length]) {
		ret->sysroot = argv[3];
		ret->count = 3;
		return argv[3] ? 0 : -EINVAL;
	}
	return 0;
}

/* Returns 0, -ELOOP when there have been too many, or -ENOMEM. */
static int count_launchers(void)
{
	cleanup_free char *next = NULL;
	const char *text = getenv(DEPTH_VARIABLE);
	uint64_t depth = 0;

	if (text && number_parse_u64(text, 0, DEPTH_MAX, &depth) < 0)
		depth = 0; /* it is not ours */
	if (depth >= DEPTH_MAX)
		return -ELOOP;
	next = text_format("%d", (int)depth + 1);
	return next && setenv(DEPTH_VARIABLE, next, 1) == 0 ? 0 : -ENOMEM;
}

static void prepare_vhost(const struct host_root *root, const struct vhost_device *device)
{
	int r = vhost_prepare(root, device);

	if (r < 0)
		message_warning("%s needs the module %s, which could not be loaded: %s",
				device->option, device->module, vhost_advice(r));
}

/* Ignored while we write: a reader of stderr that is gone shall not keep the guest from starting. */
static void ignore_sigpipe(struct sigaction *ret_inherited)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGPIPE, &ignore, ret_inherited);
}

static void print_warnings(const struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->legacy.warning_count; i++)
		message_warning("%s", plan->legacy.warnings[i]);
	if (plan->warning)
		message_warning("%s", plan->warning);
	if (plan->unseen)
		message_warning("%s", plan->unseen);
}

/* execv() has failed: ENOENT is the interpreter of a script or of an ELF file. */
static int explain_exec_error(const char *emulator, int error)
{
	switch (error) {
	case ENOENT:
		message_error("%s cannot be executed: its interpreter is missing", emulator);
		break;
	case E2BIG:
		message_error("%s cannot be executed: the arguments and the environment are too "
			      "long for the kernel",
			      emulator);
		break;
	default:
		message_error("%s cannot be executed: %s", emulator, strerror(error));
	}
	return STATUS_CANNOT_RUN;
}

static int carry_out(const struct plan *plan, const struct host_root *root)
{
	struct sigaction inherited;
	int error;

	ignore_sigpipe(&inherited);
	print_warnings(plan);
	if (plan->refusal) {
		message_error("%s", plan->refusal);
		return plan->status;
	}
	if (plan->request.vhost_net)
		prepare_vhost(root, &vhost_net);
	if (plan->request.vhost_vsock)
		prepare_vhost(root, &vhost_vsock);
	sigaction(SIGPIPE, &inherited, NULL);
	execv(plan->emulator, plan->argv);
	error = errno;
	ignore_sigpipe(&inherited);
	return explain_exec_error(plan->emulator, error);
}

static int explain(const struct plan *plan, const struct host_root *root)
{
	if (explain_plan(plan, root) < 0) {
		message_error("out of memory");
		return STATUS_FAILED;
	}
	return stdout_close(plan->refusal ? plan->status : 0);
}

static int run(char *argv[], const struct own_options *own)
{
	struct host_root root;
	struct plan plan;
	int r = host_root_open(own->sysroot, &root);
	int status;

	if (r < 0) {
		message_error("cannot open %s: %s", own->sysroot ? own->sysroot : "/",
			      strerror(-r));
		return STATUS_FAILED;
	}
	argv[own->count] = argv[0];
	r = plan_make(argv + own->count, &root, &plan);
	if (r < 0) {
		message_error("cannot prepare the start of the emulator: %s", strerror(-r));
		host_root_close(&root);
		return STATUS_FAILED;
	}
	status = own->explain ? explain(&plan, &root) : carry_out(&plan, &root);
	plan_free(&plan);
	host_root_close(&root);
	return status;
}

int qemu_kvm_run(int argc, char *argv[])
{
	static char *nothing[] = {(char *)"qemu-kvm", NULL};
	struct own_options own;
	int r;

	if (argc < 1 || !argv[0])
		argv = nothing;
	message_set_program(argv[0], "qemu-kvm");
	r = count_launchers();
	if (r == -ELOOP) {
		message_error("the emulator it found runs this launcher again; look in PATH for a "
			      "script that has the emulator's name");
		return STATUS_CANNOT_RUN;
	}
	if (r < 0) {
		message_error("out of memory");
		return STATUS_FAILED;
	}
	if (parse_own_options(argv, &own) < 0) {
		message_error("option --sysroot needs a directory");
		return STATUS_USAGE;
	}
	return run(argv, &own);
}
