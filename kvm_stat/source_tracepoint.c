/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's tracepoints, counted by perf. A tracepoint that tells exit reasons has one more counter
 * for each reason, filtered in the kernel, and one for all that those leave over, whose records
 * are looked at to learn the number. Only what is selected is opened: every open counter costs the
 * guests time.
 */
#include <errno.h>
#include <string.h>

#include "host/cpu_list.h"
#include "host/guest.h"
#include "host/vm.h"
#include "kvm_stat/perf_set.h"
#include "kvm_stat/source.h"
#include "kvm_stat/tracepoint_event.h"

#define OTHER        "other" /* the reason of what no other row takes */
#define NUMBERED_MAX 64      /* rows of reasons known by number only */

/* One row of the samples. */
struct tracepoint_row {
	char *name;
	const char *parent;
	ssize_t counter; /* -1: `extra` is all */
	uint64_t extra;  /* learnt from records */
	uint64_t less;   /* of the counter, what records showed to belong elsewhere */
	uint64_t shown;  /* the last value, not by guest */
	bool is_flag;
};

/* The rows of one tracepoint's reasons. */
struct split {
	const struct tracepoint_event *event;
	uint64_t id;
	ssize_t *reason_rows; /* by reason; -1: not selected */
	ssize_t rest_row;
	struct numbered {
		uint64_t number;
		bool is_flag;
		size_t row;
	} numbered[NUMBERED_MAX];
	size_t numbered_count;
};

struct tracepoint_source {
	struct source source;
	const struct host_root *root;
	struct tracepoint_events events;
	/* of the selection: */
	pid_t pid;
	bool by_guest;
	const struct field_filter *filter; /* borrowed until the next selection */
	bool fixed_rows;
	struct tracepoint_row *rows;
	size_t row_count;
	struct split *splits;
	size_t split_count;
	struct perf_set set;
};

static struct tracepoint_source *self(struct source *source)
{
	return (struct tracepoint_source *)source;
}

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

static char *child_name(const char *parent, const char *reason)
{
	char *name;

	return asprintf(&name, "%s(%s)", parent, reason) < 0 ? NULL : name;
}

/*
 * Adds a counter with its row when the selection wants it, or another one needs it. Returns the row,
 * -1 or -ENOMEM.
 */
static ssize_t add_child(struct tracepoint_source *tp, const struct selection *selection,
			 const struct tracepoint_event *event, const char *reason, bool needed,
			 struct perf_counter counter)
{
	cleanup_free char *name = child_name(event->name, reason);
	ssize_t index;

	if (!name)
		return -ENOMEM;
	if (!needed && !selection_wants(selection, name))
		return -1;
	index = perf_set_add(&tp->set, counter);
	return index < 0 ? index : add_row(tp, take_ptr(name), event->name, index);
}

/* Whether the row of the rest is needed: by those learnt from its records, as far as they tell. */
static bool needs_rest(const struct tracepoint_event *event, const struct selection *selection)
{
	return !selection->only && tracepoint_event_may_bring(event, selection);
}

static int add_split(struct tracepoint_source *tp, const struct selection *selection,
		     const struct tracepoint_event *event, uint64_t id)
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
			tp, selection, event, reasons->list[i].name, false,
			(struct perf_counter){.tracepoint = id, .filter = reasons->list[i].filter});
		if (split->reason_rows[i] == -ENOMEM)
			return -ENOMEM;
	}
	/* A table that is too long for one filter has no row for the rest. */
	split->rest_row = -1;
	if (!reasons->rest_filter)
		return 0;
	split->rest_row = add_child(tp, selection, event, OTHER, needs_rest(event, selection),
				    (struct perf_counter){.tracepoint = id,
							  .filter = reasons->rest_filter,
							  .sampled = true});
	return split->rest_row == -ENOMEM ? -ENOMEM : 0;
}

/*
 * Whether an event's reasons are to be counted. Those of nested guests and of SEV-ES' own exits
 * double and triple the descriptors on each CPU and are zero on most hosts: they want a filter
 * that asks for their event.
 */
static bool splits(const struct selection *selection, const struct tracepoint_event *event)
{
	if (selection->only)
		return true;
	if (strcmp(event->name, "kvm_nested_vmexit") == 0 ||
	    strcmp(event->name, "kvm_vmgexit_enter") == 0)
		return selection->children && selection->filter;
	return selection->children;
}

/* Whether a reason of this event is wanted, which brings the event itself along. */
static bool wants_a_reason(const struct tracepoint_event *event, const struct selection *selection)
{
	size_t i, count = event->reasons ? event->reasons->count + 1 : 0;

	for (i = 0; i < count; i++) {
		bool is_rest = i == event->reasons->count;
		cleanup_free char *name =
			child_name(event->name, is_rest ? OTHER : event->reasons->list[i].name);

		if (name && selection_wants(selection, name))
			return true;
	}
	return needs_rest(event, selection);
}

