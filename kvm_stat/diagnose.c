/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/diagnose.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "host/kernel.h"

static bool is_refusal(int error)
{
	return error == -EACCES || error == -EPERM;
}

/*
 * Why reading was refused. Lockdown holds for root too and says EPERM; the permission bits, which
 * let root alone in, say EACCES.
 */
static const char *why_refused(const struct host_root *root, int error)
{
	enum kernel_lockdown lockdown = kernel_lockdown(root);

	if (error == -EACCES && geteuid() != 0)
		return "only root may read it: try sudo";
	if (error == -EPERM && lockdown == KERNEL_LOCKDOWN_INTEGRITY)
		return "the kernel is locked down (integrity)";
	if (error == -EPERM && lockdown == KERNEL_LOCKDOWN_CONFIDENTIALITY)
		return "the kernel is locked down (confidentiality)";
	if (error == -EPERM && lockdown == KERNEL_LOCKDOWN_UNKNOWN)
		return "probably the kernel is locked down (securityfs, which would tell, is not "
		       "mounted)";
	return "a security module or a missing capability forbids it";
}

static char *line(const char *format, ...) printf_like(1, 2);

static char *line(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

static const char *file_system(enum source_kind kind)
{
	return kind == SOURCE_DEBUGFS ? "debugfs" : "tracefs";
}

static char *explain_missing(enum source_kind kind, int error)
{
	if (error == -ENODEV)
		return line("cannot use %s: %s is not mounted: try "
			    "\"mount -t %s %s /sys/kernel/%s\"",
			    source_name(kind), file_system(kind), file_system(kind),
			    file_system(kind), kind == SOURCE_DEBUGFS ? "debug" : "tracing");
	return line("cannot use %s: it has nothing of KVM: the kvm module is not loaded: try "
		    "\"kvm-modprobe\" as root",
		    source_name(kind));
}

static char *explain_counting(const struct host_root *root, const struct source_error *error)
{
	int level;

	if (error->error == -EOPNOTSUPP)
		return line("cannot count tracepoints: below --sysroot is another host's tree");
	if (!is_refusal(error->error))
		return line("cannot count tracepoints: %s", strerror(-error->error));
	if (geteuid() != 0 && kernel_perf_paranoid(root, &level) == 0 && level >= 1)
		return line("cannot count tracepoints: %s: /proc/sys/kernel/perf_event_paranoid is "
			    "%d: run as root, or with %s",
			    strerror(-error->error), level,
			    level >= 3 ? "CAP_SYS_ADMIN" : "CAP_PERFMON");
	/* Level 3 is of Debian's kernels, where CAP_PERFMON does not count. */
	return line("cannot count tracepoints: %s: perf_event_open(2) needs CAP_PERFMON (or "
		    "CAP_SYS_ADMIN before Linux 5.8, or where perf_event_paranoid is 3)",
		    strerror(-error->error));
}

/* Why the BPF program does not count, after `what`. */
static char *explain_program(const struct host_root *root, const struct source_error *error,
			     const char *what)
{
	if (error->step == SOURCE_STEP_NAMESPACE)
		return line("%s: BPF programs know processes by their numbers on the host, and "
			    "here is a PID namespace of its own",
			    what);
	if (error->error == -ENOSYS)
		return line("%s: this kvm_stat was built without BPF", what);
	if (is_refusal(error->error))
		return line("%s: %s: BPF programs need root, or CAP_BPF and CAP_PERFMON%s", what,
			    strerror(-error->error),
			    kernel_lockdown(root) == KERNEL_LOCKDOWN_CONFIDENTIALITY
				    ? ", and no lockdown (confidentiality)"
				    : "");
	return line("%s: the kernel does not take the BPF program: %s", what,
		    strerror(-error->error));
}

char *diagnose_no_bpf(const struct host_root *root, const struct source_error *error)
{
	return explain_program(root, error, "tracepoints are counted by perf");
}

char *diagnose_lost(enum source_kind kind, const struct source_health *health)
{
	return line("%s: %" PRIu64 " events could not be told apart and are missing in some rows",
		    source_name(kind), health->lost);
}

char *diagnose_source(const struct host_root *root, enum source_kind kind,
		      const struct source_error *error)
{
	const char *name = source_name(kind);

	if (error->step == SOURCE_STEP_LIMIT)
		return line(
			"cannot count tracepoints: %zu file descriptors are needed and the limit "
			"cannot be raised to that (RLIMIT_NOFILE, CAP_SYS_RESOURCE): select "
			"fewer fields with -f",
			error->wanted);
	if (error->step == SOURCE_STEP_PROGRAM || error->step == SOURCE_STEP_NAMESPACE)
		return explain_program(root, error, "cannot count tracepoints via BPF");
	if (error->step == SOURCE_STEP_COUNT)
		return explain_counting(root, error);
	if (error->step == SOURCE_STEP_CAN && kind == SOURCE_REPLAY)
		return line("cannot show this: the recording has no rows that are told apart so");
	if (error->step == SOURCE_STEP_CAN)
		return line("cannot use %s: virtual CPUs cannot be told apart there, and times not "
			    "measured: that takes tracepoints counted via BPF",
			    kind == SOURCE_DEBUGFS ? "debugfs" : "tracepoints counted via perf");
	if (error->error == -ENODEV || error->error == -ENOENT)
		return explain_missing(kind, error->error);
	if (is_refusal(error->error))
		return line("cannot read %s: %s: %s", name, strerror(-error->error),
			    why_refused(root, error->error));
	return line("cannot read %s: %s", name, strerror(-error->error));
}

char *diagnose_health(const struct host_root *root, enum source_kind kind,
		      const struct source_health *health)
{
	const char *other = kind == SOURCE_DEBUGFS ? "; tracepoints (-t) can still be counted" : "";

	if (health->error == -EBADMSG)
		return line("cannot read %zu of %zu %s fields: their files hold no number",
			    health->unreadable, health->fields, source_name(kind));
	if (is_refusal(health->error))
		return line("cannot read %zu of %zu %s fields: %s: %s%s", health->unreadable,
			    health->fields, source_name(kind), strerror(-health->error),
			    why_refused(root, health->error), other);
	return line("cannot read %zu of %zu %s fields: %s", health->unreadable, health->fields,
		    source_name(kind), strerror(-health->error));
}
