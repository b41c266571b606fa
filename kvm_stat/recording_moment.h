/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two lines at the end of a sample, its time and its checksum: how they are written and read. */
#pragma once

#include "kvm_stat/json_put.h"
#include "kvm_stat/recording.h"

#define RECORDING_END_MAX 64 /* bytes of the line that ends a sample, with a zero */

/* Writes the line that tells when sample `number` was taken. */
void recording_moment_write(struct json *json, FILE *stream, uint64_t number,
			    const struct recording_moment *moment);

/*
 * Takes that line, which is to be of sample `number` and of a time after `last_ns`. Returns 0, or
 * -EBADMSG with *ret_why.
 */
int recording_moment_take(struct recording_moment *moment, struct json_object *object,
			  uint64_t number, uint64_t last_ns, const char **ret_why) must_check;

/* Prints the line that ends sample `number`, whose lines have this checksum. Returns its length. */
size_t recording_moment_print_end(char end[RECORDING_END_MAX], uint64_t number, uint32_t crc);

/* Whether that line ends sample `number`, all of whose lines have this checksum. */
bool recording_moment_is_end(struct json_object *object, uint64_t number, uint32_t crc);