static int select_event(struct tracepoint_source *tp, struct tracepoint_event *event,
			const struct selection *selection)
{
	bool wanted = selection_wants(selection, event->name);
	bool split = splits(selection, event);
	ssize_t counter;
	uint64_t id;
	int r;

	if (split || !wanted) {
		r = tracepoint_event_reasons(&tp->events, event);
		if (r < 0)
			return r;
		if (!wanted && !wants_a_reason(event, selection))
			return 0;
	}
	r = tracepoint_event_id(&tp->events, event, &id);
	if (r < 0)
		return r;
	if (wanted || !selection->only) {
		counter = perf_set_add(&tp->set, (struct perf_counter){.tracepoint = id});
		if (counter < 0 || add_row(tp, strdup(event->name), NULL, counter) < 0)
			return -ENOMEM;
	}
	return split && event->reasons ? add_split(tp, selection, event, id) : 0;
}

/* Drops everything that belongs to a selection. */
static void deselect(struct tracepoint_source *tp)
{
	size_t i;

	perf_set_done(&tp->set);
	for (i = 0; i < tp->split_count; i++)
		free(tp->splits[i].reason_rows);
	free(tp->splits);
	for (i = 0; i < tp->row_count; i++)
		free(tp->rows[i].name);
	free(tp->rows);
	tp->splits = NULL;
	tp->rows = NULL;
	tp->split_count = tp->row_count = 0;
}

static int add_threads(const struct tracepoint_source *tp, pid_t pid, pid_t guest,
		       struct perf_targets *targets)
{
	cleanup_free pid_t *tids = NULL;
	struct perf_target *grown;
	size_t count, i;
	int r = guest_threads(tp->root, pid, &tids, &count);

	if (r < 0)
		return r == -ESRCH ? 0 : r; /* the guest ended */
	grown = reallocarray(targets->list, targets->count + count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	targets->list = grown;
	for (i = 0; i < count; i++)
		grown[targets->count++] =
			(struct perf_target){.cpu = -1, .tid = tids[i], .guest = guest};
	return 0;
}

static int add_guests(const struct tracepoint_source *tp, struct perf_targets *targets)
{
	cleanup(vm_list_done) struct vm_list vms = {0};
	size_t i, j;
	int r = vm_list_read(tp->root, &vms);

	for (i = 0; r == 0 && i < vms.count; i++) {
		bool again = false;

		for (j = 0; j < i; j++) /* a process may run several VMs */
			again |= vms.vms[j].pid == vms.vms[i].pid;
		if (tp->pid && vms.vms[i].pid != tp->pid)
			continue;
		if (vms.vms[i].pid > 0 && !again)
			r = add_threads(tp, vms.vms[i].pid, vms.vms[i].pid, targets);
	}
	return r;
}

static int add_cpus(const struct tracepoint_source *tp, struct perf_targets *targets)
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
		targets->list[targets->count++] = (struct perf_target){.cpu = cpus[i], .tid = -1};
	return 0;
}

/* Follows the CPUs, the threads of one guest, or those of all, as the selection wants. */
static int follow_targets(struct tracepoint_source *tp, struct source_error *ret_error)
{
	struct perf_targets targets = {0};
	int r;

	if (tp->by_guest)
		r = add_guests(tp, &targets);
	else if (tp->pid)
		r = add_threads(tp, tp->pid, 0, &targets);
	else
		r = add_cpus(tp, &targets);
	*ret_error = (struct source_error){.step = SOURCE_STEP_COUNT};
	if (r == 0) {
		if (targets.count)
			qsort(targets.list, targets.count, sizeof(*targets.list),
			      perf_target_compare);
		r = perf_set_follow(&tp->set, &targets, &ret_error->wanted);
	}
	if (r == -EMFILE)
		ret_error->step = SOURCE_STEP_LIMIT;
	free(targets.list);
	return ret_error->error = r;
}

static int tracepoint_select(struct source *source, const struct selection *selection,
			     struct source_error *ret_error)
{
	struct tracepoint_source *tp = self(source);
	size_t i;
	int r = 0;

	deselect(tp);
	tp->pid = selection->pid;
	tp->filter = selection->filter;
	tp->fixed_rows = selection->fixed_rows;
	tp->by_guest = selection->by == BY_GUEST;
	*ret_error = (struct source_error){.step = SOURCE_STEP_COUNT};
	/* The tracepoint ids of another host's tree mean nothing to this kernel. */
	if (!tp->root->real)
		r = -EOPNOTSUPP;
	/* perf counts by thread, but not for several rows, and takes no times. */
	if (r == 0 && (selection->by == BY_VCPU || selection->tid || selection->exits_only)) {
		r = -EOPNOTSUPP;
		ret_error->step = SOURCE_STEP_CAN;
	}
	ret_error->error = r;
	for (i = 0; i < tp->events.count && r == 0; i++) {
		r = select_event(tp, &tp->events.list[i], selection);
		if (r < 0)
			*ret_error = (struct source_error){.error = r, .step = SOURCE_STEP_READ};
	}
	if (r == 0 && tp->set.counter_count)
		r = follow_targets(tp, ret_error);
	if (r < 0)
		deselect(tp);
	return r;
}

