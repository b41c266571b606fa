/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's tracepoints, counted by a program in the kernel. What it counts by thread comes as rows
 * keyed by (process, thread, event, bytes of the fields that tell the reason): they are decoded
 * here, by the event's format, and added up into one tally for each row of the samples.
 */
#include <errno.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/guest.h"
#include "host/vm.h"
#include "kvm_stat/bpf_counter.h"
#include "kvm_stat/fd_limit.h"
#include "kvm_stat/source.h"
#include "kvm_stat/tracepoint_event.h"
#include "kvm_stat/vcpus.h"

#define OTHER      "other" /* the reason of what no other row takes */
#define NAMES_MAX  4096    /* names that guests can make by exits with new numbers */
#define CODES_MAX  65536   /* of which it is remembered what they mean */
#define FLAGS_MAX  32      /* bits beside a reason's number */
#define RECORD_MAX 4096
#define SPARE_FDS  64 /* for everything else that is open */

/* The name of a row. */
struct bpf_name {
	char *name;
	const char *parent; /* borrowed from tracepoint_events */
	size_t index;
	bool is_flag; /* as in struct sample_row */
};

/* The rows that one value of an event's fields counts in. */
struct code {
	uint32_t event;
	uint64_t fields[COUNT_FIELDS_MAX];
	size_t count;
	size_t names[]; /* indexes */
};

/* What one row of the samples has. */
struct tally {
	size_t name;
	pid_t guest, tid; /* as far as rows are told apart by them */
	/* Of rows that are there; of rows that are gone; both at the last reset. */
	uint64_t now, retired, base;
	struct distribution *latency; /* NULL, or three likewise */
};

enum { LATENCY_NOW, LATENCY_RETIRED, LATENCY_BASE, LATENCIES };

/* A process or thread that has rows. */
struct owner {
	pid_t tgid, tid; /* tid 0: the process */
	bool alive;      /* a process that ran a guest and runs none any more counts as dead */
	bool is_guest;
	uint64_t checked; /* by which read */
	unsigned int age; /* in reads */
	struct sample_thread thread;
};

/* An event that is counted. */
struct counted {
	struct tracepoint_event *event;
	struct event_field fields[COUNT_FIELDS_MAX];
	size_t field_count;
	ssize_t name; /* of its own row, or -1 */
	ssize_t other;
	ssize_t *reasons; /* names by reason; -1: not selected. NULL: not split */
	bool by_thread;
};

struct bpf_source {
	struct source source;
	const struct host_root *root;
	unsigned int rows; /* room in the kernel */
	struct tracepoint_events events;
	/* of the selection: */
	struct selection selection; /* its filter is borrowed until the next one */
	char *only;
	struct bpf_name **names;
	size_t name_count;
	struct counted *counted;
	size_t counted_count;
	struct bpf_counter *counter;
	/* Trees, see tsearch(3). That of the names has those of reasons only. */
	void *codes, *tallies, *owners, *reason_names;
	size_t code_count;
	uint64_t reads;
	struct vm_list vms;
	struct count_key *gone; /* rows of who is gone */
	size_t gone_count, gone_room;
	struct sample *sample; /* while a tree is walked */
	int walk_error;
	uint64_t lost;
};

static struct bpf_source *self(struct source *source)
{
	return (struct bpf_source *)source;
}

/* Trees */

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_codes(const void *a, const void *b)
{
	const struct code *left = a, *right = b;
	int r = compare_u64(left->event, right->event);
	size_t i;

	for (i = 0; r == 0 && i < COUNT_FIELDS_MAX; i++)
		r = compare_u64(left->fields[i], right->fields[i]);
	return r;
}

static int compare_tallies(const void *a, const void *b)
{
	const struct tally *left = a, *right = b;

	if (left->name != right->name)
		return compare_u64(left->name, right->name);
	if (left->guest != right->guest)
		return left->guest < right->guest ? -1 : 1;
	return (left->tid > right->tid) - (left->tid < right->tid);
}

static int compare_owners(const void *a, const void *b)
{
	const struct owner *left = a, *right = b;

	if (left->tgid != right->tgid)
		return left->tgid < right->tgid ? -1 : 1;
	return (left->tid > right->tid) - (left->tid < right->tid);
}

