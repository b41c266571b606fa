/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's debugfs statistics: one file for each counter, in /sys/kernel/debug/kvm as the sum of all
 * VMs and in its directories TID-FD for each VM. A stat file pins its VM while it is open and
 * cannot be rewound, so every sample opens, reads and closes; nothing stays open between samples.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "host/mounts.h"
#include "host/text.h"
#include "host/vm.h"
#include "kvm_stat/source.h"

struct stat_field {
	char *name;
	const char *parent; /* s390: instruction_* are part of exit_instruction */
	enum field_kind kind;
	bool selected;
	int error;   /* negative errno: cannot be read, has no row */
	bool missed; /* in this sample: a failure that will pass */
	uint64_t total;
	uint64_t last_sum; /* what the kernel's sum was last, or NOT_READ */
};

/* No counter reaches it: that would take centuries of events. */
#define NOT_READ UINT64_MAX

/* What one VM's files said last. */
struct vm_state {
	struct vm vm;
	uint64_t *last;  /* by field; NOT_READ: what it has when it is read first is its past */
	uint64_t *total; /* by field */
};

struct debugfs_source {
	struct source source;
	const struct host_root *root;
	int kvm_fd;
	bool include_past;
	bool started; /* the first sample after select or reset was taken */
	struct stat_field *fields;
	size_t field_count;
	struct vm_state *states; /* in the order of vms */
	struct vm_list vms;
	pid_t pid;
	bool by_guest, each_guest;
};

static struct debugfs_source *self(struct source *source)
{
	return (struct debugfs_source *)source;
}

static void free_states(struct vm_state *states, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(states[i].last);
	free(states);
}

static void debugfs_close(struct source *source)
{
	struct debugfs_source *debugfs = self(source);
	size_t i;

	free_states(debugfs->states, debugfs->vms.count);
	vm_list_done(&debugfs->vms);
	for (i = 0; i < debugfs->field_count; i++)
		free(debugfs->fields[i].name);
	free(debugfs->fields);
	if (debugfs->kvm_fd >= 0)
		close(debugfs->kvm_fd);
	free(debugfs);
}

/*
 * The kernel creates the files of instantaneous values without write permission; writing 0 to one
 * of the others clears it. Peaks (max_mmu_*) can be cleared too and are told by their names.
 */
static enum field_kind kind_of(const char *name, mode_t mode)
{
	if (!(mode & (S_IWUSR | S_IWGRP | S_IWOTH)) || strncmp(name, "max_", 4) == 0)
		return FIELD_GAUGE;
	return text_ends_with(name, "_ns") ? FIELD_TIME : FIELD_EVENTS;
}

static int add_field(struct debugfs_source *debugfs, const char *name, mode_t mode)
{
	struct stat_field *grown = reallocarray(debugfs->fields, debugfs->field_count + 1,
						sizeof(*grown));
	char *copy = strdup(name);

	if (grown)
		debugfs->fields = grown;
	if (!grown || !copy) {
		free(copy);
		return -ENOMEM;
	}
	grown[debugfs->field_count++] = (struct stat_field){.name = copy,
							    .kind = kind_of(name, mode)};
	return 0;
}

