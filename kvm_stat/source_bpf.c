/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's tracepoints, counted by a program in the kernel. What it counts by thread comes as rows
 * keyed by (process, thread, event, bytes of the fields that tell the reason): bpf_events chooses
 * what is counted, bpf_codes tells what a row means, bpf_owners whose it is, and bpf_tallies adds up
 * what becomes rows of the samples.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kvm_stat/bpf_codes.h"
#include "kvm_stat/bpf_counter.h"
#include "kvm_stat/bpf_events.h"
#include "kvm_stat/bpf_names.h"
#include "kvm_stat/bpf_owners.h"
#include "kvm_stat/bpf_tallies.h"
#include "kvm_stat/fd_limit.h"
#include "kvm_stat/source.h"
#include "kvm_stat/tracepoint_event.h"

#define SPARE_FDS 64 /* for everything else that is open */

struct bpf_source {
	struct source source;
	const struct host_root *root;
	unsigned int rows; /* room in the kernel */
	struct tracepoint_events known;
	/* of the selection: */
	struct selection selection; /* its filter is borrowed until the next one */
	char *only;
	struct bpf_names names;
	struct bpf_events events;
	struct bpf_counter *counter;
	struct bpf_codes codes;
	struct bpf_owners owners;
	struct bpf_tallies tallies;
	struct count_key *gone; /* rows of who is gone */
	size_t gone_count, gone_room;
	bool some_are_gone;
	uint64_t lost, missed; /* as in struct source_health */
	int failure;           /* -errno of a reset, for the next read to return */
};

static struct bpf_source *self(struct source *source)
{
	return (struct bpf_source *)source;
}

/* Selecting */

static int start_counting(struct bpf_source *bpf, struct source_error *ret_error)
{
	cleanup_free struct bpf_counter_event *events = NULL;
	int r = bpf_events_describe(&bpf->events, &bpf->known, &events);

	ret_error->step = SOURCE_STEP_READ;
	if (r == 0) {
		ret_error->wanted = bpf->events.count + SPARE_FDS;
		r = fd_limit_raise(ret_error->wanted);
		ret_error->step = SOURCE_STEP_LIMIT;
	}
	if (r == 0 && bpf->events.count) {
		r = bpf_counter_open(events, bpf->events.count, bpf->selection.pid, bpf->rows,
				     &bpf->counter);
		ret_error->step = SOURCE_STEP_PROGRAM;
	}
	ret_error->error = r;
	return r;
}

/* Drops everything that belongs to a selection. */
static void deselect(struct bpf_source *bpf)
{
	bpf_counter_close(bpf->counter);
	bpf_codes_done(&bpf->codes);
	bpf_tallies_done(&bpf->tallies);
	bpf_owners_done(&bpf->owners);
	bpf_events_done(&bpf->events);
	bpf_names_done(&bpf->names);
	free(bpf->only);
	free(bpf->gone);
	*bpf = (struct bpf_source){
		.source = bpf->source, .root = bpf->root, .rows = bpf->rows, .known = bpf->known};
}

static int bpf_select(struct source *source, const struct selection *selection,
		      struct source_error *ret_error)
{
	struct bpf_source *bpf = self(source);
	int r = 0;

	deselect(bpf);
	bpf->selection = *selection;
	bpf->lost = bpf->missed = 0;
	if (selection->only && !(bpf->only = strdup(selection->only)))
		r = -ENOMEM;
	bpf->selection.only = bpf->only;
	bpf->codes = (struct bpf_codes){
		.events = &bpf->events, .selection = &bpf->selection, .names = &bpf->names};
	bpf_owners_start(&bpf->owners, bpf->root, &bpf->selection);
	if (r == 0)
		r = bpf_events_select(&bpf->events, &bpf->known, &bpf->selection, &bpf->names);
	*ret_error = (struct source_error){.error = r, .step = SOURCE_STEP_READ};
	if (r == 0)
		r = start_counting(bpf, ret_error);
	if (r < 0)
		deselect(bpf);
	return r;
}

/* Reading */

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
	const struct bpf_owner *process, *thread;

	*ret_gone = false;
	if (!key->tgid)
		return 0;
	process = bpf_owners_find(&bpf->owners, (pid_t)key->tgid, 0);
	thread = bpf_owners_find(&bpf->owners, (pid_t)key->tgid, (pid_t)key->tid);
	if (!process || !thread)
		return -ENOMEM;
	*ret_gone = !process->alive || !thread->alive;
	return 0;
}

