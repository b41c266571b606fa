/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's binary statistics (KVM_GET_STATS_FD, Linux 5.14; Documentation/virt/kvm/api.rst): a
 * file of a header, an id, descriptors and values, for a VM or a virtual CPU. What there is, and
 * what it means, is said by the descriptors alone: no name is known here. Nothing here opens or
 * reads anything; what is parsed may be anybody's bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kvm_stat/distribution.h"
#include "kvm_stat/sample.h"

/* A file that is longer is none of the kernel's: theirs take some 4 KiB. */
#define STATS_BLOCK_MAX (64U << 10)

/* One statistic. Its values are `count` consecutive ones of the layout's, from `first` on. */
struct stats_field {
	const char *name; /* as text_is_field_name() */
	enum field_kind kind;
	enum field_unit unit;
	size_t first, count;       /* more than one: the buckets of a histogram */
	uint64_t multiply, divide; /* from the kernel's scale to that of `unit` */
	enum distribution_scale scale;
	uint64_t bucket_size; /* linear histograms only, in `unit` */
};

/* How the values of a file are laid out: the same for all VMs, or all vCPUs, of a kernel. */
struct stats_layout {
	struct stats_field *fields; /* ascending by `first` */
	size_t field_count;
	off_t data_offset;  /* in the file */
	size_t value_count; /* 64 bits each; no field need own all of them */
	/* The values that count up, as consecutive ones, and the fields whose values are states. */
	struct stats_range {
		size_t first, end;
	} * ranges;
	size_t range_count;
	const struct stats_field **states;
	size_t state_count;
	/* What it was made from, to know it again. */
	unsigned char *header, *descriptors;
	size_t descriptors_size;
};

/* Whose statistics a file has. */
struct stats_id {
	pid_t tid; /* the thread that created the VM or the vCPU */
	bool is_vcpu;
	unsigned int vcpu;
};

/*
 * Parses a whole file. Returns 0 with *ret_layout, to be freed by stats_layout_free(); -EBADMSG
 * for what contradicts itself or is no such file; or -ENOMEM. Statistics of a type that is not
 * known yet are left out.
 */
int stats_layout_parse(const void *block, size_t length,
		       struct stats_layout **ret_layout) must_check;

/* Frees a layout; NULL is fine. */
void stats_layout_free(struct stats_layout *layout);

/* Whether a whole file is laid out just so. */
bool stats_layout_matches(const struct stats_layout *layout, const void *block, size_t length);

/* Parses the id of a file whose layout is known. Returns 0 or -EBADMSG. */
int stats_layout_id(const struct stats_layout *layout, const void *block, size_t length,
		    struct stats_id *ret_id) must_check;

/* A value of the field in its unit; what is beyond 64 bits is UINT64_MAX. */
uint64_t stats_field_value(const struct stats_field *field, uint64_t value);

/* Makes a distribution of a histogram's `field->count` buckets. */
void stats_field_distribution(const struct stats_field *field, const uint64_t *buckets,
			      struct distribution *ret_distribution);
