/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_rows.h"

#include <stdlib.h>
#include <string.h>

#include "kvm_stat/recording_list.h"

/* Writing */

static bool is_owner_of(const struct written_owner *owner, const struct sample_row *row)
{
	return owner->guest == row->guest && owner->thread.tid == row->thread.tid &&
	       owner->thread.is_vcpu == row->thread.is_vcpu &&
	       owner->thread.vcpu == row->thread.vcpu;
}

static int find_owner(struct written_rows *rows, const struct sample_row *row, uint32_t *ret_owner)
{
	uint32_t i, at = rows->owner_count;

	/* The rows of each name have the same owners in the same order, mostly. */
	for (i = 0; i < rows->owner_count; i++) {
		at = (rows->last_owner + 1 + i) % rows->owner_count;
		if (is_owner_of(&rows->owners[at], row))
			break;
	}
	if (i == rows->owner_count) {
		if (rows->owner_count == RECORDING_OWNERS_MAX)
			return -E2BIG;
		if (rows->owner_count == rows->owner_room) {
			uint32_t room = rows->owner_room ? rows->owner_room * 2 : 64;
			struct written_owner *grown = reallocarray(rows->owners, room,
								   sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			rows->owners = grown;
			rows->owner_room = room;
		}
		at = rows->owner_count++;
		rows->owners[at] = (struct written_owner){.guest = row->guest,
							  .thread = row->thread};
		rows->owners[at].thread.has_cpu = false;
	}
	*ret_owner = rows->last_owner = at;
	return 0;
}

int recording_rows_number(struct written_rows *rows, struct written_names *names,
			  const struct sample *now, struct written_row *list, FILE *stream)
{
	const struct sample *before = &rows->before;
	struct recording_list gone = {.stream = stream, .key = RECORDING_GONE};
	size_t i, old = 0;
	uint32_t hint = 0;
	int r = 0;

	for (i = 0; i < now->count && r == 0; i++) {
		const struct sample_row *row = &now->rows[i];
		int order = 1;

		for (; old < before->count; old++) {
			order = sample_row_compare(&before->rows[old], row);
			if (order >= 0)
				break;
			recording_list_begin(&gone, 1);
			recording_list_put_id(&gone, rows->list[old].id);
		}
		if (old < before->count && order == 0) {
			list[i] = rows->list[old++];
			continue;
		}
		list[i].id = RECORDING_NO_ROW;
		r = recording_names_find(names, row, hint, &list[i].name);
		if (r == 0)
			r = find_owner(rows, row, &list[i].owner);
		hint = list[i].name;
	}
	for (; old < before->count && r == 0; old++) {
		recording_list_begin(&gone, 1);
		recording_list_put_id(&gone, rows->list[old].id);
	}
	recording_list_end(&gone);
	return r;
}

static void write_owners(struct written_rows *rows, FILE *stream)
{
	struct recording_list list = {.stream = stream, .key = RECORDING_OWNERS};

	for (; rows->owners_told < rows->owner_count; rows->owners_told++) {
		const struct written_owner *owner = &rows->owners[rows->owners_told];

		recording_list_begin(&list, 3);
		recording_list_put(&list, owner->guest);
		recording_list_put(&list, owner->thread.tid);
		recording_list_put(&list, owner->thread.is_vcpu ? (int64_t)owner->thread.vcpu : -1);
	}
	recording_list_end(&list);
}

static void write_new_rows(struct written_rows *rows, const struct sample *now,
			   struct written_row *list, FILE *stream)
{
	struct recording_list out = {.stream = stream, .key = RECORDING_ROWS};
	size_t i;

	for (i = 0; i < now->count; i++) {
		if (list[i].id != RECORDING_NO_ROW)
			continue;
		list[i].id = rows->next_id++;
		list[i].shape = RECORDING_NO_ROW; /* its first values are all new */
		recording_list_begin(&out, 2);
		recording_list_put(&out, list[i].name);
		recording_list_put(&out, list[i].owner);
	}
	recording_list_end(&out);
}

static void write_cpus(struct written_rows *rows, const struct sample *now,
		       const struct written_row *list, FILE *stream)
{
	struct recording_list out = {.stream = stream, .key = RECORDING_CPUS};
	size_t i;

	for (i = 0; i < now->count; i++) {
		struct sample_thread *known = &rows->owners[list[i].owner].thread;
		const struct sample_thread *thread = &now->rows[i].thread;

		if (thread->has_cpu == known->has_cpu &&
		    (!thread->has_cpu || thread->cpu == known->cpu))
			continue;
		*known = *thread;
		recording_list_begin(&out, 2);
		recording_list_put_id(&out, list[i].owner);
		recording_list_put(&out, thread->has_cpu ? (int64_t)thread->cpu : -1);
	}
	recording_list_end(&out);
}

void recording_rows_write(struct written_rows *rows, const struct sample *now,
			  struct written_row *list, FILE *stream)
{
	write_owners(rows, stream);
	write_new_rows(rows, now, list, stream);
	write_cpus(rows, now, list, stream);
}

const struct sample_row *recording_rows_find_before(const struct written_rows *rows,
						    const struct sample_row *row, size_t *at)
{
	const struct sample *before = &rows->before;
	int order = 1;

	while (*at < before->count && (order = sample_row_compare(&before->rows[*at], row)) < 0)
		(*at)++;
	return *at < before->count && order == 0 ? &before->rows[*at] : NULL;
}

void recording_rows_write_values(const struct written_rows *rows, const struct sample *now,
				 const struct written_row *list, FILE *stream)
{
	struct recording_list out = {.stream = stream, .key = RECORDING_VALUES};
	size_t i, old = 0;

	for (i = 0; i < now->count; i++) {
		const struct sample_row *row = &now->rows[i];
		const struct sample_row *before = recording_rows_find_before(rows, row, &old);
		uint64_t value = before ? before->value : 0;
		int64_t difference = (int64_t)(row->value - value);

		if (!difference)
			continue;
		/* The two ends of 64 bits are what readers of JSON make of numbers beyond them. */
		if (difference == INT64_MAX || difference == INT64_MIN) {
			recording_list_begin(&out, 2);
			recording_list_put_id(&out, list[i].id);
			recording_list_put(&out, difference / 2);
			difference -= difference / 2;
		}
		recording_list_begin(&out, 2);
		recording_list_put_id(&out, list[i].id);
		recording_list_put(&out, difference);
	}
	recording_list_end(&out);
}

void recording_rows_start_segment(struct written_rows *rows)
{
	rows->owner_count = rows->owners_told = rows->last_owner = 0;
	rows->next_id = 0;
	rows->before.count = 0;
}

/* Reading */

int recording_rows_take_owners(struct recorded_rows *rows, struct json_object *list,
			       const char **ret_why)
{
	struct recording_numbers numbers = recording_list_read(list);

	while (recording_list_has_more(&numbers)) {
		int64_t guest = recording_list_next(&numbers, 0, RECORDING_ID_MAX);
		int64_t tid = recording_list_next(&numbers, 0, RECORDING_ID_MAX);
		int64_t vcpu = recording_list_next(&numbers, -1, UINT32_MAX);
		struct recorded_owner *owners = recording_list_grow(rows->owners, rows->owner_count,
								    sizeof(*owners));

		if (!owners)
			return -ENOMEM;
		rows->owners = owners;
		if (numbers.failed || rows->owner_count == RECORDING_OWNERS_MAX)
			return recording_damage(ret_why,
						"an owner of rows is none, or one too many");
		owners[rows->owner_count++] = (struct recorded_owner){
			.guest = (pid_t)guest,
			.thread = {.tid = (pid_t)tid,
				   .is_vcpu = vcpu >= 0,
				   .vcpu = vcpu >= 0 ? (unsigned int)vcpu : 0}};
	}
	return numbers.failed ? recording_damage(ret_why, "an owner of rows is none") : 0;
}

int recording_rows_take_cpus(struct recorded_rows *rows, struct json_object *list,
			     const char **ret_why)
{
	struct recording_numbers numbers = recording_list_read(list);

	while (recording_list_has_more(&numbers)) {
		size_t owner = recording_list_next_id(&numbers, rows->owner_count);
		int64_t cpu = recording_list_next(&numbers, -1, UINT32_MAX);
		struct sample_thread *thread;

		if (numbers.failed)
			break;
		thread = &rows->owners[owner].thread;
		thread->has_cpu = cpu >= 0;
		thread->cpu = cpu >= 0 ? (unsigned int)cpu : 0;
	}
	return numbers.failed ? recording_damage(ret_why, "a CPU is none") : 0;
}

int recording_rows_take(struct recorded_rows *rows, const struct recorded_names *names,
			struct json_object *list, const char **ret_why)
{
	struct recording_numbers numbers = recording_list_read(list);

	while (recording_list_has_more(&numbers)) {
		int64_t name = recording_list_next(&numbers, 0, (int64_t)names->id_count - 1);
		int64_t owner = recording_list_next(&numbers, 0, (int64_t)rows->owner_count - 1);
		struct recorded_row *grown = recording_list_grow(rows->list, rows->count,
								 sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rows->list = grown;
		if (numbers.failed || rows->count == RECORDING_ROWS_MAX)
			return recording_damage(ret_why, "a row is none, or one too many");
		names->ids[name]->threads |= sample_thread_is_one(&rows->owners[owner].thread);
		grown[rows->count++] = (struct recorded_row){.name = names->ids[name],
							     .owner = (uint32_t)owner};
	}
	return numbers.failed ? recording_damage(ret_why, "a row is none") : 0;
}

int recording_rows_take_gone(struct recorded_rows *rows, struct json_object *list,
			     const char **ret_why)
{
	struct recording_numbers numbers = recording_list_read(list);

	while (recording_list_has_more(&numbers)) {
		size_t id = recording_list_next_id(&numbers, rows->count);

		if (numbers.failed)
			break;
		rows->list[id].gone = true;
		free(take_ptr(rows->list[id].distribution));
	}
	return numbers.failed ? recording_damage(ret_why, "a row that is gone is none") : 0;
}

int recording_rows_take_values(struct recorded_rows *rows, struct json_object *list,
			       const char **ret_why)
{
	struct recording_numbers numbers = recording_list_read(list);

	while (recording_list_has_more(&numbers)) {
		size_t id = recording_list_next_id(&numbers, rows->count);
		uint64_t change = recording_list_next_change(&numbers);

		if (numbers.failed)
			break;
		if (rows->list[id].gone)
			return recording_damage(ret_why, "a row that is gone has values");
		rows->list[id].value += change;
	}
	return numbers.failed ? recording_damage(ret_why, "a value is none") : 0;
}

void recording_rows_forget(struct recorded_rows *rows)
{
	while (rows->count)
		free(rows->list[--rows->count].distribution);
	rows->owner_count = 0;
}

void recording_rows_done(struct recorded_rows *rows)
{
	recording_rows_forget(rows);
	free(rows->owners);
	free(rows->list);
	*rows = (struct recorded_rows){0};
}
