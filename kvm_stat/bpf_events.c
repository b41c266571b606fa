/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/bpf_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

#define OTHER "other" /* the reason of what no other row takes */

/*
 * Whether an event's reasons are to be told apart. Nested guests' and SEV-ES' own exits are zero
 * on most hosts: they want a filter that asks for them, as when counted by perf.
 */
static bool splits(const struct selection *selection, const struct tracepoint_event *event)
{
	if (selection->only)
		return true;
	if (strcmp(event->name, "kvm_nested_vmexit") == 0 ||
	    strcmp(event->name, "kvm_vmgexit_enter") == 0)
		return selection->children && selection->filter;
	return selection->children || selection->latency;
}

/* The pairs of tracepoints between which a guest is stopped, on all architectures. */
static bool is_pair(const char *from, const char *to)
{
	static const char *const pairs[][2] = {
		{"kvm_exit", "kvm_entry"}, /* x86, arm64, riscv */
		{"kvm_exit", "kvm_enter"}, /* loongarch, mips */
		{"kvm_exit", "kvm_reenter"},
		{"kvm_s390_sie_exit", "kvm_s390_sie_enter"},
		{"kvm_guest_exit", "kvm_guest_enter"}, /* powerpc, group kvm_hv */
	};
	size_t i;

	for (i = 0; i < array_size(pairs); i++) {
		if (strcmp(pairs[i][0], from) == 0 && strcmp(pairs[i][1], to) == 0)
			return true;
	}
	return false;
}

/* Whether some event ends what `event` begins. */
static bool has_end(const struct tracepoint_events *known, const struct tracepoint_event *event)
{
	size_t i;

	for (i = 0; i < known->count; i++) {
		if (is_pair(event->name, known->list[i].name))
			return true;
	}
	return false;
}

/* What the events are chosen from and by. */
struct choice {
	struct tracepoint_events *known;
	const struct selection *selection;
	struct bpf_names *names;
};

/* The one row that is wanted, where nobody knows it before it occurs. Returns 0 or -ENOMEM. */
static int name_only(const struct choice *choice, const char *event)
{
	const char *only = choice->selection->only;
	cleanup_free char *reason = NULL;

	if (!only || !text_ends_with(only, ")"))
		return 0;
	reason = strdup(only + strlen(event) + 1);
	if (!reason)
		return -ENOMEM;
	reason[strlen(reason) - 1] = '\0';
	return bpf_names_add_reason(choice->names, choice->selection, event, reason, -1) == -ENOMEM
		       ? -ENOMEM
		       : 0;
}

static int name_reasons(const struct choice *choice, struct bpf_event *event, bool *ret_any)
{
	const struct exit_reasons *reasons = event->event->reasons;
	const char *name = event->event->name;
	size_t i;

	*ret_any = false;
	event->reasons = calloc(reasons->count + 1, sizeof(*event->reasons));
	if (!event->reasons)
		return -ENOMEM;
	for (i = 0; i < reasons->count; i++) {
		event->reasons[i] = bpf_names_add_reason(choice->names, choice->selection, name,
							 reasons->list[i].name, -1);
		if (event->reasons[i] == -ENOMEM)
			return -ENOMEM;
		*ret_any |= event->reasons[i] >= 0;
	}
	event->other = bpf_names_add_reason(choice->names, choice->selection, name, OTHER, -1);
	*ret_any |= event->other >= 0;
	if (event->other == -ENOMEM)
		return -ENOMEM;
	if (!tracepoint_event_may_bring(event->event, choice->selection))
		return 0;
	*ret_any = true;
	return name_only(choice, name);
}

static int find_fields(struct bpf_event *event)
{
	ssize_t count = exit_reasons_fields(event->event->reasons, event->fields, COUNT_FIELDS_MAX);
	size_t i;

	if (count < 0)
		return (int)count;
	event->field_count = (size_t)count;
	for (i = 0; i < event->field_count; i++) {
		if (event->fields[i].offset + event->fields[i].size > BPF_RECORD_MAX)
			return -E2BIG;
	}
	return 0;
}

/*
 * Looks at the reasons of one event. Returns 1 when some of them are selected, 0 or -errno. They
 * are counted if `split`; otherwise they only bring their event along.
 */
