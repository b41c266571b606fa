/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first line of a recording: how it is written and read. */
#pragma once

#include "kvm_stat/json_put.h"
#include "kvm_stat/recording.h"

/* Writes the head of a recording that begins now. */
void recording_head_write(struct json *json, FILE *stream, const struct recording_head *head);

/*
 * Takes the head from an object. Returns 0, -ENOMEM, or -EBADMSG, with *ret_why (to be freed) saying
 * why where there is more to say than that it is none. In each case *head is to be freed.
 */
int recording_head_take(struct recording_head *head, struct json_object *object,
			char **ret_why) must_check;

/* Frees the strings of a head that was taken. */
void recording_head_done(struct recording_head *head);
