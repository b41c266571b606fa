/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's binary statistics: one descriptor for each vCPU, and perhaps one for the VM, that the VMM
 * keeps open and this copies. One read takes all values of one, and neither debugfs nor lockdown
 * has a say in it.
 *
 * A copy pins its VM. Therefore a thread (stats_watch.h) closes the copies of guests that end; it
 * reads them once more before, so nothing that a guest did is lost. All that both threads touch is
 * below `lock`; what takes long, such as looking for VMs, is done outside of it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/guest.h"
#include "kvm_stat/running_vms.h"
#include "kvm_stat/signals.h"
#include "kvm_stat/source.h"
#include "kvm_stat/stats_guest.h"
#include "kvm_stat/stats_twins.h"
#include "kvm_stat/stats_watch.h"

#define KVM_DEVICE "sys/devices/virtual/misc/kvm"
#define LOST_AFTER 500000000U /* ns: until then a VM without a process may be one that ends */

struct stats_source {
	struct source source;
	const struct host_root *root;
	struct running_vms vms;
	bool started;               /* a sample was taken after select or reset */
	struct selection selection; /* the filter is the caller's */
	char *only;
	struct stats_watch *watch;
	pthread_mutex_t lock;
	struct stats_reader reader;
	struct stats_guest **guests; /* ascending by pid */
	size_t guest_count;
	struct stats_tally **tallies; /* of all guests, by layout */
	size_t tally_count;
};

static struct stats_source *self(struct source *source)
{
	return (struct stats_source *)source;
}

static void free_guest(struct stats_guest *guest)
{
	stats_guest_done(guest);
	free(guest);
}

static void free_guests(struct stats_source *stats)
{
	size_t i;

	for (i = 0; i < stats->guest_count; i++)
		free_guest(stats->guests[i]);
	free(stats->guests);
	stats->guests = NULL;
	stats->guest_count = 0;
	for (i = 0; i < stats->tally_count; i++)
		free(stats->tallies[i]);
	free(stats->tallies);
	stats->tallies = NULL;
	stats->tally_count = 0;
}

static void stats_close(struct source *source)
{
	struct stats_source *stats = self(source);

	stats_watch_end(stats->watch);
	free_guests(stats);
	stats_layouts_done(&stats->reader.layouts);
	running_vms_done(&stats->vms);
	pthread_mutex_destroy(&stats->lock);
	free(stats->reader.values);
	free(stats->only);
	free(stats);
}

/* For the thread: ends the guests that have ended, and copies of what a guest has given up. */
static bool check(bool ended, void *data)
{
	struct stats_source *stats = data;
	bool holds = false;
	size_t i;

	pthread_mutex_lock(&stats->lock);
	for (i = 0; i < stats->guest_count; i++) {
		struct stats_guest *guest = stats->guests[i];

		if (ended)
			stats_guest_check(guest, &stats->reader);
		else if (stats_guest_holds(guest))
			stats_guest_drop_given_up(guest, &stats->reader);
		holds |= stats_guest_holds(guest);
	}
	pthread_mutex_unlock(&stats->lock);
	return holds;
}

static void give_all_back(struct stats_source *stats)
{
	size_t i;

	for (i = 0; i < stats->guest_count; i++)
		stats_guest_give_back(stats->guests[i], &stats->reader);
}

/* For the thread: with the lock in hand nobody takes copies until the program goes on. */
static void stop(void *data)
{
	struct stats_source *stats = data;

	pthread_mutex_lock(&stats->lock);
	give_all_back(stats);
	signals_stop();
	pthread_mutex_unlock(&stats->lock);
}

static void stats_give_back(struct source *source)
{
	struct stats_source *stats = self(source);

	pthread_mutex_lock(&stats->lock);
	give_all_back(stats);
	pthread_mutex_unlock(&stats->lock);
}

static int watch(int pidfd, void *data)
{
	const struct stats_source *stats = data;

	return stats_watch_add(stats->watch, pidfd);
}