/* Adds numbers to each tally that a row counts in. */
static int add_row_to_tallies(struct bpf_source *bpf, const struct count_key *key, bool gone,
			      uint64_t count, const struct distribution *latency)
{
	const struct bpf_code *code;
	pid_t guest = 0, tid = 0;
	size_t i;
	int r = 0;

	if (bpf->selection.tid && bpf->selection.tid != (pid_t)key->tid)
		return 0;
	if (bpf->selection.by != BY_FIELD) {
		const struct bpf_owner *process = NULL;

		if (key->tgid)
			process = bpf_owners_find(&bpf->owners, (pid_t)key->tgid, 0);
		if (process && process->is_guest) {
			guest = process->tgid;
			tid = bpf->selection.by == BY_VCPU ? (pid_t)key->tid : 0;
		} else if (!bpf->selection.last_words) {
			return 0;
		}
	}
	code = bpf_codes_find(&bpf->codes, key);
	if (!code)
		return -ENOMEM;
	for (i = 0; i < code->count && r == 0; i++) {
		/* How long an exit took is told by its reason, and must not be counted twice. */
		bool is_flag = bpf->names.list[code->names[i]]->is_flag;
		struct bpf_tally *tally = bpf_tallies_make(&bpf->tallies, code->names[i], guest,
							   tid);

		r = tally ? bpf_tally_add(tally, gone, count, is_flag ? NULL : latency) : -ENOMEM;
	}
	return r;
}

/*
 * A row as it was when it was read. Of a thread that is gone this may not be the end, nor all of its
 * rows: they are read again, see retire_gone().
 */
static int take_row(const struct count_key *key, uint64_t count, void *data)
{
	struct bpf_source *bpf = data;
	bool gone;
	int r = is_gone(bpf, key, &gone);

	bpf->some_are_gone |= gone;
	return r < 0 || gone ? r : add_row_to_tallies(bpf, key, false, count, NULL);
}

static int take_row_of_gone(const struct count_key *key, uint64_t count, void *data)
{
	struct bpf_source *bpf = data;

	(void)count; /* read when it is taken out */
	return bpf_owners_saw_end(&bpf->owners, (pid_t)key->tgid, (pid_t)key->tid)
		       ? forget_later(bpf, key)
		       : 0;
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

	bpf->some_are_gone |= gone;
	return r < 0 || gone ? r : add_row_to_tallies(bpf, key, false, 0, &distribution);
}

/* Without room for its count, a row has a latency only. */
static int take_latency_of_gone(const struct count_key *key, const struct count_latency *latency,
				void *data)
{
	(void)latency;
	return take_row_of_gone(key, 0, data);
}

/*
 * Takes the rows of who is gone out of the kernel, and adds them to what the tallies keep. That
 * they end may have been seen after they made rows which were not there to be read.
 */
