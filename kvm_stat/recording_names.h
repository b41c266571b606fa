/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names that rows have, and the numbers under which a segment knows them: how they are written
 * and read.
 */
#pragma once

#include "kvm_stat/json_put.h"
#include "kvm_stat/recording.h"

/*
 * A name that rows have had. `threads`: rows of it are of threads, so that those of guests have what
 * threads that are gone had counted; else of guests or of all.
 */
struct written_name {
	const char *name, *parent;
	bool is_flag, threads;
	enum field_kind kind;
	enum field_unit unit;
};

/* Names by their numbers, which stay for all segments. */
struct written_names {
	struct written_name *list;
	uint32_t count;
	uint32_t told; /* in this segment */
};

/*
 * The number of the name of a row, in *ret_number. `hint` is where to look first: the number of the
 * row before. Its strings are borrowed. Returns 0; -E2BIG: there are too many; or -ENOMEM.
 */
int recording_names_find(struct written_names *names, const struct sample_row *row, uint32_t hint,
			 uint32_t *ret_number) must_check;

/* Writes the names that were not told yet in this segment. */
void recording_names_write(struct json *json, FILE *stream, struct written_names *names);

/* A name that was read; it stays until all are freed. */
struct recorded_name {
	char *name, *parent; /* as in struct sample_row */
	bool is_flag;
	enum field_kind kind;
	enum field_unit unit;
	bool timed;   /* some row of it has had a distribution of times */
	bool threads; /* some row of it has been of a thread: as in struct written_name */
	size_t index; /* in the order in which they were read */
};

struct recorded_names {
	struct recorded_name **all; /* that were read in any segment, by index */
	size_t count;
	void *tree;                 /* of the same, to find them */
	struct recorded_name **ids; /* by their numbers in this segment */
	size_t id_count;
};

/* Takes names of this segment. Returns 0, -ENOMEM, or -EBADMSG with *ret_why. */
int recording_names_take(struct recorded_names *names, struct json_object *list,
			 const char **ret_why) must_check;

/* Frees all that was read. */
void recording_names_done(struct recorded_names *names);