static int compare_guests(const void *a, const void *b)
{
	const struct stats_guest *left = *(struct stats_guest *const *)a;
	const struct stats_guest *right = *(struct stats_guest *const *)b;

	return (left->pid > right->pid) - (left->pid < right->pid);
}

static struct stats_guest *find_guest(struct stats_guest **list, size_t count, pid_t pid)
{
	struct stats_guest key = {.pid = pid}, *wanted = &key, **found;

	found = count ? bsearch(&wanted, list, count, sizeof(*list), compare_guests) : NULL;
	return found ? *found : NULL;
}

/* Whether the guest is among those that were added last, behind the first `known`. */
static bool is_added(const struct stats_source *stats, size_t known, pid_t pid)
{
	size_t i;

	for (i = stats->guest_count; i-- > known;) {
		if (stats->guests[i]->pid == pid)
			return true;
	}
	return false;
}

static int add_guest(struct stats_source *stats, const struct vm *vm)
{
	struct stats_guest **grown = reallocarray(stats->guests, stats->guest_count + 1,
						  sizeof(struct stats_guest *));
	struct stats_guest *guest = malloc(sizeof(*guest));

	if (grown)
		stats->guests = grown;
	if (!grown || !guest) {
		free(guest);
		return -ENOMEM;
	}
	*guest = STATS_GUEST(running_vms_process(vm));
	guest->is_old = !stats->started;
	guest->is_lost = vm->pid <= 0;
	guest->found_ns = clock_now_ns();
	grown[stats->guest_count++] = guest;
	return 0;
}

/* Adds the guests that are new, of those that are selected. Returns 0 or -ENOMEM. */
static int follow_guests(struct stats_source *stats)
{
	size_t known = stats->guest_count, i;

	for (i = 0; i < stats->vms.list.count; i++) {
		const struct vm *vm = &stats->vms.list.vms[i];
		pid_t pid = running_vms_process(vm);

		if (stats->selection.pid && pid != stats->selection.pid)
			continue;
		if (find_guest(stats->guests, known, pid) || is_added(stats, known, pid))
			continue;
		if (add_guest(stats, vm) < 0)
			return -ENOMEM;
	}
	if (stats->guest_count > known)
		qsort(stats->guests, stats->guest_count, sizeof(*stats->guests), compare_guests);
	return 0;
}

/* Forgets the guests that ended. Returns whether any of them was counted. */
static bool forget_guests(struct stats_source *stats)
{
	size_t i, kept = 0;
	bool forgot = false;

	for (i = 0; i < stats->guest_count; i++) {
		struct stats_guest *guest = stats->guests[i];

		/*
		 * Without copies it is only watched: when it has no VM any more, that is over. One
		 * that has given up its VM is looked at once more: if another has the same name in
		 * debugfs, as it came before the first was gone, that is not to be found there.
		 */
		if (!guest->is_ended &&
		    (stats_guest_holds(guest) || (guest->looks_due && guest->count) ||
		     running_vms_has(&stats->vms, guest->pid))) {
			stats->guests[kept++] = guest;
			continue;
		}
		forgot |= guest->count > 0 || guest->tally_count > 0;
		free_guest(guest);
	}
	stats->guest_count = kept;
	return forgot;
}

/* Looks at the guests that may have new descriptors. Returns 0; 1: rows are gone; or -ENOMEM. */
static int look(struct stats_source *stats)
{
	uint64_t now = clock_now_ns();
	bool looked = false, lost = false;
	size_t i;

	for (i = 0; i < stats->guest_count; i++) {
		struct stats_guest *guest = stats->guests[i];
		char name[32];
		int r;

		if (guest->is_ended || (!stats_guest_is_due(guest, stats->root, now) &&
					!stats_twins_are_due(guest, stats->reader.values)))
			continue;
		looked = true;
		r = stats_guest_look(guest, &stats->reader);
		if (r < 0)
			return r;
		stats_guest_find_threads(
			guest, stats->root, stats->vms.kvm_fd,
			running_vms_only(&stats->vms, guest->pid, name, sizeof(name)));
		r = stats_twins_settle(guest, stats->reader.include_past);
		stats_guest_sweep(guest);
		if (r < 0)
			return r;
		lost |= r > 0;
	}
	if (looked)
		stats_watch_wake(stats->watch);
	return lost;
}

