/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows: of what name and of whom each is, that it is gone, and its value. How they are written and
 * read.
 */
#pragma once

#include "kvm_stat/recording_names.h"
#include "kvm_stat/sample.h"

#define RECORDING_NO_ROW UINT32_MAX

/* The numbers under which the file knows the parts of a row. */
struct written_row {
	uint32_t id, name, owner;
	uint32_t shape; /* 0: no distribution; RECORDING_NO_ROW: it was never told */
};

struct written_owner {
	pid_t guest;
	struct sample_thread thread;
};

/* What the file says of rows so far in this segment. */
struct written_rows {
	struct written_owner *owners;
	uint32_t owner_count, owner_room;
	uint32_t owners_told, last_owner;
	uint32_t next_id;
	struct sample before;     /* the sample written last; its names are borrowed */
	struct written_row *list; /* of the rows of `before` */
};

/*
 * Finds the numbers of all rows of `now`, in `list`, which has room for them; new rows have the id
 * RECORDING_NO_ROW yet. Writes which rows are gone. Returns 0; -E2BIG: there are too many names or
 * owners; or -ENOMEM.
 */
int recording_rows_number(struct written_rows *rows, struct written_names *names,
			  const struct sample *now, struct written_row *list,
			  FILE *stream) must_check;

/* Writes the owners and rows that are new, giving these their ids, and on what CPUs threads ran. */
void recording_rows_write(struct written_rows *rows, const struct sample *now,
			  struct written_row *list, FILE *stream);

/* Writes how the values have changed. */
void recording_rows_write_values(const struct written_rows *rows, const struct sample *now,
				 const struct written_row *list, FILE *stream);

/*
 * The row of the sample before that is the same as `row`, or NULL. For the rows of a sorted sample
 * one after another, the search goes on from *at, which is 0 for the first.
 */
const struct sample_row *recording_rows_find_before(const struct written_rows *rows,
						    const struct sample_row *row, size_t *at);

/* Lets a segment begin: all rows are new. */
void recording_rows_start_segment(struct written_rows *rows);

struct recorded_owner {
	pid_t guest;
	struct sample_thread thread;
};

struct recorded_row {
	struct recorded_name *name;
	uint32_t owner, shape; /* shape 0: no distribution */
	bool gone;
	uint64_t value;
	struct distribution *distribution;
};

/* The rows of a segment by their numbers, as the lines read so far tell. */
struct recorded_rows {
	struct recorded_owner *owners;
	size_t owner_count;
	struct recorded_row *list;
	size_t count;
};

/* Each takes what its line tells. Returns 0, -ENOMEM, or -EBADMSG with *ret_why. */
int recording_rows_take_owners(struct recorded_rows *rows, struct json_object *list,
			       const char **ret_why) must_check;
int recording_rows_take_cpus(struct recorded_rows *rows, struct json_object *list,
			     const char **ret_why) must_check;
int recording_rows_take(struct recorded_rows *rows, const struct recorded_names *names,
			struct json_object *list, const char **ret_why) must_check;
int recording_rows_take_gone(struct recorded_rows *rows, struct json_object *list,
			     const char **ret_why) must_check;
int recording_rows_take_values(struct recorded_rows *rows, struct json_object *list,
			       const char **ret_why) must_check;

/* Forgets all rows and owners; the memory of the lists is used again, or freed by the other one. */
void recording_rows_forget(struct recorded_rows *rows);
void recording_rows_done(struct recorded_rows *rows);