static int compare_names(const void *a, const void *b)
{
	const struct bpf_name *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static void free_name(struct bpf_name *name)
{
	if (name)
		free(name->name);
	free(name);
}

static void keep_node(void *node)
{
	(void)node;
}

static void free_tally(void *data)
{
	struct tally *tally = data;

	free(tally->latency);
	free(tally);
}

/* The tally of a row, made if there is none; NULL without memory. */
static struct tally *find_tally(struct bpf_source *bpf, size_t name, pid_t guest, pid_t tid)
{
	struct tally key = {.name = name, .guest = guest, .tid = tid};
	struct tally **node = tsearch(&key, &bpf->tallies, compare_tallies);

	if (!node)
		return NULL;
	if (*node == &key) {
		*node = malloc(sizeof(key));
		if (*node) {
			**node = key;
		} else {
			*node = &key;
			tdelete(&key, &bpf->tallies, compare_tallies);
			return NULL;
		}
	}
	return *node;
}

/* Names */

/* Adds a name, which is taken. Returns its index or -ENOMEM. */
static ssize_t add_name(struct bpf_source *bpf, char *text, const char *parent)
{
	struct bpf_name **grown = reallocarray(bpf->names, bpf->name_count + 1, sizeof(*grown));
	struct bpf_name *name = malloc(sizeof(*name));

	if (grown)
		bpf->names = grown;
	if (!text || !grown || !name) {
		free(text);
		free(name);
		return -ENOMEM;
	}
	*name = (struct bpf_name){.name = text, .parent = parent, .index = bpf->name_count};
	if (parent && !tsearch(name, &bpf->reason_names, compare_names)) {
		free_name(name);
		return -ENOMEM;
	}
	bpf->names[bpf->name_count] = name;
	return (ssize_t)bpf->name_count++;
}

/* Takes the last name back. */
static void drop_name(struct bpf_source *bpf)
{
	struct bpf_name *name = bpf->names[--bpf->name_count];

	if (name->parent)
		tdelete(name, &bpf->reason_names, compare_names);
	free_name(name);
}

/*
 * The name "event(reason)", if it is selected; `full` where there are too many names already.
 * Returns its index, -1 or -ENOMEM.
 */
static ssize_t add_reason_name(struct bpf_source *bpf, const char *event, const char *reason,
			       ssize_t full)
{
	cleanup_free char *text = NULL;
	struct bpf_name key, **found;

	if (asprintf(&text, "%s(%s)", event, reason) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	key.name = text;
	found = tfind(&key, &bpf->reason_names, compare_names);
	if (found)
		return (ssize_t)(*found)->index;
	if (!selection_wants(&bpf->selection, text))
		return -1;
	return bpf->name_count >= NAMES_MAX ? full : add_name(bpf, take_ptr(text), event);
}

/* Selecting */

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

static int name_reasons(struct bpf_source *bpf, struct counted *counted, bool *ret_any)
{
	const struct exit_reasons *reasons = counted->event->reasons;
	size_t i;

	*ret_any = false;
	counted->reasons = calloc(reasons->count + 1, sizeof(*counted->reasons));
	if (!counted->reasons)
		return -ENOMEM;
	for (i = 0; i < reasons->count; i++) {
		counted->reasons[i] = add_reason_name(bpf, counted->event->name,
						      reasons->list[i].name, -1);
		if (counted->reasons[i] == -ENOMEM)
			return -ENOMEM;
		*ret_any |= counted->reasons[i] >= 0;
	}
	counted->other = add_reason_name(bpf, counted->event->name, OTHER, -1);
	*ret_any |= counted->other >= 0;
	return counted->other == -ENOMEM ? -ENOMEM : 0;
}

static int find_fields(struct counted *counted)
{
	ssize_t count = exit_reasons_fields(counted->event->reasons, counted->fields,
					    COUNT_FIELDS_MAX);
	size_t i;

	if (count < 0)
		return (int)count;
	counted->field_count = (size_t)count;
	for (i = 0; i < counted->field_count; i++) {
		if (counted->fields[i].offset + counted->fields[i].size > RECORD_MAX)
			return -E2BIG;
	}
	return 0;
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
static bool has_end(const struct bpf_source *bpf, const struct tracepoint_event *event)
{
	size_t i;

	for (i = 0; i < bpf->events.count; i++) {
		if (is_pair(event->name, bpf->events.list[i].name))
			return true;
	}
	return false;
}

/*
 * Looks at the reasons of one event. Returns 1 when some of them are selected, 0 or -errno. They
 * are counted if `split`; otherwise they only bring their event along.
 */
static int select_reasons(struct bpf_source *bpf, struct counted *counted, bool split)
{
	size_t before = bpf->name_count;
	bool any = false;
	int r = tracepoint_event_reasons(&bpf->events, counted->event);

	if (r < 0 || !counted->event->reasons)
		return r;
	r = find_fields(counted);
	if (r == 0)
		r = name_reasons(bpf, counted, &any);
	while (!split && bpf->name_count > before)
		drop_name(bpf);
	if (r < 0 || !split || !any) {
		free(counted->reasons);
		counted->reasons = NULL;
	}
	return r < 0 ? r : any;
}

/* Looks at one event. Returns 1 when it is to be counted, 0 or -errno. */
static int select_event(struct bpf_source *bpf, struct tracepoint_event *event,
			struct counted *counted)
{
	bool wanted = selection_wants(&bpf->selection, event->name);
	bool split = splits(&bpf->selection, event);
	int any = 0;

	*counted = (struct counted){.event = event, .name = -1, .other = -1};
	if (bpf->selection.exits_only && !has_end(bpf, event))
		return 0;
	if (split || !wanted)
		any = select_reasons(bpf, counted, split);
	if (any < 0 || (!wanted && !any))
		return any;
	if (wanted || !bpf->only) {
		counted->name = add_name(bpf, strdup(event->name), NULL);
		if (counted->name < 0) {
			free(counted->reasons);
			return -ENOMEM;
		}
	}
	counted->by_thread = bpf->selection.by != BY_FIELD || bpf->selection.tid ||
			     (bpf->selection.latency && has_end(bpf, event));
	return 1;
}

static struct counted *find_counted(struct bpf_source *bpf, const struct tracepoint_event *event)
{
	size_t i;

	for (i = 0; i < bpf->counted_count; i++) {
		if (bpf->counted[i].event == event)
			return &bpf->counted[i];
	}
	return NULL;
}

/* Lets an event stop the clock, which may not be selected for itself. */
static void add_end(struct bpf_source *bpf, struct tracepoint_event *end,
		    struct bpf_counter_event *events)
{
	struct counted *counted = find_counted(bpf, end);

	if (!counted) {
		counted = &bpf->counted[bpf->counted_count++];
		*counted = (struct counted){.event = end, .name = -1, .other = -1};
	}
	events[counted - bpf->counted].how.ends = 1;
}

/* Lets the events that are selected start the clock, and what belongs to them stop it. */
static void time_exits(struct bpf_source *bpf, struct bpf_counter_event *events)
{
	size_t i, j, count = bpf->counted_count;

	for (i = 0; i < count; i++) {
		if (!has_end(bpf, bpf->counted[i].event))
			continue;
		events[i].how.starts = 1;
		for (j = 0; j < bpf->events.count; j++) {
			if (is_pair(bpf->counted[i].event->name, bpf->events.list[j].name))
				add_end(bpf, &bpf->events.list[j], events);
		}
	}
}

static int start_counting(struct bpf_source *bpf, struct source_error *ret_error)
{
	struct bpf_counter_event *events = calloc(bpf->events.count + 1, sizeof(*events));
	size_t i, j;
	int r = events ? 0 : -ENOMEM;

	ret_error->step = SOURCE_STEP_READ;
	if (r == 0 && bpf->selection.latency)
		time_exits(bpf, events);
	for (i = 0; r == 0 && i < bpf->counted_count; i++) {
		const struct counted *counted = &bpf->counted[i];

		r = tracepoint_event_id(&bpf->events, counted->event, &events[i].tracepoint);
		events[i].how.by_thread = counted->by_thread;
		/* Reasons are small numbers but for a few. */
		if (counted->reasons && !counted->by_thread)
			events[i].how.values = COUNT_VALUES_MAX;
		for (j = 0; j < counted->field_count && counted->reasons; j++) {
			events[i].how.fields[j].offset = (uint16_t)counted->fields[j].offset;
			events[i].how.fields[j].size = (uint16_t)counted->fields[j].size;
		}
	}
	if (r == 0) {
		ret_error->wanted = bpf->counted_count + SPARE_FDS;
		r = fd_limit_raise(ret_error->wanted);
		ret_error->step = SOURCE_STEP_LIMIT;
	}
	if (r == 0 && bpf->counted_count) {
		r = bpf_counter_open(events, bpf->counted_count, bpf->selection.pid, bpf->rows,
				     &bpf->counter);
		ret_error->step = SOURCE_STEP_PROGRAM;
	}
	free(events);
	ret_error->error = r;
	return r;
}

/* Drops everything that belongs to a selection. */
static void deselect(struct bpf_source *bpf)
{
	size_t i;

	bpf_counter_close(bpf->counter);
	tdestroy(bpf->codes, free);
	tdestroy(bpf->tallies, free_tally);
	tdestroy(bpf->owners, free);
	tdestroy(bpf->reason_names, keep_node);
	for (i = 0; i < bpf->counted_count; i++)
		free(bpf->counted[i].reasons);
	for (i = 0; i < bpf->name_count; i++)
		free_name(bpf->names[i]);
	free(bpf->counted);
	free(bpf->names);
	free(bpf->only);
	free(bpf->gone);
	vm_list_done(&bpf->vms);
	*bpf = (struct bpf_source){
		.source = bpf->source, .root = bpf->root, .rows = bpf->rows, .events = bpf->events};
}

static int bpf_select(struct source *source, const struct selection *selection,
		      struct source_error *ret_error)
{
	struct bpf_source *bpf = self(source);
	size_t i;
	int r = 0;

	deselect(bpf);
	bpf->selection = *selection;
	if (selection->only && !(bpf->only = strdup(selection->only)))
		r = -ENOMEM;
	bpf->selection.only = bpf->only;
	/* Each event once, be it selected or the end of a pair; one more to try the next in. */
	bpf->counted = calloc(bpf->events.count + 1, sizeof(*bpf->counted));
	if (!bpf->counted)
		r = -ENOMEM;
	for (i = 0; i < bpf->events.count && r == 0; i++) {
		r = select_event(bpf, &bpf->events.list[i], &bpf->counted[bpf->counted_count]);
		if (r > 0)
			bpf->counted_count++;
		r = r > 0 ? 0 : r;
	}
	*ret_error = (struct source_error){.error = r, .step = SOURCE_STEP_READ};
	if (r == 0)
		r = start_counting(bpf, ret_error);
	if (r < 0)
		deselect(bpf);
	return r;
}

/* Reading */

static void take_flags(struct bpf_source *bpf, const struct counted *counted,
		       const struct exit_decoded *decoded, size_t *names, size_t *count)
{
	uint64_t bit;

	for (bit = 1; bit && decoded->flags; bit <<= 1) {
		const char *flag;
		char digits[40];
		ssize_t name;

		if (!(decoded->flags & bit) || bpf->selection.fixed_rows || *count == FLAGS_MAX)
			continue;
		flag = exit_reasons_flag_name(counted->event->reasons, bit);
		snprintf(digits, sizeof(digits), "FLAG_0x%llx", (unsigned long long)bit);
		name = add_reason_name(bpf, counted->event->name, flag ? flag : digits, -1);
		if (name < 0)
			continue;
		bpf->names[name]->is_flag = true;
		names[(*count)++] = (size_t)name;
	}
}

/* Finds the rows that a record with these fields belongs to: `room` FLAGS_MAX + 2. */
static size_t name_record(struct bpf_source *bpf, const struct counted *counted,
			  const struct count_key *key, size_t *names)
{
	unsigned char record[RECORD_MAX] = {0};
	struct exit_decoded decoded;
	ssize_t name = counted->other;
	size_t i, size = 0, count = 0;
	char digits[40];

	if (counted->name >= 0)
		names[count++] = (size_t)counted->name;
	if (!counted->reasons)
		return count;
	for (i = 0; i < counted->field_count; i++) {
		const struct event_field *field = &counted->fields[i];

		memcpy(record + field->offset, &key->fields[i], field->size);
		if (field->offset + field->size > size)
			size = field->offset + field->size;
	}
	if (exit_reasons_classify(counted->event->reasons, record, size, &decoded) < 0) {
		decoded.flags = 0;
	} else if (decoded.reason >= 0) {
		name = counted->reasons[decoded.reason];
	} else if (!bpf->selection.fixed_rows) {
		snprintf(digits, sizeof(digits), "0x%llx", (unsigned long long)decoded.number);
		name = add_reason_name(bpf, counted->event->name, digits, counted->other);
	}
	if (name >= 0)
		names[count++] = (size_t)name;
	take_flags(bpf, counted, &decoded, names, &count);
	return count;
}

/* What a row of the kernel stands for, decoded once. NULL without memory. */
static const struct code *find_code(struct bpf_source *bpf, const struct count_key *key)
{
	struct code lookup = {.event = key->event};
	size_t names[FLAGS_MAX + 2], count;
	struct code **node, *code;

	memcpy(lookup.fields, key->fields, sizeof(lookup.fields));
	node = tfind(&lookup, &bpf->codes, compare_codes);
	if (node)
		return *node;
	count = name_record(bpf, &bpf->counted[key->event], key, names);
	code = calloc(1, sizeof(*code) + count * sizeof(*names));
	if (!code)
		return NULL;
	*code = lookup;
	code->count = count;
	memcpy(code->names, names, count * sizeof(*names));
	if (!tsearch(code, &bpf->codes, compare_codes)) {
		free(code);
		return NULL;
	}
	bpf->code_count++;
	return code;
}

/* Guests may make new numbers for ever. */
static void forget_codes(struct bpf_source *bpf)
{
	if (bpf->code_count < CODES_MAX)
		return;
	tdestroy(bpf->codes, free);
	bpf->codes = NULL;
	bpf->code_count = 0;
}

static bool runs_vm(const struct bpf_source *bpf, pid_t tgid)
{
	size_t i;

	for (i = 0; i < bpf->vms.count; i++) {
		if (bpf->vms.vms[i].pid == tgid)
			return true;
	}
	return false;
}

static void check_process(const struct bpf_source *bpf, struct owner *owner)
{
	bool was_guest = owner->is_guest;

	owner->alive = kill(owner->tgid, 0) == 0 || errno != ESRCH;
	if (bpf->selection.by == BY_FIELD)
		return;
	owner->is_guest = owner->alive && runs_vm(bpf, owner->tgid);
	owner->alive &= owner->is_guest || !was_guest;
	/* Until it is forgotten. */
	owner->is_guest |= was_guest && bpf->selection.last_words;
}

/*
 * A thread may make events before it runs a virtual CPU: it is looked at again, but ever more
 * seldom, as those for input and output never will.
 */
static void check_thread(const struct bpf_source *bpf, struct owner *owner)
{
	owner->alive = syscall(SYS_tgkill, owner->tgid, owner->tid, 0) == 0 || errno != ESRCH;
	owner->age++;
	if (bpf->selection.by == BY_VCPU && owner->alive && !owner->thread.is_vcpu &&
	    (owner->age & (owner->age - 1)) == 0)
		(void)!vcpus_find(bpf->root, &bpf->vms, owner->tgid, owner->tid, &owner->thread);
	owner->thread.has_cpu = bpf->selection.by == BY_VCPU && owner->alive &&
				guest_thread_cpu(bpf->root, owner->tgid, owner->tid,
						 &owner->thread.cpu) == 0;
}

/* What is known of a process (tid 0) or thread, once for each read. NULL without memory. */
static struct owner *find_owner(struct bpf_source *bpf, pid_t tgid, pid_t tid)
{
	struct owner key = {.tgid = tgid, .tid = tid, .thread.tid = tid};
	struct owner **node = tfind(&key, &bpf->owners, compare_owners);
	struct owner *owner = node ? *node : NULL;

	if (!owner) {
		owner = malloc(sizeof(*owner));
		if (!owner)
			return NULL;
		*owner = key;
		if (!tsearch(owner, &bpf->owners, compare_owners)) {
			free(owner);
			return NULL;
		}
	}
	if (owner->checked == bpf->reads)
		return owner;
	owner->checked = bpf->reads;
	if (tid == 0)
		check_process(bpf, owner);
	else
		check_thread(bpf, owner);
	return owner;
}

static int forget_later(struct bpf_source *bpf, const struct count_key *key)
{
	if (bpf->gone_count == bpf->gone_room) {
		size_t room = bpf->gone_room ? bpf->gone_room * 2 : 64;
		struct count_key *grown = reallocarray(bpf->gone, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		bpf->gone = grown;
		bpf->gone_room = room;
	}
	bpf->gone[bpf->gone_count++] = *key;
	return 0;
}

/* Whether who has made a row is gone. The kernel's idle threads, which are process 0, never are. */
static int is_gone(struct bpf_source *bpf, const struct count_key *key, bool *ret_gone)
{
	struct owner *process, *thread;

	*ret_gone = false;
	if (!key->tgid)
		return 0;
	process = find_owner(bpf, (pid_t)key->tgid, 0);
	thread = process ? find_owner(bpf, (pid_t)key->tgid, (pid_t)key->tid) : NULL;
	if (!thread)
		return -ENOMEM;
	*ret_gone = !process->alive || !thread->alive;
	return 0;
}

/* Adds numbers to each tally that a row counts in. */
static int add_row_to_tallies(struct bpf_source *bpf, const struct count_key *key, bool gone,
			      uint64_t count, const struct distribution *latency)
{
	const struct code *code;
	pid_t guest = 0, tid = 0;
	size_t i;

	if (bpf->selection.tid && bpf->selection.tid != (pid_t)key->tid)
		return 0;
	if (bpf->selection.by != BY_FIELD) {
		struct owner *process = key->tgid ? find_owner(bpf, (pid_t)key->tgid, 0) : NULL;

		if (!process || !process->is_guest)
			return 0;
		guest = process->tgid;
		tid = bpf->selection.by == BY_VCPU ? (pid_t)key->tid : 0;
	}
	code = find_code(bpf, key);
	if (!code)
		return -ENOMEM;
	for (i = 0; i < code->count; i++) {
		struct tally *tally = find_tally(bpf, code->names[i], guest, tid);

		if (tally && latency && !tally->latency)
			tally->latency = calloc(LATENCIES, sizeof(*tally->latency));
		if (!tally || (latency && !tally->latency))
			return -ENOMEM;
		*(gone ? &tally->retired : &tally->now) += count;
		if (latency)
			distribution_add(&tally->latency[gone ? LATENCY_RETIRED : LATENCY_NOW],
					 latency);
	}
	return 0;
}

/*
 * A row as it was when it was read. Of a thread that is gone this may not be the end: its row is
 * taken when all others are read.
 */
static int take_row(const struct count_key *key, uint64_t count, void *data)
{
	struct bpf_source *bpf = data;
	bool gone;
	int r = is_gone(bpf, key, &gone);

	if (r == 0 && gone)
		return forget_later(bpf, key);
	return r < 0 ? r : add_row_to_tallies(bpf, key, false, count, NULL);
}

static struct distribution to_distribution(const struct count_latency *latency)
{
	struct distribution distribution = {
		.scale = DISTRIBUTION_LOG2,
		.bucket_count = COUNT_BUCKETS,
		.has_moments = true,
		.sum = latency->sum,
		.squares_low = latency->squares_low,
		.squares_high = latency->squares_high,
		.has_extremes = true,
		.min = latency->min,
		.max = latency->max,
	};
	size_t i;

	/* The row is read while it is written to: the buckets say how many values they hold. */
	for (i = 0; i < COUNT_BUCKETS; i++) {
		distribution.buckets[i] = latency->buckets[i];
		distribution.count += latency->buckets[i];
	}
	return distribution;
}

static int take_latency(const struct count_key *key, const struct count_latency *latency,
			void *data)
{
	struct bpf_source *bpf = data;
	struct distribution distribution = to_distribution(latency);
	bool gone;
	int r = is_gone(bpf, key, &gone);

	/* Without room for its count, a row has a latency only. */
	if (r == 0 && gone)
		return forget_later(bpf, key);
	return r < 0 ? r : add_row_to_tallies(bpf, key, false, 0, &distribution);
}

/* Takes the rows of who is gone out of the kernel, and adds them to what the tallies keep. */
static int retire_gone(struct bpf_source *bpf)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < bpf->gone_count; i++) {
		struct distribution distribution;
		struct count_latency latency;
		uint64_t count;

		r = bpf_counter_take(bpf->counter, &bpf->gone[i], &count, &latency);
		distribution = to_distribution(&latency);
		if (r == 0)
			r = add_row_to_tallies(bpf, &bpf->gone[i], true, count,
					       distribution.count ? &distribution : NULL);
	}
	bpf->gone_count = 0;
	return r;
}

static void start_tally(const void *node, VISIT visit, void *data)
{
	struct tally *tally = *(struct tally *const *)node;

	(void)data;
	if (visit != postorder && visit != leaf)
		return;
	tally->now = 0;
	if (tally->latency)
		tally->latency[LATENCY_NOW] = (struct distribution){0};
}

static int count_for(struct bpf_source *bpf, ssize_t name, uint64_t count)
{
	struct tally *tally = name >= 0 ? find_tally(bpf, (size_t)name, 0, 0) : NULL;

	if (tally)
		tally->now += count;
	return name >= 0 && !tally ? -ENOMEM : 0;
}

/*
 * Adds the events that are not counted by thread, and those for which there was no room: of them,
 * only that they happened is known.
 */
static int read_totals(struct bpf_source *bpf)
{
	uint64_t *totals = calloc(bpf->counted_count, sizeof(*totals));
	size_t i;
	int r = totals ? bpf_counter_totals(bpf->counter, totals) : -ENOMEM;

	for (i = 0; r == 0 && i < bpf->counted_count; i++) {
		const struct counted *counted = &bpf->counted[i];

		if (bpf->selection.by != BY_FIELD || !totals[i])
			continue;
		r = count_for(bpf, counted->name, totals[i]);
		if (r == 0 && counted->reasons)
			r = count_for(bpf, counted->other, totals[i]);
	}
	free(totals);
	return r;
}

/* Brings every tally up to date. */
static int read_counter(struct bpf_source *bpf)
{
	int r = 0;

	bpf->reads++;
	forget_codes(bpf);
	twalk_r(bpf->tallies, start_tally, NULL);
	if (bpf->selection.by != BY_FIELD) {
		vm_list_done(&bpf->vms);
		r = vm_list_read(bpf->root, &bpf->vms);
	}
	bpf->gone_count = 0;
	if (r == 0)
		r = read_totals(bpf);
	if (r == 0)
		r = bpf_counter_rows(bpf->counter, take_row, bpf);
	if (r == 0 && bpf->selection.latency)
		r = bpf_counter_latencies(bpf->counter, take_latency, bpf);
	return r < 0 ? r : retire_gone(bpf);
}

/* Collects what no longer belongs to anybody, as trees cannot lose nodes while they are walked. */
struct dead {
	struct bpf_source *bpf;
	void **list;
	size_t count, room;
};

static void add_dead(struct dead *dead, void *node)
{
	if (dead->count == dead->room) {
		size_t room = dead->room ? dead->room * 2 : 64;
		void **grown = reallocarray(dead->list, room, sizeof(*grown));

		if (!grown)
			return; /* the next read finds it again */
		dead->list = grown;
		dead->room = room;
	}
	dead->list[dead->count++] = node;
}

/* Whether the guest and thread of a tally are there, as far as the last read knows. */
static bool is_alive(struct bpf_source *bpf, const struct tally *tally)
{
	struct owner *guest, *thread;

	if (!tally->guest)
		return true;
	guest = find_owner(bpf, tally->guest, 0);
	thread = tally->tid ? find_owner(bpf, tally->guest, tally->tid) : guest;
	return guest && thread && guest->is_guest && guest->alive && thread->alive;
}

static void take_dead_tally(const void *node, VISIT visit, void *data)
{
	struct tally *tally = *(struct tally *const *)node;
	struct dead *dead = data;

	if ((visit == postorder || visit == leaf) && !is_alive(dead->bpf, tally))
		add_dead(dead, tally);
}

static void take_dead_owner(const void *node, VISIT visit, void *data)
{
	struct owner *owner = *(struct owner *const *)node;
	struct dead *dead = data;

	/* Rows of who was not seen are gone. */
	if ((visit == postorder || visit == leaf) &&
	    (!owner->alive || owner->checked != dead->bpf->reads))
		add_dead(dead, owner);
}

/*
 * Forgets guests and threads that are gone: those that are rows of their own had their last numbers
 * in the sample before.
 */
static void bury_dead(struct bpf_source *bpf)
{
	struct dead dead = {.bpf = bpf};
	size_t i;

	twalk_r(bpf->tallies, take_dead_tally, &dead);
	for (i = 0; i < dead.count; i++) {
		tdelete(dead.list[i], &bpf->tallies, compare_tallies);
		free_tally(dead.list[i]);
	}
	dead.count = 0;
	twalk_r(bpf->owners, take_dead_owner, &dead);
	for (i = 0; i < dead.count; i++) {
		tdelete(dead.list[i], &bpf->owners, compare_owners);
		free(dead.list[i]);
	}
	free(dead.list);
}

static int add_row(struct bpf_source *bpf, struct sample *sample, size_t name,
		   const struct tally *tally)
{
	struct sample_row row = {.name = bpf->names[name]->name,
				 .parent = bpf->names[name]->parent,
				 .is_flag = bpf->names[name]->is_flag,
				 .kind = FIELD_EVENTS};
	struct distribution latency;

	if (!tally)
		return sample_add(sample, row);
	row.guest = tally->guest;
	row.value = tally->now + tally->retired - tally->base;
	if (tally->tid) {
		const struct owner *owner = find_owner(bpf, tally->guest, tally->tid);

		if (!owner)
			return -ENOMEM;
		row.thread = owner->thread;
	}
	if (!tally->latency)
		return sample_add(sample, row);
	latency = tally->latency[LATENCY_RETIRED];
	distribution_add(&latency, &tally->latency[LATENCY_NOW]);
	distribution_subtract(&latency, &tally->latency[LATENCY_BASE]);
	return sample_add_distribution(sample, row, &latency);
}

static void take_tally(const void *node, VISIT visit, void *data)
{
	const struct tally *tally = *(struct tally *const *)node;
	struct bpf_source *bpf = data;

	if ((visit == postorder || visit == leaf) && bpf->walk_error == 0)
		bpf->walk_error = add_row(bpf, bpf->sample, tally->name, tally);
}

/* One row for each name, whether it was seen or not. */
static int add_fields(struct bpf_source *bpf, struct sample *sample)
{
	size_t i;
	int r = 0;

	for (i = 0; i < bpf->name_count && r == 0; i++) {
		struct tally key = {.name = i};
		struct tally **node = tfind(&key, &bpf->tallies, compare_tallies);

		r = add_row(bpf, sample, i, node ? *node : NULL);
	}
	return r;
}

/* Gives a guest a row for each event, 0 until it happens; reasons have one once they were seen. */
static int add_idle_guest(struct bpf_source *bpf, pid_t pid)
{
	size_t i;

	if (!find_owner(bpf, pid, 0))
		return -ENOMEM;
	for (i = 0; i < bpf->name_count; i++) {
		if ((!bpf->names[i]->parent || bpf->only) && !find_tally(bpf, i, pid, 0))
			return -ENOMEM;
	}
	return 0;
}

/*
 * Where rows are of guests, those that have done nothing yet have rows as well: who adds up rates
 * would miss what comes with the first appearance of a row.
 */
static int add_idle_guests(struct bpf_source *bpf)
{
	size_t i;
	int r = 0;

	for (i = 0; bpf->selection.by == BY_GUEST && i < bpf->vms.count && r == 0; i++) {
		pid_t pid = bpf->vms.vms[i].pid;

		if (pid > 0 && (!bpf->selection.pid || bpf->selection.pid == pid))
			r = add_idle_guest(bpf, pid);
	}
	return r;
}

static int bpf_read(struct source *source, struct sample *sample)
{
	struct bpf_source *bpf = self(source);
	struct bpf_counter_loss loss;
	int r;

	if (!bpf->counter)
		return 0;
	/* Those that had their last rows with the read before. */
	if (bpf->selection.last_words)
		bury_dead(bpf);
	r = read_counter(bpf);
	if (r < 0)
		return r;
	loss = bpf_counter_loss(bpf->counter);
	bpf->lost = loss.dropped + loss.untimed + loss.missed;
	if (!bpf->selection.last_words)
		bury_dead(bpf);
	if (bpf->selection.by == BY_FIELD)
		return add_fields(bpf, sample);
	r = add_idle_guests(bpf);
	if (r < 0)
		return r;
	bpf->sample = sample;
	bpf->walk_error = 0;
	twalk_r(bpf->tallies, take_tally, bpf);
	return bpf->walk_error;
}

static void restart_tally(const void *node, VISIT visit, void *data)
{
	struct tally *tally = *(struct tally *const *)node;

	(void)data;
	if (visit != postorder && visit != leaf)
		return;
	tally->base = tally->now + tally->retired;
	if (!tally->latency)
		return;
	tally->latency[LATENCY_BASE] = tally->latency[LATENCY_RETIRED];
	distribution_add(&tally->latency[LATENCY_BASE], &tally->latency[LATENCY_NOW]);
}

static void bpf_reset(struct source *source)
{
	struct bpf_source *bpf = self(source);

	if (!bpf->counter || read_counter(bpf) < 0)
		return; /* the next read fails likewise and is reported */
	twalk_r(bpf->tallies, restart_tally, NULL);
}

static int bpf_list(struct source *source, void (*take)(const char *name, void *data), void *data)
{
	const struct bpf_source *bpf = self(source);
	size_t i;

	for (i = 0; i < bpf->events.count; i++)
		take(bpf->events.list[i].name, data);
	return 0;
}

static struct source_health bpf_health(const struct source *source)
{
	const struct bpf_source *bpf = (const struct bpf_source *)source;

	return (struct source_health){.fields = bpf->name_count, .lost = bpf->lost};
}

static void bpf_close(struct source *source)
{
	struct bpf_source *bpf = self(source);

	deselect(bpf);
	tracepoint_events_done(&bpf->events);
	free(bpf);
}

static const struct source_ops bpf_ops = {
	.kind = SOURCE_TRACEPOINTS,
	.select = bpf_select,
	.read = bpf_read,
	.reset = bpf_reset,
	.list = bpf_list,
	.health = bpf_health,
	.close = bpf_close,
};

/*
 * The kernel tells processes by their numbers in the initial PID namespace, whose inode is fixed
 * (PROC_PID_INIT_INO in the kernel's proc_ns.h). In a container they would be nobody here.
 */
static bool in_initial_pid_namespace(const struct host_root *root)
{
	struct stat st;

	return fstatat(root->fd, "proc/self/ns/pid", &st, 0) == 0 && st.st_ino == 0xEFFFFFFC;
}

int source_bpf_open(const struct host_root *root, unsigned int rows, struct source **ret_source,
		    struct source_error *ret_error)
{
	struct bpf_source *bpf;
	bool found;
	int r;

	*ret_error = (struct source_error){.error = -EOPNOTSUPP, .step = SOURCE_STEP_COUNT};
	if (root->real && !in_initial_pid_namespace(root))
		ret_error->step = SOURCE_STEP_NAMESPACE;
	if (!root->real || ret_error->step == SOURCE_STEP_NAMESPACE)
		return -EOPNOTSUPP;
	bpf = calloc(1, sizeof(*bpf));
	*ret_error = (struct source_error){.error = -ENOMEM};
	if (!bpf)
		return -ENOMEM;
	bpf->source.ops = &bpf_ops;
	bpf->root = root;
	bpf->rows = rows;
	r = tracepoint_events_open(root, &bpf->events, &found);
	if (r == 0) {
		*ret_source = &bpf->source;
		return 0;
	}
	*ret_error = (struct source_error){.error = r,
					   .step = found ? SOURCE_STEP_READ : SOURCE_STEP_FIND};
	bpf_close(&bpf->source);
	return r;
}