static int select_reasons(const struct choice *choice, struct bpf_event *event, bool split)
{
	size_t before = choice->names->count;
	bool any = false;
	int r = tracepoint_event_reasons(choice->known, event->event);

	if (r < 0 || !event->event->reasons)
		return r;
	r = find_fields(event);
	/* One that depends on more than the program can tell apart is counted as a whole. */
	if (r == -E2BIG) {
		event->field_count = 0;
		return 0;
	}
	if (r == 0)
		r = name_reasons(choice, event, &any);
	if (!split)
		bpf_names_cut(choice->names, before);
	if (r < 0 || !split || !any) {
		free(event->reasons);
		event->reasons = NULL;
	}
	return r < 0 ? r : any;
}

/* Looks at one event. Returns 1 when it is to be counted, 0 or -errno. */
static int select_event(const struct choice *choice, struct tracepoint_event *known,
			struct bpf_event *event)
{
	const struct selection *selection = choice->selection;
	bool wanted = selection_wants(selection, known->name);
	bool split = splits(selection, known);
	int any = 0;

	*event = (struct bpf_event){.event = known, .name = -1, .other = -1};
	if (selection->exits_only && !has_end(choice->known, known))
		return 0;
	if (split || !wanted)
		any = select_reasons(choice, event, split);
	if (any < 0 || (!wanted && !any))
		return any;
	if (wanted || !selection->only) {
		event->name = bpf_names_add(choice->names, strdup(known->name), NULL);
		if (event->name < 0) {
			free(event->reasons);
			return -ENOMEM;
		}
	}
	event->starts = selection->latency && has_end(choice->known, known);
	event->by_thread = selection->by != BY_FIELD || selection->tid || event->starts;
	return 1;
}

/* Lets an event stop the clock, which may not be selected for itself. */
static void add_end(struct bpf_events *events, struct tracepoint_event *end)
{
	size_t i;

	for (i = 0; i < events->count && events->list[i].event != end; i++)
		;
	if (i == events->count)
		events->list[events->count++] =
			(struct bpf_event){.event = end, .name = -1, .other = -1};
	events->list[i].ends = true;
}

/* Lets what belongs to the events that start the clock stop it. */
static void add_ends(struct bpf_events *events, const struct tracepoint_events *known)
{
	size_t i, j, count = events->count;

	for (i = 0; i < count; i++) {
		for (j = 0; j < known->count && events->list[i].starts; j++) {
			if (is_pair(events->list[i].event->name, known->list[j].name))
				add_end(events, &known->list[j]);
		}
	}
}

int bpf_events_select(struct bpf_events *events, struct tracepoint_events *known,
		      const struct selection *selection, struct bpf_names *names)
{
	struct choice choice = {known, selection, names};
	size_t i;
	int r = 0;

	/* Each event once, be it selected or the end of a pair; one more to try the next in. */
	*events = (struct bpf_events){.list = calloc(known->count + 1, sizeof(*events->list))};
	if (!events->list)
		return -ENOMEM;
	for (i = 0; i < known->count && r >= 0; i++) {
		r = select_event(&choice, &known->list[i], &events->list[events->count]);
		if (r > 0)
			events->count++;
	}
	if (r < 0)
		return r;
	add_ends(events, known);
	return 0;
}

/* What the program in the kernel does for one event. */
static struct count_event describe(const struct bpf_event *event)
{
	struct count_event how = {
		.by_thread = event->by_thread, .starts = event->starts, .ends = event->ends};
	size_t i;

	/* Reasons are small numbers but for a few. */
	if (event->reasons && !event->by_thread)
		how.values = COUNT_VALUES_MAX;
	for (i = 0; i < event->field_count && event->reasons; i++) {
		how.fields[i].offset = (uint16_t)event->fields[i].offset;
		how.fields[i].size = (uint16_t)event->fields[i].size;
	}
	return how;
}

int bpf_events_describe(const struct bpf_events *events, const struct tracepoint_events *known,
			struct bpf_counter_event **ret_described)
{
	cleanup_free struct bpf_counter_event *described = calloc(events->count + 1,
								  sizeof(*described));
	size_t i;
	int r = described ? 0 : -ENOMEM;

	for (i = 0; r == 0 && i < events->count; i++) {
		described[i].how = describe(&events->list[i]);
		r = tracepoint_event_id(known, events->list[i].event, &described[i].tracepoint);
	}
	if (r == 0)
		*ret_described = take_ptr(described);
	return r;
}

void bpf_events_done(struct bpf_events *events)
{
	size_t i;

	for (i = 0; i < events->count; i++)
		free(events->list[i].reasons);
	free(events->list);
	*events = (struct bpf_events){0};
}