/* A copy's tally among those of the same owner, or a new one there. */
static struct stats_tally *shared_tally(struct stats_tally ***list, size_t *count,
					const struct stats_layout *layout)
{
	struct stats_tally **grown;
	size_t i;

	for (i = 0; i < *count; i++) {
		if ((*list)[i]->layout == layout)
			return (*list)[i];
	}
	grown = reallocarray(*list, *count + 1, sizeof(struct stats_tally *));
	if (!grown)
		return NULL;
	*list = grown;
	grown[*count] = stats_tally_new(layout);
	return grown[*count] ? grown[(*count)++] : NULL;
}

static int find_tally(struct stats_guest *guest, struct stats_copy *copy, void *data)
{
	struct stats_source *stats = data;

	switch (stats->selection.by) {
	case BY_FIELD:
		copy->tally = shared_tally(&stats->tallies, &stats->tally_count, copy->layout);
		break;
	case BY_GUEST:
		copy->tally = shared_tally(&guest->tallies, &guest->tally_count, copy->layout);
		break;
	case BY_VCPU:
		copy->tally = stats_tally_new(copy->layout);
		copy->owns_tally = true;
		break;
	}
	return copy->tally ? 0 : -ENOMEM;
}

/* Brings everything up to date, values aside. Returns 1 when a guest or a vCPU is gone, 0, or -errno. */
static int update(struct stats_source *stats)
{
	bool ended;
	int r;

	if (!host_exists(stats->root, KVM_DEVICE))
		return -ENOENT;
	r = running_vms_update(&stats->vms, !stats->started);
	if (r < 0)
		return r;
	pthread_mutex_lock(&stats->lock);
	ended = forget_guests(stats);
	r = follow_guests(stats);
	if (r == 0)
		r = look(stats);
	pthread_mutex_unlock(&stats->lock);
	return r < 0 ? r : (r > 0 || ended);
}

static void stats_reset(struct source *source)
{
	struct stats_source *stats = self(source);
	size_t i, j;

	pthread_mutex_lock(&stats->lock);
	/* -i is about what was counted before kvm_stat started, and once only. */
	if (stats->started)
		stats->reader.include_past = false;
	for (i = 0; i < stats->tally_count; i++)
		memset(stats->tallies[i]->values, 0,
		       stats->tallies[i]->layout->value_count * sizeof(uint64_t));
	for (i = 0; i < stats->guest_count; i++) {
		struct stats_guest *guest = stats->guests[i];

		guest->is_old = true;
		for (j = 0; j < guest->tally_count; j++)
			memset(guest->tallies[j]->values, 0,
			       guest->tallies[j]->layout->value_count * sizeof(uint64_t));
		for (j = 0; j < guest->count; j++) {
			struct stats_copy *copy = &guest->copies[j];

			memset(copy->tally->values, 0,
			       copy->layout->value_count * sizeof(uint64_t));
			stats_copy_restart(copy);
		}
	}
	stats->started = false;
	pthread_mutex_unlock(&stats->lock);
}

/* As many descriptors as one may have: how many guests keep is not known before. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)!setrlimit(RLIMIT_NOFILE, &limit);
}

static int stats_select(struct source *source, const struct selection *selection,
			struct source_error *ret_error)
{
	struct stats_source *stats = self(source);
	char *only = selection->only ? strdup(selection->only) : NULL;
	int r;

	*ret_error = (struct source_error){.error = -ENOMEM, .step = SOURCE_STEP_READ};
	if (selection->only && !only)
		return -ENOMEM;
	if (selection->exits_only) {
		free(only);
		*ret_error = (struct source_error){.error = -EOPNOTSUPP, .step = SOURCE_STEP_CAN};
		return -EOPNOTSUPP;
	}
	pthread_mutex_lock(&stats->lock);
	free_guests(stats);
	free(stats->only);
	stats->only = only;
	stats->selection = *selection;
	stats->selection.only = only;
	if (stats->started)
		stats->reader.include_past = false;
	stats->started = false;
	pthread_mutex_unlock(&stats->lock);
	r = update(stats);
	/* Whoever may not look into others' processes finds no guest: that is no empty host. */
	if (r == 0 && stats->vms.list.count == 0 && !running_vms_are_all(&stats->vms))
		r = -EACCES;
	if (r < 0)
		*ret_error = (struct source_error){
			.error = r, .step = r == -ENOENT ? SOURCE_STEP_FIND : SOURCE_STEP_READ};
	return r < 0 ? r : 0;
}

