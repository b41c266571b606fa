/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_guests.h"

#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "kvm_stat/json_get.h"
#include "kvm_stat/recording_list.h"

static void free_guest(struct guest *guest)
{
	free(guest->name);
	free(guest->raw_name);
}

void recording_guests_forget(struct guests *guests)
{
	while (guests->count)
		free_guest(&guests->list[--guests->count]);
}

/* Writing */

static bool is_same_guest(const struct guest *a, const struct guest *b)
{
	return b && a->pid == b->pid && strcmp(a->raw_name, b->raw_name) == 0;
}

/* A copy whose name is no longer than a line can take. */
static int copy_guest(const struct guest *guest, struct guest *ret_copy)
{
	struct guest copy = {.pid = guest->pid,
			     .raw_name = strndup(guest->raw_name, RECORDING_TEXT_MAX)};

	copy.name = copy.raw_name ? text_clean(copy.raw_name) : NULL;
	if (!copy.name) {
		free(copy.raw_name);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

static void write_ended(FILE *stream, const struct guests *written, const struct guests *now)
{
	struct recording_list ended = {.stream = stream, .key = RECORDING_ENDED};
	size_t i;

	for (i = 0; i < written->count; i++) {
		if (guests_find_pid(now, written->list[i].pid))
			continue;
		recording_list_begin(&ended, 1);
		recording_list_put(&ended, written->list[i].pid);
	}
	recording_list_end(&ended);
}

static void write_guest(struct json *json, FILE *stream, const struct guest *guest)
{
	struct json_object *object = json_object_new_object();

	json_put_int(json, object, "pid", guest->pid);
	json_put_guest_name(json, object, guest);
	recording_list_write_object(json, stream, RECORDING_GUESTS, object);
}

int recording_guests_write(struct json *json, FILE *stream, struct guests *written,
			   const struct guests *now)
{
	struct guests copies = {.list = calloc(now->count + 1, sizeof(*copies.list))};
	size_t i;
	int r = 0;

	if (!copies.list)
		return -ENOMEM;
	write_ended(stream, written, now);
	for (i = 0; i < now->count && i < RECORDING_GUESTS_MAX && r == 0; i++) {
		struct guest *copy = &copies.list[i];

		r = copy_guest(&now->list[i], copy);
		if (r < 0)
			break;
		copies.count++;
		if (!is_same_guest(copy, guests_find_pid(written, copy->pid)))
			write_guest(json, stream, copy);
	}
	guests_done(written);
	*written = copies;
	return r;
}

/* Reading */

static int from_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a guest's name: those told in hexadecimal, else the text. NULL: there are none. */
static char *guest_bytes(struct json_object *object, bool *ret_no_memory)
{
	const char *hex = json_get_text(object, "name_bytes");
	const char *text = json_get_text(object, "name");
	size_t i, length = hex ? strlen(hex) : 0;
	char *bytes;

	*ret_no_memory = false;
	if (!text || strlen(text) > RECORDING_CLEAN_TEXT_MAX || length % 2 ||
	    length > 2 * RECORDING_TEXT_MAX)
		return NULL;
	bytes = hex ? calloc(1, length / 2 + 1) : strdup(text);
	*ret_no_memory = !bytes;
	for (i = 0; bytes && i < length / 2; i++) {
		int high = from_hex(hex[2 * i]), low = from_hex(hex[2 * i + 1]);

		if (high < 0 || low < 0 || high + low == 0) {
			free(bytes);
			return NULL;
		}
		bytes[i] = (char)(high << 4 | low);
	}
	return bytes;
}

static void remove_guest(struct guests *guests, pid_t pid)
{
	const struct guest *found = guests_find_pid(guests, pid);
	size_t at = found ? (size_t)(found - guests->list) : guests->count;

	if (!found)
		return;
	free_guest(&guests->list[at]);
	memmove(&guests->list[at], &guests->list[at + 1],
		(--guests->count - at) * sizeof(*guests->list));
}

/* Adds a guest, or puts it in the place of the one before of that process. */
static int put_guest(struct recorded_guests *recorded, struct guest guest, const char **ret_why)
{
	struct guests *guests = &recorded->guests;
	const struct guest *found = guests_find_pid(guests, guest.pid);
	size_t at = found ? (size_t)(found - guests->list) : guests->count;

	if (found) {
		free_guest(&guests->list[at]);
		guests->list[at] = guest;
		return 0;
	}
	if (guests->count == RECORDING_GUESTS_MAX)
		return recording_damage(ret_why, "there are too many guests");
	if (guests->count == recorded->room) {
		size_t room = recorded->room ? recorded->room * 2 : 64;
		struct guest *grown = reallocarray(guests->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		guests->list = grown;
		recorded->room = room;
	}
	while (at && guests->list[at - 1].pid > guest.pid) {
		guests->list[at] = guests->list[at - 1];
		at--;
	}
	guests->list[at] = guest;
	guests->count++;
	return 0;
}

static int take_guest(struct json_object *object, void *data, const char **ret_why)
{
	struct recorded_guests *recorded = data;
	struct guest guest = {0};
	bool no_memory;
	int64_t pid;
	int r;

	guest.raw_name = guest_bytes(object, &no_memory);
	if (no_memory)
		return -ENOMEM;
	if (!guest.raw_name || !json_get_number(object, "pid", 1, RECORDING_ID_MAX, &pid)) {
		free(guest.raw_name);
		return recording_damage(ret_why, "a guest is none");
	}
	guest.pid = (pid_t)pid;
	guest.name = text_clean(guest.raw_name);
	r = guest.name ? put_guest(recorded, guest, ret_why) : -ENOMEM;
	if (r < 0)
		free_guest(&guest);
	return r;
}

int recording_guests_take(struct recorded_guests *recorded, struct json_object *list,
			  const char **ret_why)
{
	return recording_list_take_objects(list, take_guest, recorded, ret_why);
}

int recording_guests_take_ended(struct recorded_guests *recorded, struct json_object *list,
				const char **ret_why)
{
	struct recording_numbers numbers = recording_list_read(list);

	while (recording_list_has_more(&numbers))
		remove_guest(&recorded->guests,
			     (pid_t)recording_list_next(&numbers, 1, RECORDING_ID_MAX));
	return numbers.failed ? recording_damage(ret_why, "a guest that ended is none") : 0;
}
