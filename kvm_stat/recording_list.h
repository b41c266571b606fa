/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists in the lines of a recording, of numbers and of objects: how they are written and read. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "kvm_stat/json_put.h"
#include "kvm_stat/recording.h"

/* Numbers being written under `key`, in as many lines as their bounded length takes. */
struct recording_list {
	FILE *stream;
	const char *key;
	size_t count; /* in this line */
	int64_t last; /* the last id of this line */
};

/* Begins `count` numbers that belong together, and so into one line. */
void recording_list_begin(struct recording_list *list, size_t count);

void recording_list_put(struct recording_list *list, int64_t number);

/* Ids mostly ascend in small steps, which take less than they themselves. */
void recording_list_put_id(struct recording_list *list, int64_t id);

/* How much a number has grown, modulo 2^64: so each change fits into 64 bits with a sign. */
void recording_list_put_change(struct recording_list *list, uint64_t now, uint64_t before);

/* Ends the line, if one was begun. */
void recording_list_end(struct recording_list *list);

/* Numbers being read, one after another. Once one is not as expected, all are 0. */
struct recording_numbers {
	struct json_object *list; /* an array */
	size_t at, count;
	int64_t id; /* the last one, of which the next is told by its distance */
	bool failed;
};

/* Begins to read an array, which is borrowed. */
struct recording_numbers recording_list_read(struct json_object *list);

/* Whether there are numbers left, and none has failed. */
bool recording_list_has_more(const struct recording_numbers *numbers);

/* The next number, which is to be from `min` to `max`. */
int64_t recording_list_next(struct recording_numbers *numbers, int64_t min, int64_t max);

/* The next change, to be added modulo 2^64. */
uint64_t recording_list_next_change(struct recording_numbers *numbers);

/* The next id, below `count`; 0, which may be none, after a failure. */
size_t recording_list_next_id(struct recording_numbers *numbers, size_t count);

/* Puts {"key":[object]} on a line. The object is released. */
void recording_list_write_object(struct json *json, FILE *stream, const char *key,
				 struct json_object *object);

/*
 * Hands each object of an array to `take` until that returns anything but 0: which is returned, else
 * 0, or -EBADMSG with *ret_why for what is no object.
 */
int recording_list_take_objects(struct json_object *list,
				int (*take)(struct json_object *object, void *data,
					    const char **ret_why),
				void *data, const char **ret_why) must_check;

/*
 * Room for one more in an array of `count` items that grows by doubling, and by this function
 * only. Returns the array, which has moved, or NULL; then the old one stays.
 */
void *recording_list_grow(void *array, size_t count, size_t size) must_check;
