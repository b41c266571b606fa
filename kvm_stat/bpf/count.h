/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kvm_stat and its program in the kernel have in common. Fixed-width types only; both sides
 * are compiled for the same byte order.
 */
#pragma once

#define COUNT_EVENTS_MAX 512 /* a power of two; x86 has about 90 tracepoints of KVM */
#define COUNT_FIELDS_MAX 2
#define COUNT_VALUES_MAX 256
#define COUNT_BUCKETS    40 /* see struct distribution; the last begins at 2^38 ns, 4.6 minutes */

/* Where both fields stand. What has 4 bytes at a known offset is read without a helper. */
enum count_layout {
	COUNT_ANY_LAYOUT,
	COUNT_WORDS_8_12, /* as in kvm_userspace_exit */
	COUNT_WORDS_8_24, /* as in kvm_exit of x86 */
};

/* What to do at one tracepoint. */
struct count_event {
	/* Fields of its record that its row depends on. A size of 0: none. */
	struct {
		unsigned short offset;
		unsigned short size; /* 1, 2, 4 or 8 */
	} fields[COUNT_FIELDS_MAX];
	unsigned char by_thread; /* a row for each thread and value of the fields */
	unsigned char starts;    /* the guest stops here: the clock starts */
	unsigned char ends;      /* the guest goes on here: the clock stops */
	/*
	 * Without `by_thread`: values of the first field below this one, the second being 0, have
	 * totals of their own, which is quicker; all others have rows. At most COUNT_VALUES_MAX.
	 */
	unsigned short values;
	unsigned short first; /* where these totals begin */
};

/* One row of counts. */
struct count_key {
	unsigned int tgid, tid; /* of the initial PID namespace */
	unsigned int event;
	unsigned int unused;
	/* The bytes of the fields, as they stand in the record, padded with zeros. */
	unsigned long long fields[COUNT_FIELDS_MAX];
};

/*
 * Rows that are found without a helper: each key leads to one slot. One that is another key's
 * already has its row in a hash table.
 */
#define COUNT_SLOT_BITS 12
#define COUNT_SLOTS     (1 << COUNT_SLOT_BITS)

enum count_slot_state {
	COUNT_SLOT_FREE,
	COUNT_SLOT_BUSY, /* the key is being written */
	COUNT_SLOT_TAKEN,
};

struct count_slot {
	unsigned int state;
	unsigned int unused;
	struct count_key key;
	unsigned long long count;
	unsigned long long fills_the_line[2];
};

/* Which slot a key leads to. Fields have their bytes at the end that they have in memory. */
static inline unsigned int count_slot_of(const struct count_key *key)
{
	unsigned long long fields = key->fields[0] ^ key->fields[1] * 31;
	unsigned int hash = key->tid + key->event * 0x61c88647U +
			    (unsigned int)(fields ^ fields >> 32) * 0x85ebca6bU;

	return hash * 0x9e3779b1U >> (32 - COUNT_SLOT_BITS);
}

/* Whether two keys are of the same row. */
static inline int count_key_is(const struct count_key *a, const struct count_key *b)
{
	return a->tid == b->tid && a->tgid == b->tgid && a->event == b->event &&
	       a->fields[0] == b->fields[0] && a->fields[1] == b->fields[1];
}

/* Since when the guest of a thread has been stopped, and what for. */
struct count_start {
	unsigned int owner; /* the thread, if this is in a slot of its own: tid % COUNT_SLOTS */
	unsigned int slot;  /* of the row, or COUNT_SLOTS: in the hash table */
	unsigned long long time; /* ns; 0: the guest runs */
	struct count_key key;
};

/* How long the guest was stopped, for each such row of an event that starts the clock. */
struct count_latency {
	unsigned long long count, sum, min, max;
	unsigned long long squares_low, squares_high; /* 128 bits */
	unsigned long long buckets[COUNT_BUCKETS];
};
