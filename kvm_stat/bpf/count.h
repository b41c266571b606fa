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

/* How long the guest was stopped, for each such row of an event that starts the clock. */
struct count_latency {
	unsigned long long count, sum, min, max;
	unsigned long long squares_low, squares_high; /* 128 bits */
	unsigned long long buckets[COUNT_BUCKETS];
};
