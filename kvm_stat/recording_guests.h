/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines that tell which guests came and ended: how they are written and read. */
#pragma once

#include "kvm_stat/guests.h"
#include "kvm_stat/json_put.h"
#include "kvm_stat/recording.h"

/*
 * Writes what is new in `now` against the guests `written` so far in this segment, which become those
 * of `now`. Returns 0 or -ENOMEM.
 */
int recording_guests_write(struct json *json, FILE *stream, struct guests *written,
			   const struct guests *now) must_check;

/* The guests that run, as the lines read so far tell. */
struct recorded_guests {
	struct guests guests;
	size_t room;
};

/* Takes guests that came. Returns 0, -ENOMEM, or -EBADMSG with *ret_why. */
int recording_guests_take(struct recorded_guests *recorded, struct json_object *list,
			  const char **ret_why) must_check;

/* Takes the processes of guests that ended. Returns as above. */
int recording_guests_take_ended(struct recorded_guests *recorded, struct json_object *list,
				const char **ret_why) must_check;

/* Empties a list of guests, of either side; its memory is used again or freed by guests_done(). */
void recording_guests_forget(struct guests *guests);