static int compare_fields(const void *a, const void *b)
{
	const struct stat_field *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static struct stat_field *find_field(struct debugfs_source *debugfs, const char *name)
{
	struct stat_field key = {.name = (char *)name};

	return bsearch(&key, debugfs->fields, debugfs->field_count, sizeof(key), compare_fields);
}

static int list_fields(struct debugfs_source *debugfs)
{
	cleanup_closedir DIR *dir = NULL;
	const struct stat_field *exits;
	struct dirent *entry;
	size_t i;
	int r = host_opendir_at(debugfs->kvm_fd, ".", &dir);

	if (r < 0)
		return r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		struct stat st;

		if (!text_is_field_name(entry->d_name) ||
		    fstatat(debugfs->kvm_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		/* The file of a histogram shows its first bucket only: no number worth a row. */
		if (text_ends_with(entry->d_name, "_hist"))
			continue;
		r = add_field(debugfs, entry->d_name, st.st_mode);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (debugfs->field_count == 0)
		return -ENOENT;
	qsort(debugfs->fields, debugfs->field_count, sizeof(*debugfs->fields), compare_fields);
	exits = find_field(debugfs, "exit_instruction");
	for (i = 0; exits && i < debugfs->field_count; i++) {
		if (strncmp(debugfs->fields[i].name, "instruction_", 12) == 0)
			debugfs->fields[i].parent = exits->name;
	}
	return 0;
}

/* Selects fields; a child that is wanted brings its parent along. */
static void select_fields(struct debugfs_source *debugfs, const struct selection *selection)
{
	size_t i;

	for (i = 0; i < debugfs->field_count; i++)
		debugfs->fields[i].selected = false;
	for (i = 0; i < debugfs->field_count; i++) {
		struct stat_field *field = &debugfs->fields[i];
		unsigned int parts = selection_parts(selection, field->name, field->parent);

		field->selected |= (parts & SELECTED_ROW) != 0;
		if (parts & SELECTED_PARENT)
			find_field(debugfs, field->parent)->selected = true;
	}
}

/* Whether a failure will not pass by itself: then the field has no row any more. */
static bool is_lasting(int error)
{
	return error == -EPERM || error == -EACCES || error == -EBADMSG || error == -ENOENT;
}

/*
 * Reads the kernel's sum. Returns 0, or -errno; field->error is set when the failure will last.
 */
static int read_sum(struct debugfs_source *debugfs, struct stat_field *field, uint64_t *ret_value)
{
	int r = host_read_u64_at(debugfs->kvm_fd, field->name, ret_value);

	if (r < 0 && is_lasting(r))
		field->error = r;
	return r;
}

/*
 * Finds out what can be read at all, so that an unreadable counter is known before there is a VM:
 * under lockdown the kernel refuses by the file's mode, which is the same in every directory.
 */
static void probe_fields(struct debugfs_source *debugfs)
{
	size_t i;

	for (i = 0; i < debugfs->field_count; i++) {
		uint64_t ignored;

		debugfs->fields[i].error = 0;
		if (debugfs->fields[i].selected)
			(void)!read_sum(debugfs, &debugfs->fields[i], &ignored);
	}
}

static void debugfs_reset(struct source *source)
{
	struct debugfs_source *debugfs = self(source);
	size_t i;

	/* -i is about what was counted before kvm_stat started, and once only. */
	if (debugfs->started)
		debugfs->include_past = false;
	for (i = 0; i < debugfs->field_count; i++) {
		debugfs->fields[i].total = 0;
		debugfs->fields[i].last_sum = NOT_READ;
	}
	free_states(debugfs->states, debugfs->vms.count);
	debugfs->states = NULL;
	debugfs->vms.count = 0;
	debugfs->started = false;
}

static int debugfs_select(struct source *source, const struct selection *selection,
			  struct source_error *ret_error)
{
	struct debugfs_source *debugfs = self(source);
	struct stat st;

	/* debugfs has no counters of single vCPUs, and no times. */
	if (selection->by == BY_VCPU || selection->tid || selection->exits_only) {
		*ret_error = (struct source_error){.error = -EOPNOTSUPP, .step = SOURCE_STEP_CAN};
		return -EOPNOTSUPP;
	}
	if (fstat(debugfs->kvm_fd, &st) < 0 || st.st_nlink == 0) {
		*ret_error = (struct source_error){.error = -ENOENT, .step = SOURCE_STEP_FIND};
		return -ENOENT;
	}
	debugfs->pid = selection->pid;
	debugfs->by_guest = selection->by == BY_GUEST;
	debugfs->each_guest = selection->each_guest || selection->pid || debugfs->by_guest;
	select_fields(debugfs, selection);
	probe_fields(debugfs);
	debugfs_reset(source);
	return 0;
}

/* How much a VM's file adds to its field's total. */
static uint64_t count_up(const struct debugfs_source *debugfs, enum field_kind kind, uint64_t *last,
			 uint64_t value)
{
	uint64_t before = *last;

	*last = value;
	if (kind == FIELD_GAUGE)
		return value; /* debugfs_read() starts gauges from 0 in every sample */
	if (before == NOT_READ)
		return debugfs->include_past ? value : 0;
	/* Less than before: somebody cleared the file by writing to it. */
	return value >= before ? value - before : value;
}

/*
 * Reads one VM. One that was there when counting began starts with its present values; one that
 * was born since counts from its birth. Returns false when something of it could not be read for
 * the moment, as when it ended meanwhile.
 */
static bool read_vm(struct debugfs_source *debugfs, struct vm_state *state)
{
	char name[32];
	cleanup_close int dir = -1;
	bool found = false, tried = false, failed = false;
	size_t i;

	snprintf(name, sizeof(name), "%d-%d", (int)state->vm.tid, state->vm.fd);
	dir = openat(debugfs->kvm_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return false;
	for (i = 0; i < debugfs->field_count; i++) {
		struct stat_field *field = &debugfs->fields[i];
		uint64_t value, counted;
		int r;

		if (!field->selected || field->error)
			continue;
		tried = true;
		r = host_read_u64_at(dir, field->name, &value);
		/* Not every VM need have every file; one that ends has none any more. */
		if (r < 0 && r != -ENOENT && is_lasting(r))
			field->error = r;
		if (r < 0) {
			field->missed |= r != -ENOENT && r != -ENODEV;
			failed |= field->missed && !field->error;
			continue;
		}
		counted = count_up(debugfs, field->kind, &state->last[i], value);
		if (field->kind == FIELD_GAUGE)
			state->total[i] = 0;
		state->total[i] += counted;
		field->total += counted;
		found = true;
	}
	return !failed && (found || !tried);
}

static int compare_identity(const struct vm *a, const struct vm *b)
{
	if (a->tid != b->tid)
		return a->tid < b->tid ? -1 : 1;
	if (a->fd != b->fd)
		return a->fd < b->fd ? -1 : 1;
	return (a->inode > b->inode) - (a->inode < b->inode);
}

static pid_t guest_of(const struct vm *vm)
{
	return vm->pid > 0 ? vm->pid : vm->tid;
}

/*
 * Carries over what is known of a VM that stays. When its process is found only now, the rows so far
 * had the number of its thread: those of the process begin anew, or all would be there twice.
 */
static void carry_state(const struct debugfs_source *debugfs, const struct vm *now,
			struct vm_state *old, struct vm_state *state)
{
	size_t i;

	*state = *old;
	old->last = NULL;
	for (i = 0; state->last && guest_of(&old->vm) != guest_of(now) && i < debugfs->field_count;
	     i++)
		state->total[i] = 0;
}

static bool is_selected(const struct debugfs_source *debugfs, const struct vm *vm)
{
	return !debugfs->pid || guest_of(vm) == debugfs->pid;
}

/*
 * Moves what is known of VMs that stay into `states`. Returns how many VMs ended of those that are
 * selected.
 */
static int carry_over(struct debugfs_source *debugfs, const struct vm_list *now,
		      struct vm_state *states)
{
	size_t i, old = 0;
	int ended = 0;

	for (i = 0; i < now->count; i++) {
		int r = -1;

		while (old < debugfs->vms.count &&
		       (r = compare_identity(&debugfs->states[old].vm, &now->vms[i])) < 0) {
			ended += is_selected(debugfs, &debugfs->states[old].vm);
			old++;
		}
		if (old < debugfs->vms.count && r == 0)
			carry_state(debugfs, &now->vms[i], &debugfs->states[old++], &states[i]);
		states[i].vm = now->vms[i];
	}
	for (; old < debugfs->vms.count; old++)
		ended += is_selected(debugfs, &debugfs->states[old].vm);
	return ended;
}

/*
 * Gives every VM that is new room for its values, when VMs are read one by one. Those that were
 * there when counting began have a past; the others were born since and count from 0.
 */
static int make_room(const struct debugfs_source *debugfs, struct vm_state *states, size_t count)
{
	size_t i, j;

	for (i = 0; debugfs->each_guest && i < count; i++) {
		if (states[i].last)
			continue;
		states[i].last = calloc(debugfs->field_count * 2 + 1, sizeof(uint64_t));
		if (!states[i].last)
			return -ENOMEM;
		states[i].total = states[i].last + debugfs->field_count;
		for (j = 0; j < debugfs->field_count && !debugfs->started; j++)
			states[i].last[j] = NOT_READ;
	}
	return 0;
}

/*
 * A process may have several VMs, and its rows are their sums: what one that ended has counted stays
 * with another. `old` are those of the last time, without values where they were carried over.
 */
static void leave_totals(const struct debugfs_source *debugfs, const struct vm_state *old,
			 struct vm_state *states, size_t count)
{
	size_t i, j;

	for (i = 0; i < count && guest_of(&states[i].vm) != guest_of(&old->vm);)
		i++;
	if (i == count || !old->last || !states[i].last)
		return;
	for (j = 0; j < debugfs->field_count; j++) {
		if (debugfs->fields[j].kind != FIELD_GAUGE)
			states[i].total[j] += old->total[j];
	}
}

/*
 * Brings the list of VMs up to date and carries over what is known of those that stay. Returns
 * how many of those that are selected ended since the last time, or -errno.
 */
static int update_vms(struct debugfs_source *debugfs)
{
	struct vm_list now = {0};
	struct vm_state *states;
	size_t i;
	int ended;
	int r = vm_list_read_debugfs(debugfs->root, debugfs->kvm_fd, &debugfs->vms, &now);

	if (r < 0)
		return r;
	states = calloc(now.count ? now.count : 1, sizeof(*states));
	if (!states) {
		vm_list_done(&now);
		return -ENOMEM;
	}
	ended = carry_over(debugfs, &now, states);
	r = make_room(debugfs, states, now.count);
	for (i = 0; r == 0 && ended && i < debugfs->vms.count; i++)
		leave_totals(debugfs, &debugfs->states[i], states, now.count);
	free_states(debugfs->states, debugfs->vms.count);
	vm_list_done(&debugfs->vms);
	debugfs->states = states;
	debugfs->vms = now;
	return r < 0 ? r : ended;
}

/* A state that could not be read now is not 0 and not what it was. */
static bool has_row(const struct stat_field *field)
{
	return field->selected && !field->error && !(field->kind == FIELD_GAUGE && field->missed);
}

static int add_guest_row(struct sample *sample, const struct debugfs_source *debugfs,
			 const struct vm_state *state)
{
	size_t i;

	for (i = 0; i < debugfs->field_count; i++) {
		const struct stat_field *field = &debugfs->fields[i];
		int r;

		if (!has_row(field))
			continue;
		r = sample_add(sample, (struct sample_row){.name = field->name,
							   .parent = field->parent,
							   .kind = field->kind,
							   .guest = guest_of(&state->vm),
							   .value = state->total[i]});
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_each_guest(struct debugfs_source *debugfs, struct sample *sample)
{
	size_t i;
	int ended = update_vms(debugfs);

	if (ended < 0)
		return ended;
	sample->partial |= ended > 0;
	for (i = 0; i < debugfs->vms.count; i++) {
		struct vm_state *state = &debugfs->states[i];
		int r;

		if (!is_selected(debugfs, &state->vm))
			continue;
		/* A row that came back after a failure would bring its whole total as new. */
		sample->partial |= !read_vm(debugfs, state);
		r = debugfs->by_guest ? add_guest_row(sample, debugfs, state) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * The kernel's own sums lose all that a VM ever counted when it ends. What the others did in that
 * interval cannot be told apart, so their share is shown as far as it is certain.
 */
static int read_sums(struct debugfs_source *debugfs, struct sample *sample)
{
	size_t i;
	int ended;

	for (i = 0; i < debugfs->field_count; i++) {
		struct stat_field *field = &debugfs->fields[i];
		uint64_t value;

		if (!field->selected || field->error)
			continue;
		if (read_sum(debugfs, field, &value) < 0) {
			field->missed = true;
			sample->partial |= !field->error;
			continue;
		}
		if (field->kind == FIELD_GAUGE)
			field->total = value;
		else if (field->last_sum == NOT_READ)
			field->total = debugfs->include_past ? value : 0;
		else if (value >= field->last_sum)
			field->total += value - field->last_sum;
		else
			sample->partial = true;
		field->last_sum = value;
	}
	/* After the sums: a VM that ends between both is then seen to have ended. */
	ended = update_vms(debugfs);
	sample->partial |= ended > 0;
	return ended < 0 ? ended : 0;
}

/* The directory is gone: every field fails with ENOENT because the module was unloaded. */
static bool kvm_is_gone(const struct debugfs_source *debugfs)
{
	struct stat st;

	return fstat(debugfs->kvm_fd, &st) < 0 || st.st_nlink == 0;
}

static int debugfs_read(struct source *source, struct sample *sample)
{
	struct debugfs_source *debugfs = self(source);
	size_t i;
	int r;

	if (kvm_is_gone(debugfs))
		return -ENOENT;
	for (i = 0; i < debugfs->field_count; i++) {
		debugfs->fields[i].missed = false;
		if (debugfs->fields[i].kind == FIELD_GAUGE)
			debugfs->fields[i].total = 0;
	}
	r = debugfs->each_guest ? read_each_guest(debugfs, sample) : read_sums(debugfs, sample);
	if (r < 0)
		return r;
	debugfs->started = true;
	for (i = 0; i < debugfs->field_count && !debugfs->by_guest; i++) {
		const struct stat_field *field = &debugfs->fields[i];

		if (!has_row(field))
			continue;
		r = sample_add(sample, (struct sample_row){.name = field->name,
							   .parent = field->parent,
							   .kind = field->kind,
							   .value = field->total});
		if (r < 0)
			return r;
	}
	return 0;
}

static int debugfs_list(struct source *source, void (*take)(const char *name, void *data),
			void *data)
{
	const struct debugfs_source *debugfs = self(source);
	size_t i;

	for (i = 0; i < debugfs->field_count; i++)
		take(debugfs->fields[i].name, data);
	return 0;
}

static struct source_health debugfs_health(const struct source *source)
{
	const struct debugfs_source *debugfs = (const struct debugfs_source *)source;
	struct source_health health = {0};
	size_t i;

	for (i = 0; i < debugfs->field_count; i++) {
		const struct stat_field *field = &debugfs->fields[i];

		health.fields += field->selected;
		if (!field->selected || !field->error)
			continue;
		health.unreadable++;
		if (!health.error)
			health.error = field->error;
	}
	return health;
}

static const struct source_ops debugfs_ops = {
	.kind = SOURCE_DEBUGFS,
	.select = debugfs_select,
	.read = debugfs_read,
	.reset = debugfs_reset,
	.list = debugfs_list,
	.health = debugfs_health,
	.close = debugfs_close,
};

int source_debugfs_open(const struct host_root *root, bool include_past, struct source **ret_source,
			struct source_error *ret_error)
{
	struct debugfs_source *debugfs = calloc(1, sizeof(*debugfs));
	int r = -ENOMEM;

	*ret_error = (struct source_error){.error = -ENOMEM};
	if (!debugfs)
		return -ENOMEM;
	debugfs->source.ops = &debugfs_ops;
	debugfs->root = root;
	debugfs->include_past = include_past;
	debugfs->kvm_fd = mounts_open_debugfs(root, "kvm", NULL);
	if (debugfs->kvm_fd < 0) {
		*ret_error = (struct source_error){debugfs->kvm_fd, SOURCE_STEP_FIND, 0};
	} else {
		r = list_fields(debugfs);
		if (r == 0) {
			*ret_source = &debugfs->source;
			return 0;
		}
		*ret_error = (struct source_error){r, SOURCE_STEP_READ, 0};
	}
	debugfs_close(&debugfs->source);
	return ret_error->error;
}
