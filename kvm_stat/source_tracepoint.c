/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's tracepoints, counted by perf. A tracepoint that tells exit reasons has one more counter
 * for each reason, filtered in the kernel, and one for all that those leave over, whose records
 * are looked at to learn the number. Only what is selected is opened: every open counter costs the
 * guests time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "host/cpu_list.h"
#include "host/guest.h"
#include "host/kernel.h"
#include "host/mounts.h"
#include "host/vm.h"
#include "kvm_stat/exit_reason.h"
#include "kvm_stat/fd_reaper.h"
#include "kvm_stat/perf_group.h"
#include "kvm_stat/source.h"

#define FORMAT_LIMIT (256 * 1024)	/* bytes; kvm_exit's is about 8 KiB */
#define NUMBERED_MAX 64			/* rows of reasons known by number only */
#define SPARE_FDS    64			/* for everything else that is open */

/* A tracepoint of the kernel. */
struct tracepoint {
	char *group, *name;
	struct event_format *format;	/* once it was needed */
	struct exit_reasons *reasons;	/* likewise; NULL where there are none */
	bool parsed;
};

/* One row of the samples. */
struct tracepoint_row {
	char *name;
	const char *parent;
	ssize_t counter;	/* -1: `extra` is all */
	uint64_t extra;		/* learnt from records */
	uint64_t less;		/* of the counter, what records showed to belong elsewhere */
};

/* The rows of one tracepoint's reasons. */
struct split {
	const struct tracepoint *event;
	uint64_t id;
	ssize_t *reason_rows;	/* by reason; -1: not selected */
	ssize_t rest_row;
	struct numbered {
		uint64_t number;
		bool is_flag;
		size_t row;
	} numbered[NUMBERED_MAX];
	size_t numbered_count;
};

/* What was counted for one guest, or for all (guest 0). */
struct tally {
	pid_t guest;
	bool seen;		/* in the current round */
	uint64_t *retired;	/* by counter: of threads and CPUs that are gone */
	uint64_t *base;		/* by counter: at the last reset */
	uint64_t *now;		/* by counter */
};

struct tracepoint_source {
	struct source source;
	const struct host_root *root;
	int events_fd;
	enum exit_isa isa;
	struct tracepoint *events;
	size_t event_count;

	pid_t pid;
	char *by_guest;
	bool fixed_rows;
	struct perf_counter *counters;
	size_t counter_count;
	struct tracepoint_row *rows;
	size_t row_count;
	struct split *splits;
	size_t split_count;
	struct perf_group **groups;	/* ascending by target */
	size_t group_count;
	struct tally *tallies;
	size_t tally_count;
};

static struct tracepoint_source *self(struct source *source)
{
	return (struct tracepoint_source *)source;
}

/* ---- the kernel's tracepoints ---- */

static int add_event(struct tracepoint_source *tp, const char *group, const char *name)
{
	struct tracepoint *grown = reallocarray(tp->events, tp->event_count + 1, sizeof(*grown));
	struct tracepoint *event;

	if (!grown)
		return -ENOMEM;
	tp->events = grown;
	event = &grown[tp->event_count];
	*event = (struct tracepoint){.group = strdup(group), .name = strdup(name)};
	if (!event->group || !event->name) {
		free(event->group);
		free(event->name);
		return -ENOMEM;
	}
	tp->event_count++;
	return 0;
}

static bool is_directory(const struct dirent *entry)
{
	return entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
}

static int list_group(struct tracepoint_source *tp, const char *group)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = host_opendir_at(tp->events_fd, group, &dir);

	if (r < 0)
		return r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		if (is_directory(entry))
			r = add_event(tp, group, entry->d_name);
		if (r < 0)
			break;
	}
	return r;
}

