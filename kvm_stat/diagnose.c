/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/diagnose.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "host/guest.h"
#include "host/kernel.h"
#include "host/text.h"

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

/* Why the descriptors of other processes cannot be copied, which is much as to trace them. */
static const char *why_no_copies(const struct host_root *root, int error)
{
	char scope[8];

	if (error == -EMFILE || error == -ENFILE)
		return "the limit of file descriptors (RLIMIT_NOFILE) is too low";
	if (error == -ENOSYS)
		return "pidfd_getfd(2) is missing (Linux 5.6) or forbidden here";
	if (error == -ESRCH)
		return "its process cannot be found: it may be in another PID namespace";
	if (error == -EBADMSG)
		return "the statistics contradict themselves";
	if (!is_refusal(error))
		return NULL;
	if (host_read_line(root, "proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope)) > 0 &&
	    scope[0] == '3')
		return "Yama forbids it to everybody (kernel.yama.ptrace_scope is 3)";
	if (geteuid() != 0)
		return "it needs the right to trace the guest (CAP_SYS_PTRACE): try sudo";
	return "CAP_SYS_PTRACE is missing, or a security module such as SELinux (deny_ptrace) "
	       "forbids it";
}

static char *explain_stats(const struct host_root *root, int error)
{
	const char *why = why_no_copies(root, error);

	if (error == -EOPNOTSUPP)
		return line("cannot read stats: below --sysroot is another host's tree");
	if (error == -ENODATA)
		return line("cannot read stats: the guest's VMM keeps no descriptors of them");
	return line("cannot read stats: %s%s%s", strerror(-error), why ? ": " : "", why ? why : "");
}

/* "vm1 (pid 17), vm2 (pid 18) and 3 more", or NULL without memory. */
static char *name_guests(const struct host_root *root, const struct source_health *health)
{
	char *text = NULL;
	size_t length, i;
	FILE *list = open_memstream(&text, &length);

	if (!list)
		return NULL;
	for (i = 0; i < health->unreadable && i < array_size(health->guests); i++) {
		cleanup_free char *raw_name = NULL, *name = NULL;

		if (guest_name(root, health->guests[i], &raw_name) >= 0)
			name = text_clean(raw_name);
		fprintf(list, "%s%s (pid %d)", i ? ", " : "", name ? name : "unknown",
			(int)health->guests[i]);
	}
	if (i < health->unreadable)
		fprintf(list, " and %zu more", health->unreadable - i);
	if (fclose(list) == 0)
		return text;
	free(text);
	return NULL;
}

static char *explain_guests(const struct host_root *root, const struct source_health *health)
{
	cleanup_free char *names = name_guests(root, health);
	const char *why = why_no_copies(root, health->error);

	if (!names)
		return NULL;
	if (health->error == -ENODATA)
		return line("cannot read the stats of %zu of %zu guests, whose VMMs keep no "
			    "descriptors of them (QEMU does since 8.1): %s: tracepoints (-t) and "
			    "debugfs (-d) need none",
			    health->unreadable, health->fields, names);
	return line("cannot read the stats of %zu of %zu guests: %s%s%s: %s", health->unreadable,
		    health->fields, strerror(-health->error), why ? ": " : "", why ? why : "",
		    names);
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

char *diagnose_missed(enum source_kind kind, const struct source_health *health)
{
	return line("%s: %" PRIu64
		    " events of this host, raised while their CPU was at work for a BPF "
		    "program, were not counted; times may be too long for that",
		    source_name(kind), health->missed);
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
	if (error->error == -E2BIG && kind == SOURCE_REPLAY)
		return line("cannot show this: the recording has too many fields and guests for "
			    "rows of each: select fewer fields with -f, or a guest");
	if (error->step == SOURCE_STEP_CAN)
		return line("cannot use %s: virtual CPUs cannot be told apart there, and times not "
			    "measured: that takes tracepoints counted via BPF",
			    kind == SOURCE_TRACEPOINTS ? "tracepoints counted via perf"
						       : source_name(kind));
	if (kind == SOURCE_STATS && error->error != -ENOENT)
		return explain_stats(root, error->error);
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
	const char *other = kind == SOURCE_DEBUGFS
				    ? "; tracepoints (-t) can still be counted, and --source stats "
				      "reads guests of QEMU 8.1 and later"
				    : "";

	if (kind == SOURCE_STATS)
		return explain_guests(root, health);
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