static int retire_gone(struct bpf_source *bpf)
{
	size_t i;
	int r = 0;

	if (bpf->some_are_gone)
		r = bpf_counter_rows(bpf->counter, take_row_of_gone, bpf);
	if (r == 0 && bpf->some_are_gone && bpf->selection.latency)
		r = bpf_counter_latencies(bpf->counter, take_latency_of_gone, bpf);
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

static int count_for(struct bpf_source *bpf, ssize_t name, uint64_t count)
{
	struct bpf_tally *tally;

	if (name < 0)
		return 0;
	tally = bpf_tallies_make(&bpf->tallies, (size_t)name, 0, 0);
	return tally ? bpf_tally_add(tally, false, count, NULL) : -ENOMEM;
}

/*
 * Adds the events that are not counted by thread, and those for which there was no room: of them,
 * only that they happened is known, and not who made them.
 */
static int read_totals(struct bpf_source *bpf)
{
	cleanup_free uint64_t *totals = calloc(bpf->events.count, sizeof(*totals));
	size_t i;
	int r = totals ? bpf_counter_totals(bpf->counter, totals) : -ENOMEM;

	for (i = 0; r == 0 && i < bpf->events.count; i++) {
		const struct bpf_event *event = &bpf->events.list[i];

		if ((bpf->selection.by != BY_FIELD && !bpf->selection.last_words) ||
		    bpf->selection.tid || !totals[i])
			continue;
		r = count_for(bpf, event->name, totals[i]);
		if (r == 0 && event->reasons)
			r = count_for(bpf, event->other, totals[i]);
	}
	return r;
}

/* Brings every tally up to date. */
static int read_counter(struct bpf_source *bpf)
{
	int r;

	bpf_codes_limit(&bpf->codes);
	bpf_tallies_begin(&bpf->tallies);
	bpf->gone_count = 0;
	bpf->some_are_gone = false;
	r = bpf_owners_begin(&bpf->owners);
	if (r == 0)
		r = read_totals(bpf);
	if (r == 0)
		r = bpf_counter_rows(bpf->counter, take_row, bpf);
	if (r == 0 && bpf->selection.latency)
		r = bpf_counter_latencies(bpf->counter, take_latency, bpf);
	return r < 0 ? r : retire_gone(bpf);
}

/*
 * Forgets guests and threads that are gone: those that are rows of their own had their last numbers
 * in the sample before, or in this one, where they are missing. Returns whether there were any.
 */
static bool bury_dead(struct bpf_source *bpf)
{
	bool any = bpf_tallies_bury(&bpf->tallies, &bpf->owners);

	bpf_owners_bury(&bpf->owners);
	return any;
}

/* A row of a sample; without a tally, of what was not seen. */
static int add_row(struct bpf_source *bpf, struct sample *sample, size_t name,
		   const struct bpf_tally *tally)
{
	struct sample_row row = {.name = bpf->names.list[name]->name,
				 .parent = bpf->names.list[name]->parent,
				 .is_flag = bpf->names.list[name]->is_flag,
				 .kind = FIELD_EVENTS};
	struct distribution latency;

	if (!tally)
		return sample_add(sample, row);
	row.guest = tally->guest;
	row.value = bpf_tally_value(tally);
	if (tally->tid) {
		const struct bpf_owner *owner = bpf_owners_find(&bpf->owners, tally->guest,
								tally->tid);

		if (!owner)
			return -ENOMEM;
		row.thread = owner->thread;
	}
	if (!tally->latency)
		return sample_add(sample, row);
	latency = bpf_tally_latency(tally);
	return sample_add_distribution(sample, row, &latency);
}

/* One row for each name, whether it was seen or not. */
static int add_fields(struct bpf_source *bpf, struct sample *sample)
{
	size_t i;
	int r = 0;

	for (i = 0; i < bpf->names.count && r == 0; i++)
		r = add_row(bpf, sample, i, bpf_tallies_find(&bpf->tallies, i));
	return r;
}

/* Gives a guest a row for each event, 0 until it happens; reasons have one once they were seen. */
static int add_idle_guest(struct bpf_source *bpf, pid_t pid)
{
	/* To know it for a guest should its first rows be found after its end. */
	const struct bpf_owner *owner = bpf_owners_find(&bpf->owners, pid, 0);
	size_t i;

	if (!owner)
		return -ENOMEM;
	/* The list of guests is from before: one that ended since must not come back with zeros. */
	if (bpf->selection.by != BY_GUEST || !owner->alive || !owner->is_guest)
		return 0;
	for (i = 0; i < bpf->names.count; i++) {
		if ((!bpf->names.list[i]->parent || bpf->only) &&
		    !bpf_tallies_make(&bpf->tallies, i, pid, 0))
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
	const struct vm_list *vms = &bpf->owners.vms.list;
	size_t i;
	int r = 0;

	for (i = 0; i < vms->count && r == 0; i++) {
		pid_t pid = vms->vms[i].pid;

		if (pid > 0 && (!bpf->selection.pid || bpf->selection.pid == pid))
			r = add_idle_guest(bpf, pid);
	}
	return r;
}

struct taking {
	struct bpf_source *bpf;
	struct sample *sample;
	int r;
};

static void take_tally(void *node, void *data)
{
	const struct bpf_tally *tally = node;
	struct taking *taking = data;

	if (taking->r == 0)
		taking->r = add_row(taking->bpf, taking->sample, tally->name, tally);
}

static int bpf_read(struct source *source, struct sample *sample)
{
	struct bpf_source *bpf = self(source);
	struct taking taking = {.bpf = bpf, .sample = sample};
	struct bpf_counter_loss loss;
	uint64_t lost;
	int r;

	if (!bpf->counter)
		return 0;
	if (bpf->failure < 0)
		return bpf->failure;
	/* Those that had their last rows with the read before. */
	if (bpf->selection.last_words)
		bury_dead(bpf);
	r = read_counter(bpf);
	if (r < 0)
		return r;
	loss = bpf_counter_loss(bpf->counter);
	lost = loss.dropped + loss.untimed;
	sample->partial |= lost > bpf->lost;
	bpf->lost = lost;
	/* Of one guest alone it is not known whether any of them was its. */
	sample->partial |= loss.missed > bpf->missed && !bpf->selection.pid && !bpf->selection.tid;
	bpf->missed = loss.missed;
	if (!bpf->selection.last_words)
		sample->partial |= bury_dead(bpf);
	if (bpf->selection.by == BY_FIELD)
		return add_fields(bpf, sample);
	r = add_idle_guests(bpf);
	if (r < 0)
		return r;
	bpf_tallies_walk(&bpf->tallies, take_tally, &taking);
	return taking.r;
}

static void bpf_reset(struct source *source)
{
	struct bpf_source *bpf = self(source);

	if (!bpf->counter)
		return;
	bpf->failure = read_counter(bpf);
	if (bpf->failure == 0)
		bpf_tallies_reset(&bpf->tallies);
}

static int bpf_list(struct source *source, void (*take)(const char *name, void *data), void *data)
{
	const struct bpf_source *bpf = self(source);
	size_t i;

	for (i = 0; i < bpf->known.count; i++)
		take(bpf->known.list[i].name, data);
	return 0;
}

static struct source_health bpf_health(const struct source *source)
{
	const struct bpf_source *bpf = (const struct bpf_source *)source;

	return (struct source_health){
		.fields = bpf->names.count, .lost = bpf->lost, .missed = bpf->missed};
}

static void bpf_close(struct source *source)
{
	struct bpf_source *bpf = self(source);

	deselect(bpf);
	tracepoint_events_done(&bpf->known);
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
	r = tracepoint_events_open(root, &bpf->known, &found);
	if (r == 0) {
		*ret_source = &bpf->source;
		return 0;
	}
	*ret_error = (struct source_error){.error = r,
					   .step = found ? SOURCE_STEP_READ : SOURCE_STEP_FIND};
	bpf_close(&bpf->source);
	return r;
}