static struct numbered *find_numbered(struct tracepoint_source *tp, struct split *split,
				      uint64_t number, bool is_flag)
{
	const char *flag = is_flag ? exit_reasons_flag_name(split->event->reasons, number) : NULL;
	cleanup_free char *name = NULL;
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
	name = child_name(split->event->name, flag ? flag : digits);
	if (!name || !field_filter_match(tp->filter, name))
		return NULL;
	row = add_row(tp, take_ptr(name), split->event->name, -1);
	if (row < 0)
		return NULL;
	tp->rows[row].is_flag = is_flag;
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
	memcpy(&id, record, sizeof(id)); /* common_type */
	for (i = 0; i < tp->split_count; i++) {
		struct split *split = &tp->splits[i];

		/* Records do not tell the guest: by guest they stay in the row of the rest. */
		if (split->id == id && split->rest_row >= 0 && !tp->by_guest &&
		    exit_reasons_decode(split->event->reasons, record, size, &decoded) == 0)
			attribute(tp, split, &decoded);
	}
}

static void tracepoint_reset(struct source *source)
{
	struct tracepoint_source *tp = self(source);
	size_t i;

	if (perf_set_read(&tp->set) < 0)
		return; /* the next read fails likewise and is reported */
	perf_set_reset(&tp->set);
	perf_set_drain(&tp->set, take_record, tp);
	for (i = 0; i < tp->row_count; i++)
		tp->rows[i].extra = tp->rows[i].less = tp->rows[i].shown = 0;
}

/*
 * The ring may be ahead of the counter by what happened between both reads: then the value stands
 * still until the counter has caught up. Who computes rates from totals takes one that falls for
 * one that started from 0.
 */
static uint64_t row_value(const struct tracepoint_source *tp, struct tracepoint_row *row,
			  const struct perf_tally *tally)
{
	uint64_t value = row->extra;

	if (row->counter >= 0)
		value += tally->now[row->counter];
	if (tp->by_guest) /* the records, which tell no guest, were not looked at */
		return value;
	value = value > row->less ? value - row->less : 0;
	if (value > row->shown)
		row->shown = value;
	return row->shown;
}

static int tracepoint_read(struct source *source, struct sample *sample)
{
	struct tracepoint_source *tp = self(source);
	struct source_error error;
	size_t i, j;
	int r;

	if (!tp->set.counter_count)
		return 0;
	r = follow_targets(tp, &error);
	if (r == 0)
		r = perf_set_read(&tp->set);
	sample->partial |= tp->set.missed;
	tp->set.missed = false;
	/* After the counters, so that what a record takes from "(other)" has been counted there. */
	if (r == 0)
		perf_set_drain(&tp->set, take_record, tp);
	for (i = 0; r == 0 && i < tp->set.tally_count; i++) {
		const struct perf_tally *tally = &tp->set.tallies[i];

		if (tp->by_guest && !tally->live)
			continue;
		for (j = 0; r == 0 && j < tp->row_count; j++)
			r = sample_add(
				sample,
				(struct sample_row){.name = tp->rows[j].name,
						    .parent = tp->rows[j].parent,
						    .is_flag = tp->rows[j].is_flag,
						    .kind = FIELD_EVENTS,
						    .guest = tally->guest,
						    .value = row_value(tp, &tp->rows[j], tally)});
	}
	return r;
}

static int tracepoint_list(struct source *source, void (*take)(const char *name, void *data),
			   void *data)
{
	const struct tracepoint_source *tp = self(source);
	size_t i;

	for (i = 0; i < tp->events.count; i++)
		take(tp->events.list[i].name, data);
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

	deselect(tp);
	tracepoint_events_done(&tp->events);
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

int source_tracepoint_open(const struct host_root *root, struct source **ret_source,
			   struct source_error *ret_error)
{
	struct tracepoint_source *tp = calloc(1, sizeof(*tp));
	bool found;
	int r;

	*ret_error = (struct source_error){.error = -ENOMEM};
	if (!tp)
		return -ENOMEM;
	tp->source.ops = &tracepoint_ops;
	tp->root = root;
	r = tracepoint_events_open(root, &tp->events, &found);
	if (r == 0) {
		*ret_source = &tp->source;
		return 0;
	}
	*ret_error = (struct source_error){.error = r,
					   .step = found ? SOURCE_STEP_READ : SOURCE_STEP_FIND};
	tracepoint_close(&tp->source);
	return r;
}