/* Appends the rows of a tally; `row` says whose it is. States only where they could be read. */
static int add_rows(const struct stats_source *stats, const struct stats_tally *tally,
		    struct sample_row row, bool states, struct sample *sample)
{
	size_t i;

	for (i = 0; i < tally->layout->field_count; i++) {
		const struct stats_field *field = &tally->layout->fields[i];
		const uint64_t *values = &tally->values[field->first];
		int r;

		if (!selection_wants(&stats->selection, field->name) ||
		    (!(states && tally->has_states) && !field_counts_up(field->kind)))
			continue;
		row.name = field->name;
		row.kind = field->kind;
		row.unit = field->unit;
		/* Those of several vCPUs are added up. */
		if (row.unit == UNIT_BOOLEAN && stats->selection.by != BY_VCPU)
			row.unit = UNIT_NONE;
		if (field->kind == FIELD_HISTOGRAM) {
			struct distribution distribution;

			stats_field_distribution(field, values, &distribution);
			row.value = distribution.count;
			r = sample_add_distribution(sample, row, &distribution);
		} else {
			row.value = stats_field_value(field, *values);
			r = sample_add(sample, row);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * One that cannot be read for a while keeps the rows of what it has counted: without them all of that
 * would be taken for new when it can be read again.
 */
static int add_guest_rows(const struct stats_source *stats, const struct stats_guest *guest,
			  struct sample *sample)
{
	struct sample_row row = {.guest = guest->pid};
	bool states = guest->error == 0;
	size_t i;
	int r = 0;

	for (i = 0; i < guest->tally_count && r == 0; i++)
		r = add_rows(stats, guest->tallies[i], row, states, sample);
	for (i = 0; i < guest->count && stats->selection.by == BY_VCPU && r == 0; i++) {
		const struct stats_copy *copy = &guest->copies[i];

		if (copy->is_resting)
			continue;
		row.thread = (struct sample_thread){
			.tid = copy->tid, .is_vcpu = copy->id.is_vcpu, .vcpu = copy->id.vcpu};
		row.thread.has_cpu = copy->tid && guest_thread_cpu(stats->root, row.guest,
								   copy->tid, &row.thread.cpu) == 0;
		r = add_rows(stats, copy->tally, row, states, sample);
	}
	return r;
}

static void clear_states(struct stats_source *stats)
{
	size_t i, j;

	for (i = 0; i < stats->tally_count; i++)
		stats_tally_clear_states(stats->tallies[i]);
	for (i = 0; i < stats->guest_count; i++) {
		const struct stats_guest *guest = stats->guests[i];

		/* Not by the copies alone: the last one that a tally had may be gone. */
		for (j = 0; j < guest->tally_count; j++)
			stats_tally_clear_states(guest->tallies[j]);
		for (j = 0; j < guest->count; j++)
			stats_tally_clear_states(guest->copies[j].tally);
	}
}

/* Reads all guests. Returns whether every one could be read. */
static bool count(struct stats_source *stats)
{
	bool whole = true;
	size_t i;

	clear_states(stats);
	for (i = 0; i < stats->guest_count; i++) {
		struct stats_guest *guest = stats->guests[i];
		int r = guest->error ? guest->error : stats_guest_count(guest, &stats->reader);

		if (r < 0 && !guest->error) {
			/* Those that could be read have been: their states are not to be added twice. */
			guest->error = r;
			stats_guest_give_back(guest, NULL);
		}
		/* Who keeps no descriptors was never part of the sums. */
		whole &= r == 0 || r == -ENODATA;
	}
	return whole;
}

static int stats_read(struct source *source, struct sample *sample)
{
	struct stats_source *stats = self(source);
	int r = update(stats);
	size_t i;

	if (r < 0)
		return r;
	/* What ended was read to its end, but has no rows of its own any more. */
	sample->partial |= r && stats->selection.by != BY_FIELD;
	pthread_mutex_lock(&stats->lock);
	sample->partial |= !count(stats);
	stats->started = true;
	r = 0;
	for (i = 0; i < stats->tally_count && r == 0; i++)
		r = add_rows(stats, stats->tallies[i], (struct sample_row){0}, true, sample);
	for (i = 0; i < stats->guest_count && r == 0; i++)
		r = add_guest_rows(stats, stats->guests[i], sample);
	pthread_mutex_unlock(&stats->lock);
	return r;
}

static int stats_list(struct source *source, void (*take)(const char *name, void *data), void *data)
{
	struct stats_source *stats = self(source);
	size_t i, j;
	int r = stats->guest_count ? 0 : update(stats);

	for (i = 0; r >= 0 && i < stats->reader.layouts.count; i++) {
		const struct stats_layout *layout = stats->reader.layouts.list[i];

		for (j = 0; j < layout->field_count; j++)
			take(layout->fields[j].name, data);
	}
	return r < 0 ? r : 0;
}

static struct source_health stats_health(const struct source *source)
{
	struct stats_source *stats = self((struct source *)source);
	struct source_health health = {0};
	uint64_t now = clock_now_ns();
	size_t i;

	pthread_mutex_lock(&stats->lock);
	for (i = 0; i < stats->guest_count; i++) {
		const struct stats_guest *guest = stats->guests[i];

		/* A VM that has no vCPUs yet, or no more, is no guest to read. */
		if (guest->is_ended || (!guest->error && !guest->count))
			continue;
		/* One that is about to go is there a moment longer than its process. */
		if (guest->is_lost && now - guest->found_ns < LOST_AFTER)
			continue;
		health.fields++;
		if (!guest->error)
			continue;
		if (health.unreadable < array_size(health.guests))
			health.guests[health.unreadable] = guest->pid;
		health.unreadable++;
		if (!health.error || health.error == -ENODATA)
			health.error = guest->error;
	}
	pthread_mutex_unlock(&stats->lock);
	return health;
}

static const struct source_ops stats_ops = {
	.kind = SOURCE_STATS,
	.select = stats_select,
	.read = stats_read,
	.reset = stats_reset,
	.list = stats_list,
	.health = stats_health,
	.give_back = stats_give_back,
	.close = stats_close,
};

static int open_all(struct stats_source *stats, bool stops)
{
	static const struct stats_watch_ops watch_ops = {check, stop};

	stats->reader.values = malloc(STATS_BLOCK_MAX);
	if (!stats->reader.values)
		return -ENOMEM;
	if (!host_exists(stats->root, KVM_DEVICE))
		return -ENOENT;
	raise_descriptor_limit();
	running_vms_open(&stats->vms, stats->root);
	return stats_watch_start(&watch_ops, stats, stops, &stats->watch);
}

int source_stats_open(const struct host_root *root, bool include_past, bool stops,
		      struct source **ret_source, struct source_error *ret_error)
{
	struct stats_source *stats = calloc(1, sizeof(*stats));
	int r = -ENOMEM;

	if (stats) {
		stats->source.ops = &stats_ops;
		stats->root = root;
		stats->vms.kvm_fd = -1;
		stats->reader = (struct stats_reader){.root = root,
						      .include_past = include_past,
						      .data = stats,
						      .find_tally = find_tally,
						      .watch = watch};
		pthread_mutex_init(&stats->lock, NULL);
		/* What processes have open cannot be copied along with their files. */
		r = root->real ? open_all(stats, stops) : -EOPNOTSUPP;
		if (r == 0) {
			*ret_source = &stats->source;
			return 0;
		}
		stats_close(&stats->source);
	}
	*ret_error = (struct source_error){.error = r, .step = SOURCE_STEP_FIND};
	return r;
}
