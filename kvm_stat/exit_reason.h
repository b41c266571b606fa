/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reasons into which an exit tracepoint is split: their names, the perf filter that counts
 * each, and how to tell the reason of a record that no filter knows.
 */
#pragma once

#include "kvm_stat/event_format.h"

/* Whose exit codes "exit_reason" holds on x86: the kernel writes it to each record as "isa". */
enum exit_isa { EXIT_ISA_UNKNOWN, EXIT_ISA_VMX = 1, EXIT_ISA_SVM = 2 };

struct exit_reason {
	char *name;   /* without blanks, in upstream's spelling where it has one */
	char *filter; /* for PERF_EVENT_IOC_SET_FILTER: records of this reason and no flag bits */
};

struct exit_reasons {
	struct exit_reason *list;
	size_t count;
	char *rest_filter;          /* what no reason's takes; NULL: too long for the kernel */
	struct exit_code_set *sets; /* private to exit_reason.c, as are the texts */
	size_t set_count;
	struct exit_text *texts;
	size_t text_count;
};

/* What a record turned out to be. */
struct exit_decoded {
	ssize_t reason;  /* index into list, or -1: only the number is known */
	uint64_t number; /* of the reason, without flag bits */
	uint64_t flags;  /* bits beside the reason, such as VMX' bit 31, failed entry */
};

/* Whether tracepoint `name` tells reasons of exits. */
bool exit_reasons_apply(const char *name);

/*
 * Works out the reasons of tracepoint `event`. On x86 `isa` leaves out the other vendor's codes.
 * `exit_format`, which may be NULL, is that of kvm_exit: SEV-ES' kvm_vmgexit_enter uses its codes.
 * Returns 0, -ENOENT when the event's reasons have no names, or -ENOMEM; *ret_reasons is freed
 * with exit_reasons_free().
 */
int exit_reasons_build(const char *event, const struct event_format *format, enum exit_isa isa,
		       const struct event_format *exit_format,
		       struct exit_reasons **ret_reasons) must_check;

/* Frees the reasons; NULL is fine. */
void exit_reasons_free(struct exit_reasons *reasons);

/*
 * Tells the reason of a record (from its common_type on) that rest_filter took. Returns 0 or
 * -EBADMSG.
 */
int exit_reasons_decode(const struct exit_reasons *reasons, const void *record, size_t size,
			struct exit_decoded *ret_decoded) must_check;

/* Tells the reason of any record of the event. Returns 0 or -EBADMSG. */
int exit_reasons_classify(const struct exit_reasons *reasons, const void *record, size_t size,
			  struct exit_decoded *ret_decoded) must_check;

/*
 * Lists the fields of a record that its reason depends on: `room` at most. The fields belong to
 * `reasons`. Returns how many there are, or -E2BIG.
 */
ssize_t exit_reasons_fields(const struct exit_reasons *reasons, struct event_field *ret_fields,
			    size_t room) must_check;

/* The name of one flag bit, or NULL where the kernel prints none. */
const char *exit_reasons_flag_name(const struct exit_reasons *reasons, uint64_t bit);