/* Architectures put some of their events into groups of their own: kvmmmu, kvm_hv, kvm-s390. */
static int list_events(struct tracepoint_source *tp)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = list_group(tp, "kvm");

	if (r < 0)
		return r;
	r = host_opendir_at(tp->events_fd, ".", &dir);
	if (r < 0)
		return r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		if (is_directory(entry) && strncmp(entry->d_name, "kvm", 3) == 0 &&
		    strcmp(entry->d_name, "kvm"))
			r = list_group(tp, entry->d_name);
		if (r < 0)
			break;
	}
	return r < 0 ? r : tp->event_count ? 0 : -ENOENT;
}

static const struct tracepoint *find_event(const struct tracepoint_source *tp, const char *name)
{
	size_t i;

	for (i = 0; i < tp->event_count; i++) {
		if (strcmp(tp->events[i].name, name) == 0)
			return &tp->events[i];
	}
	return NULL;
}

static int open_event(const struct tracepoint_source *tp, const struct tracepoint *event)
{
	char path[512];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", event->group, event->name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = openat(tp->events_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Reads the event's format; one that libtraceevent does not understand has no reasons. */
static int parse_format(struct tracepoint_source *tp, struct tracepoint *event)
{
	cleanup_close int dir = -1;
	cleanup_free char *text = NULL;
	ssize_t length;
	int r;

	if (event->format)
		return 0;
	dir = open_event(tp, event);
	if (dir < 0)
		return dir;
	length = host_read_alloc(dir, "format", FORMAT_LIMIT, &text);
	if (length < 0)
		return (int)length;
	r = event_format_parse(text, (size_t)length, event->group, &event->format);
	return r == -EBADMSG ? 0 : r;
}

static int parse_reasons(struct tracepoint_source *tp, struct tracepoint *event)
{
	struct tracepoint *exit_event = (struct tracepoint *)find_event(tp, "kvm_exit");
	int r;

	if (event->parsed || !exit_reasons_apply(event->name))
		return 0;
	event->parsed = true;
	/* Only SEV-ES guests make these, on SVM: elsewhere they would be rows for nothing. */
	if (strncmp(event->name, "kvm_vmgexit", 11) == 0 && tp->isa != EXIT_ISA_SVM)
		return 0;
	r = parse_format(tp, event);
	if (r == 0 && exit_event)
		r = parse_format(tp, exit_event);
	if (r < 0 || !event->format)
		return r;
	r = exit_reasons_build(event->name, event->format, tp->isa,
			       exit_event ? exit_event->format : NULL, &event->reasons);
	return r == -ENOENT ? 0 : r;
}

/* ---- rows and counters of a selection ---- */

static ssize_t add_row(struct tracepoint_source *tp, char *name, const char *parent,
		       ssize_t counter)
{
	struct tracepoint_row *grown;

	if (!name)
		return -ENOMEM;
	grown = reallocarray(tp->rows, tp->row_count + 1, sizeof(*grown));
	if (!grown) {
		free(name);
		return -ENOMEM;
	}
	tp->rows = grown;
	grown[tp->row_count] =
		(struct tracepoint_row){.name = name, .parent = parent, .counter = counter};
	return (ssize_t)tp->row_count++;
}

static ssize_t add_counter(struct tracepoint_source *tp, struct perf_counter counter)
{
	struct perf_counter *grown =
		reallocarray(tp->counters, tp->counter_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	tp->counters = grown;
	grown[tp->counter_count] = counter;
	return (ssize_t)tp->counter_count++;
}

static char *child_name(const char *parent, const char *reason)
{
	char *name;

	return asprintf(&name, "%s(%s)", parent, reason) < 0 ? NULL : name;
}

static bool wants(const struct selection *selection, const char *name)
{
	return selection->by_guest ? strcmp(selection->by_guest, name) == 0
				   : field_filter_match(selection->filter, name);
}

/* Adds a counter with its row when the selection wants it. Returns the row, -1 or -ENOMEM. */
static ssize_t add_child(struct tracepoint_source *tp, const struct selection *selection,
			 const struct tracepoint *event, const char *reason,
			 struct perf_counter counter)
{
	cleanup_free char *name = child_name(event->name, reason);
	ssize_t index;

	if (!name)
		return -ENOMEM;
	if (!wants(selection, name))
		return -1;
	index = add_counter(tp, counter);
	return index < 0 ? index : add_row(tp, take_ptr(name), event->name, index);
}

static int add_split(struct tracepoint_source *tp, const struct selection *selection,
		     const struct tracepoint *event, uint64_t id)
{
	const struct exit_reasons *reasons = event->reasons;
	struct split *grown = reallocarray(tp->splits, tp->split_count + 1, sizeof(*grown));
	struct split *split;
	size_t i;

	if (!grown)
		return -ENOMEM;
	tp->splits = grown;
	split = &grown[tp->split_count];
	*split = (struct split){.event = event, .id = id};
	split->reason_rows = calloc(reasons->count, sizeof(*split->reason_rows));
	if (!split->reason_rows)
		return -ENOMEM;
	tp->split_count++;
	for (i = 0; i < reasons->count; i++) {
		split->reason_rows[i] = add_child(
			tp, selection, event, reasons->list[i].name,
			(struct perf_counter){.tracepoint = id, .filter = reasons->list[i].filter});
		if (split->reason_rows[i] == -ENOMEM)
			return -ENOMEM;
	}
	split->rest_row = add_child(tp, selection, event, "other",
				    (struct perf_counter){.tracepoint = id,
							  .filter = reasons->rest_filter,
							  .sampled = true});
	return split->rest_row == -ENOMEM ? -ENOMEM : 0;
}

/* Whether a reason of this event is wanted, which brings the event itself along. */
static bool wants_a_reason(const struct tracepoint *event, const struct selection *selection)
{
	size_t i;

	for (i = 0; event->reasons && i < event->reasons->count; i++) {
		cleanup_free char *name = child_name(event->name, event->reasons->list[i].name);

		if (name && wants(selection, name))
			return true;
	}
	return false;
}

static int select_event(struct tracepoint_source *tp, struct tracepoint *event,
			const struct selection *selection)
{
	bool wanted = wants(selection, event->name);
	bool split = selection->children || selection->by_guest;
	cleanup_close int dir = -1;
	ssize_t counter;
	uint64_t id;
	int r;

	if (split || !wanted) {
		r = parse_reasons(tp, event);
		if (r < 0)
			return r;
		if (!wanted && !wants_a_reason(event, selection))
			return 0;
	}
	dir = open_event(tp, event);
	r = dir < 0 ? dir : host_read_u64_at(dir, "id", &id);
	if (r < 0)
		return r;
	if (wanted || !selection->by_guest) {
		counter = add_counter(tp, (struct perf_counter){.tracepoint = id});
		if (counter < 0 || add_row(tp, strdup(event->name), NULL, counter) < 0)
			return -ENOMEM;
	}
	return split && event->reasons ? add_split(tp, selection, event, id) : 0;
}

/* ---- tallies and groups ---- */

static void free_tally(struct tally *tally)
{
	free(tally->retired);	/* one block with base and now */
}

static struct tally *find_tally(struct tracepoint_source *tp, pid_t guest)
{
	struct tally *grown;
	size_t i;

	for (i = 0; i < tp->tally_count; i++) {
		if (tp->tallies[i].guest == guest)
			return &tp->tallies[i];
	}
	grown = reallocarray(tp->tallies, tp->tally_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	tp->tallies = grown;
	grown[i] = (struct tally){.guest = guest};
	grown[i].retired = calloc(tp->counter_count * 3 + 1, sizeof(uint64_t));
	if (!grown[i].retired)
		return NULL;
	grown[i].base = grown[i].retired + tp->counter_count;
	grown[i].now = grown[i].base + tp->counter_count;
	tp->tally_count++;
	return &grown[i];
}

static void close_groups(struct tracepoint_source *tp, struct perf_group **groups, size_t count)
{
	size_t i, total = 0, used = 0;
	int *fds;

	(void)tp;
	for (i = 0; i < count; i++)
		total += perf_group_fd_count(groups[i]);
	fds = calloc(total ? total : 1, sizeof(*fds));
	for (i = 0; i < count && fds; i++)
		used += perf_group_release(groups[i], fds + used);
	if (fds)
		fd_reaper_close(fds, used);
	free(fds);
}

/* Drops everything that belongs to a selection. */
static void deselect(struct tracepoint_source *tp)
{
	size_t i;

	close_groups(tp, tp->groups, tp->group_count);
	free(tp->groups);
	for (i = 0; i < tp->tally_count; i++)
		free_tally(&tp->tallies[i]);
	free(tp->tallies);
	for (i = 0; i < tp->split_count; i++)
		free(tp->splits[i].reason_rows);
	free(tp->splits);
	for (i = 0; i < tp->row_count; i++)
		free(tp->rows[i].name);
	free(tp->rows);
	free(tp->counters);
	free(tp->by_guest);
	tp->groups = NULL;
	tp->tallies = NULL;
	tp->splits = NULL;
	tp->rows = NULL;
	tp->counters = NULL;
	tp->by_guest = NULL;
	tp->group_count = tp->tally_count = tp->split_count = tp->row_count = 0;
	tp->counter_count = 0;
}

static int compare_targets(const struct perf_target *a, const struct perf_target *b)
{
	if (a->cpu != b->cpu)
		return a->cpu < b->cpu ? -1 : 1;
	return (a->tid > b->tid) - (a->tid < b->tid);
}

static int compare_targets_void(const void *a, const void *b)
{
	return compare_targets(a, b);
}

struct targets {
	struct perf_target *list;
	size_t count;
};

static int add_threads(const struct tracepoint_source *tp, pid_t pid, pid_t guest,
		       struct targets *targets)
{
	cleanup_free pid_t *tids = NULL;
	struct perf_target *grown;
	size_t count, i;
	int r = guest_threads(tp->root, pid, &tids, &count);

	if (r < 0)
		return r == -ESRCH ? 0 : r;	/* the guest ended */
	grown = reallocarray(targets->list, targets->count + count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	targets->list = grown;
	for (i = 0; i < count; i++)
		grown[targets->count++] =
			(struct perf_target){.cpu = -1, .tid = tids[i], .guest = guest};
	return 0;
}

static int add_guests(const struct tracepoint_source *tp, struct targets *targets)
{
	cleanup(vm_list_done) struct vm_list vms = {0};
	size_t i, j;
	int r = vm_list_read(tp->root, &vms);

	for (i = 0; r == 0 && i < vms.count; i++) {
		bool again = false;

		for (j = 0; j < i; j++)	/* a process may run several VMs */
			again |= vms.vms[j].pid == vms.vms[i].pid;
		if (vms.vms[i].pid > 0 && !again)
			r = add_threads(tp, vms.vms[i].pid, vms.vms[i].pid, targets);
	}
	return r;
}

static int add_cpus(const struct tracepoint_source *tp, struct targets *targets)
{
	cleanup_free int *cpus = NULL;
	size_t count, i;
	int r = cpu_list_online(tp->root, &cpus, &count);

	if (r < 0)
		return r;
	targets->list = calloc(count, sizeof(*targets->list));
	if (!targets->list)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		targets->list[targets->count++] =
			(struct perf_target){.cpu = cpus[i], .tid = -1};
	return 0;
}

/* Where the selection is to be counted now, in order. */
static int current_targets(const struct tracepoint_source *tp, struct targets *targets)
{
	int r;

	if (tp->by_guest)
		r = add_guests(tp, targets);
	else if (tp->pid)
		r = add_threads(tp, tp->pid, 0, targets);
	else
		r = add_cpus(tp, targets);
	if (r == 0 && targets->count)
		qsort(targets->list, targets->count, sizeof(*targets->list), compare_targets_void);
	return r;
}

/* Makes room for `wanted` descriptors. Returns 0 or -EMFILE. */
static int raise_descriptor_limit(size_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= wanted)
		return 0;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;	/* needs CAP_SYS_RESOURCE */
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -EMFILE : 0;
}

/* Keeps what a thread or CPU that is gone has counted. */
static int retire_group(struct tracepoint_source *tp, struct perf_group *group)
{
	struct tally *tally = find_tally(tp, perf_group_target(group).guest);

	return tally ? perf_group_read(group, tally->retired) : -ENOMEM;
}

/*
 * Opens groups for new targets and closes those of targets that are gone. A target that vanishes
 * meanwhile is no error. Returns 0 or -errno.
 */
static int update_groups(struct tracepoint_source *tp, struct source_error *ret_error)
{
	struct targets targets = {0};
	struct perf_group **groups, **gone;
	size_t i, old = 0, kept = 0, gone_count = 0;
	int r = current_targets(tp, &targets);

	if (r == 0) {
		ret_error->wanted = targets.count * tp->counter_count + SPARE_FDS;
		r = raise_descriptor_limit(ret_error->wanted);
		ret_error->step = r < 0 ? SOURCE_STEP_LIMIT : SOURCE_STEP_COUNT;
	}
	groups = calloc(targets.count + 1, sizeof(*groups));
	gone = calloc(tp->group_count + 1, sizeof(*gone));
	if (r < 0 || !groups || !gone) {
		free(groups);
		free(gone);
		free(targets.list);
		return ret_error->error = r < 0 ? r : -ENOMEM;
	}
	for (i = 0; i < targets.count && r == 0; i++) {
		struct perf_target group_target;

		for (; old < tp->group_count; old++) {
			group_target = perf_group_target(tp->groups[old]);
			if (compare_targets(&group_target, &targets.list[i]) >= 0)
				break;
			gone[gone_count++] = tp->groups[old];
		}
		if (old < tp->group_count &&
		    compare_targets(&group_target, &targets.list[i]) == 0) {
			groups[kept++] = tp->groups[old++];
			continue;
		}
		r = perf_group_open(tp->counters, tp->counter_count, targets.list[i],
				    &groups[kept]);
		if (r == 0 && !find_tally(tp, targets.list[i].guest))
			r = -ENOMEM;
		if (r == 0)
			kept++;
		else if (r == -ESRCH || (r == -ENODEV && targets.list[i].cpu >= 0))
			r = 0;
	}
	/* After an error the remaining groups stay as they are, for the caller to close. */
	for (; r < 0 && old < tp->group_count; old++) {
		struct perf_group **grown = reallocarray(groups, kept + tp->group_count - old + 1,
							 sizeof(*groups));

		if (!grown)
			break;
		groups = grown;
		groups[kept++] = tp->groups[old];
	}
	for (; r == 0 && old < tp->group_count; old++)
		gone[gone_count++] = tp->groups[old];
	for (i = 0; i < gone_count; i++)
		(void)retire_group(tp, gone[i]);
	close_groups(tp, gone, gone_count);
	free(gone);
	free(tp->groups);
	tp->groups = groups;
	tp->group_count = kept;
	free(targets.list);
	return ret_error->error = r;
}

/* ---- the source ---- */

static int tracepoint_select(struct source *source, const struct selection *selection,
			     struct source_error *ret_error)
{
	struct tracepoint_source *tp = self(source);
	size_t i;
	int r = 0;

	deselect(tp);
	*ret_error = (struct source_error){.step = SOURCE_STEP_COUNT};
	tp->pid = selection->pid;
	tp->fixed_rows = selection->fixed_rows;
	if (selection->by_guest && !(tp->by_guest = strdup(selection->by_guest)))
		return ret_error->error = -ENOMEM;
	/* The tracepoint ids of another host's tree mean nothing to this kernel. */
	if (!tp->root->real)
		return ret_error->error = -EOPNOTSUPP;
	for (i = 0; i < tp->event_count && r == 0; i++)
		r = select_event(tp, &tp->events[i], selection);
	if (r < 0) {
		ret_error->step = SOURCE_STEP_READ;
		ret_error->error = r;
	} else if (tp->counter_count) {
		r = find_tally(tp, 0) ? update_groups(tp, ret_error)
				      : (ret_error->error = -ENOMEM);
	}
	if (r < 0)
		deselect(tp);
	return r;
}

static struct numbered *find_numbered(struct tracepoint_source *tp, struct split *split,
				      uint64_t number, bool is_flag)
{
	const char *flag = is_flag ? exit_reasons_flag_name(split->event->reasons, number) : NULL;
	struct numbered *numbered;
	char digits[40];
	size_t i;
	ssize_t row;

	for (i = 0; i < split->numbered_count; i++) {
		if (split->numbered[i].number == number && split->numbered[i].is_flag == is_flag)
			return &split->numbered[i];
	}
	if (i == NUMBERED_MAX)
		return NULL;
	snprintf(digits, sizeof(digits), "%s0x%llx", is_flag ? "FLAG_" : "",
		 (unsigned long long)number);
	row = add_row(tp, child_name(split->event->name, flag ? flag : digits), split->event->name,
		      -1);
	if (row < 0)
		return NULL;
	numbered = &split->numbered[split->numbered_count++];
	*numbered = (struct numbered){.number = number, .is_flag = is_flag, .row = (size_t)row};
	return numbered;
}

/* Counts a record that no reason's filter took under the reason or number that it shows. */
static void attribute(struct tracepoint_source *tp, struct split *split,
		      const struct exit_decoded *decoded)
{
	struct tracepoint_row *rest = &tp->rows[split->rest_row];
	struct numbered *numbered;
	uint64_t bit;

	if (decoded->reason >= 0) {
		if (split->reason_rows[decoded->reason] >= 0)
			tp->rows[split->reason_rows[decoded->reason]].extra++;
		rest->less++;
	} else if (!tp->fixed_rows) {
		numbered = find_numbered(tp, split, decoded->number, false);
		if (numbered) {
			tp->rows[numbered->row].extra++;
			tp->rows[split->rest_row].less++;
		}
	}
	for (bit = 1; bit && decoded->flags && !tp->fixed_rows; bit <<= 1) {
		numbered = decoded->flags & bit ? find_numbered(tp, split, bit, true) : NULL;
		if (numbered)
			tp->rows[numbered->row].extra++;
	}
}

static void take_record(const void *record, size_t size, void *data)
{
	struct tracepoint_source *tp = data;
	struct exit_decoded decoded;
	uint16_t id;
	size_t i;

	if (size < sizeof(id))
		return;
	memcpy(&id, record, sizeof(id));	/* common_type */
	for (i = 0; i < tp->split_count; i++) {
		struct split *split = &tp->splits[i];

		if (split->id == id && split->rest_row >= 0 &&
		    exit_reasons_decode(split->event->reasons, record, size, &decoded) == 0)
			attribute(tp, split, &decoded);
	}
}

/* Brings every tally's `now` up to date, then takes the records behind those counts. */
static int read_groups(struct tracepoint_source *tp)
{
	size_t i;

	for (i = 0; i < tp->tally_count; i++) {
		memcpy(tp->tallies[i].now, tp->tallies[i].retired,
		       tp->counter_count * sizeof(uint64_t));
		tp->tallies[i].seen = false;
	}
	for (i = 0; i < tp->group_count; i++) {
		struct tally *tally = find_tally(tp, perf_group_target(tp->groups[i]).guest);
		int r = tally ? perf_group_read(tp->groups[i], tally->now) : -ENOMEM;

		if (r < 0)
			return r;
		tally->seen = true;
	}
	for (i = 0; i < tp->group_count; i++)
		perf_group_drain(tp->groups[i], take_record, tp);
	return 0;
}

static void tracepoint_reset(struct source *source)
{
	struct tracepoint_source *tp = self(source);
	size_t i;

	if (read_groups(tp) < 0)
		return;
	for (i = 0; i < tp->tally_count; i++)
		memcpy(tp->tallies[i].base, tp->tallies[i].now,
		       tp->counter_count * sizeof(uint64_t));
	for (i = 0; i < tp->row_count; i++)
		tp->rows[i].extra = tp->rows[i].less = 0;
}

static uint64_t row_value(const struct tracepoint_row *row, const struct tally *tally)
{
	uint64_t value = row->extra;

	if (row->counter >= 0)
		value += tally->now[row->counter] - tally->base[row->counter];
	/* The ring may be ahead of the counter by what happened between both reads. */
	return value > row->less ? value - row->less : 0;
}

static int tracepoint_read(struct source *source, struct sample *sample)
{
	struct tracepoint_source *tp = self(source);
	struct source_error error;
	size_t i, j;
	int r;

	if (!tp->counter_count)
		return 0;
	r = update_groups(tp, &error);
	if (r == 0)
		r = read_groups(tp);
	for (i = 0; r == 0 && i < tp->tally_count; i++) {
		const struct tally *tally = &tp->tallies[i];

		if (tp->by_guest && (!tally->guest || !tally->seen))
			continue;
		for (j = 0; r == 0 && j < tp->row_count; j++)
			r = sample_add(sample, (struct sample_row){
						       .name = tp->rows[j].name,
						       .parent = tp->rows[j].parent,
						       .kind = FIELD_EVENTS,
						       .guest = tally->guest,
						       .value = row_value(&tp->rows[j], tally)});
	}
	return r;
}

static int tracepoint_list(struct source *source, void (*take)(const char *name, void *data),
			   void *data)
{
	const struct tracepoint_source *tp = self(source);
	size_t i;

	for (i = 0; i < tp->event_count; i++)
		take(tp->events[i].name, data);
	return 0;
}

static struct source_health tracepoint_health(const struct source *source)
{
	const struct tracepoint_source *tp = (const struct tracepoint_source *)source;

	return (struct source_health){.fields = tp->row_count};
}

static void tracepoint_close(struct source *source)
{
	struct tracepoint_source *tp = self(source);
	size_t i;

	deselect(tp);
	for (i = 0; i < tp->event_count; i++) {
		free(tp->events[i].group);
		free(tp->events[i].name);
		event_format_free(tp->events[i].format);
		exit_reasons_free(tp->events[i].reasons);
	}
	free(tp->events);
	if (tp->events_fd >= 0)
		close(tp->events_fd);
	free(tp);
}

static const struct source_ops tracepoint_ops = {
	.kind = SOURCE_TRACEPOINTS,
	.select = tracepoint_select,
	.read = tracepoint_read,
	.reset = tracepoint_reset,
	.list = tracepoint_list,
	.health = tracepoint_health,
	.close = tracepoint_close,
};

/* The ISA whose module runs guests here; unknown with neither, as with PVM or pKVM. */
static enum exit_isa host_isa(const struct host_root *root)
{
	bool intel = kernel_has_module(root, "kvm_intel");
	bool amd = kernel_has_module(root, "kvm_amd");

	if (intel == amd) {
		intel = kernel_cpu_has_flag(root, "vmx");
		amd = kernel_cpu_has_flag(root, "svm");
	}
	if (intel == amd)
		return EXIT_ISA_UNKNOWN;
	return intel ? EXIT_ISA_VMX : EXIT_ISA_SVM;
}

int source_tracepoint_open(const struct host_root *root, struct source **ret_source,
			   struct source_error *ret_error)
{
	struct tracepoint_source *tp = calloc(1, sizeof(*tp));
	int r;

	*ret_error = (struct source_error){.error = -ENOMEM};
	if (!tp)
		return -ENOMEM;
	tp->source.ops = &tracepoint_ops;
	tp->root = root;
	tp->isa = host_isa(root);
	tp->events_fd = mounts_open_tracefs(root, "events", NULL);
	r = tp->events_fd < 0 ? tp->events_fd : list_events(tp);
	if (r == 0) {
		*ret_source = &tp->source;
		return 0;
	}
	*ret_error = (struct source_error){
		.error = r, .step = tp->events_fd < 0 ? SOURCE_STEP_FIND : SOURCE_STEP_READ};
	tracepoint_close(&tp->source);
	return r;
}
