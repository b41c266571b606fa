/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where numbers come from. A source reads the kernel and fills samples; it knows no output and
 * prints nothing.
 */
#pragma once

#include <string.h>

#include "host/root.h"
#include "kvm_stat/field_filter.h"
#include "kvm_stat/sample.h"

/* Bits, so that a set of them is what the user asked for. */
enum source_kind {
	SOURCE_DEBUGFS = 1 << 0,
	SOURCE_TRACEPOINTS = 1 << 1,
	SOURCE_STATS = 1 << 2,
	SOURCE_REPLAY = 1 << 3, /* a recording: nobody asks for it by that name */
};

/* What shall be counted. */
struct selection {
	const struct field_filter *filter; /* NULL: every field */
	pid_t pid;                         /* 0: all guests; else the process of one */
	pid_t tid;                         /* not 0: only this thread of it */
	bool children;                     /* also the exit reasons below their tracepoints */
	enum selection_by {
		BY_FIELD, /* one row for each field */
		BY_GUEST, /* one for each field and guest */
		BY_VCPU,  /* one for each field and thread of a guest */
	} by;
	const char *only; /* not NULL: only the field of exactly this name, reasons included */
	bool latency;     /* also how long exits take, where the source can tell */
	bool exits_only;  /* only exits of guests, by reason */
	/*
	 * Via BPF, so that nothing is missing in the sum of all rows: who has ended has rows once more,
	 * with its last numbers, and what no guest has made has rows of guest 0.
	 */
	bool last_words;
	bool fixed_rows; /* reasons without a name count as "(other)" instead of by number */
	/*
	 * debugfs: read each guest's own files, so that the end of a guest costs only that guest's
	 * last moments. Otherwise the kernel's sums are read, which is a hundred times cheaper with
	 * many guests, and an interval in which a guest ends is marked partial.
	 */
	bool each_guest;
};

/* Why a source cannot be used: the errno, and the step that had it. */
struct source_error {
	int error; /* negative errno */
	enum source_step {
		SOURCE_STEP_CAN,       /* nothing: this source has no such rows */
		SOURCE_STEP_FIND,      /* the file system or its directory */
		SOURCE_STEP_READ,      /* the files in it */
		SOURCE_STEP_COUNT,     /* perf_event_open(2) and its ioctls */
		SOURCE_STEP_LIMIT,     /* RLIMIT_NOFILE: `wanted` descriptors */
		SOURCE_STEP_PROGRAM,   /* the BPF program; -ENOSYS: this build has none */
		SOURCE_STEP_NAMESPACE, /* the BPF program tells processes by the host's numbers */
	} step;
	size_t wanted;
};

/* How much of what was selected a source can read. */
struct source_health {
	size_t fields;     /* that exist; SOURCE_STATS: guests that run */
	size_t unreadable; /* of them; they have no row, guests those of what they had counted */
	int error;         /* negative errno of the first unreadable one, or 0 */
	uint64_t lost;     /* events, since the selection, that are missing in some row */
	uint64_t missed;   /* events, likewise, of any guest, that were not counted at all */
	/* SOURCE_STATS: the first of the unreadable guests; -ENODATA: they keep no descriptors. */
	pid_t guests[8];
};

/* Those of 10 000 vCPUs with 25 reasons each. */
#define SOURCE_BPF_ROWS (256U * 1024)

/* Whether fields of this name are asked for, whatever stands above or below them. */
static inline bool selection_wants(const struct selection *selection, const char *name)
{
	return selection->only ? strcmp(selection->only, name) == 0
			       : field_filter_match(selection->filter, name);
}

/* What a field brings along; bits. */
enum selection_part { SELECTED_ROW = 1 << 0, SELECTED_PARENT = 1 << 1 };

/* As selection_wants(), of a field with this parent (or NULL): a set of enum selection_part. */
unsigned int selection_parts(const struct selection *selection, const char *name,
			     const char *parent);

struct source;

struct source_ops {
	enum source_kind kind;
	int (*select)(struct source *source, const struct selection *selection,
		      struct source_error *ret_error);
	int (*read)(struct source *source, struct sample *sample);
	void (*reset)(struct source *source);
	int (*list)(struct source *source, void (*take)(const char *name, void *data), void *data);
	struct source_health (*health)(const struct source *source);
	void (*give_back)(struct source *source); /* NULL: there is nothing to */
	void (*close)(struct source *source);
};

/* What every source begins with. */
struct source {
	const struct source_ops *ops;
};

/*
 * Opens KVM's debugfs directory. `include_past` (-i): the guests that run now start with what they
 * counted so far instead of 0. Nothing is counted before source_select(). Returns 0 or negative
 * with *ret_error set.
 */
int source_debugfs_open(const struct host_root *root, bool include_past, struct source **ret_source,
			struct source_error *ret_error) must_check;

/* Opens the kernel's tracepoints of KVM, counted by perf. Returns as source_debugfs_open(). */
int source_tracepoint_open(const struct host_root *root, struct source **ret_source,
			   struct source_error *ret_error) must_check;

/*
 * As source_tracepoint_open(), counted by a program in the kernel (BPF), which costs the guests
 * less and can tell guests, vCPUs and latencies. Whether the kernel takes the program is known
 * when something is selected. It counts in `rows` rows of (thread, event, reason) at most, usually
 * SOURCE_BPF_ROWS; what finds no room is counted as the reason "other", and as lost.
 */
int source_bpf_open(const struct host_root *root, unsigned int rows, struct source **ret_source,
		    struct source_error *ret_error) must_check;

/*
 * Opens the binary statistics of the guests whose VMMs keep descriptors of them (QEMU since 8.1),
 * of which this takes copies. A thread closes these when their guest ends. `stops`: it closes them
 * before SIGTSTP stops the program too. Returns as source_debugfs_open().
 */
int source_stats_open(const struct host_root *root, bool include_past, bool stops,
		      struct source **ret_source, struct source_error *ret_error) must_check;

/*
 * Counts `selection` from now on, from 0. Row names of earlier samples end here. `selection` is
 * not kept, but its filter must live until the next call. Returns 0 or negative with *ret_error.
 */
static inline int source_select(struct source *source, const struct selection *selection,
				struct source_error *ret_error)
{
	return source->ops->select(source, selection, ret_error);
}

/*
 * Appends the current totals to `sample`. Guests, threads and CPUs that came are followed. Returns
 * 0, or -errno when the source as a whole has failed (-ENOENT, -ENODEV: kvm was unloaded; -ENODATA:
 * the recording is at its end).
 */
static inline int source_read(struct source *source, struct sample *sample)
{
	return source->ops->read(source, sample);
}

/* Starts all totals from 0 again. */
static inline void source_reset(struct source *source)
{
	source->ops->reset(source);
}

/*
 * Hands the name of every field that exists to `take`, exit reasons left out; needs no selection.
 * Returns 0 or -errno.
 */
static inline int source_list(struct source *source, void (*take)(const char *name, void *data),
			      void *data)
{
	return source->ops->list(source, take, data);
}

/* How well the current selection can be read. */
static inline struct source_health source_health(const struct source *source)
{
	return source->ops->health(source);
}

/* Closes what would hold up guests while the program is stopped; the next sample opens it again. */
static inline void source_give_back(struct source *source)
{
	if (source->ops->give_back)
		source->ops->give_back(source);
}

/* Releases everything; NULL is fine. */
static inline void source_close(struct source *source)
{
	if (source)
		source->ops->close(source);
}

/* The name of one kind, as --source takes it: "debugfs", "tracepoints", "stats". */
const char *source_name(enum source_kind kind);
