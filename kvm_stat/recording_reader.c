/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "host/text.h"
#include "kvm_stat/json_get.h"
#include "kvm_stat/recording_distributions.h"
#include "kvm_stat/recording_guests.h"
#include "kvm_stat/recording_head.h"
#include "kvm_stat/recording_input.h"
#include "kvm_stat/recording_moment.h"
#include "kvm_stat/recording_rows.h"

struct recording_reader {
	struct recording_input input;
	struct recording_head head;
	char *damage;
	bool closed; /* the recording says that it ends here */
	uint64_t samples;
	uint64_t last_ns;
	/* The present sample. */
	uint32_t crc; /* of its lines */
	bool has_lines, is_key, has_moment;
	bool can_seek;    /* of a key: reading can begin there, at: */
	off_t key_offset; /* in the file */
	struct recording_moment moment;
	/* What the file says so far in this segment. */
	struct recorded_guests guests;
	struct recorded_names names;
	struct recorded_rows rows;
	struct recorded_shapes shapes;
};

static int damaged(struct recording_reader *reader, const char *why)
{
	free(reader->damage);
	reader->damage = text_format("damaged after sample %" PRIu64 ", in line %" PRIu64 ": %s",
				     reader->samples, reader->input.line_number, why);
	return reader->damage ? -EBADMSG : -ENOMEM;
}

/* The lists of a sample */

static int take_names(struct recording_reader *reader, struct json_object *list,
		      const char **ret_why)
{
	return recording_names_take(&reader->names, list, ret_why);
}

static int take_ended(struct recording_reader *reader, struct json_object *list,
		      const char **ret_why)
{
	return recording_guests_take_ended(&reader->guests, list, ret_why);
}

static int take_guests(struct recording_reader *reader, struct json_object *list,
		       const char **ret_why)
{
	return recording_guests_take(&reader->guests, list, ret_why);
}

static int take_owners(struct recording_reader *reader, struct json_object *list,
		       const char **ret_why)
{
	return recording_rows_take_owners(&reader->rows, list, ret_why);
}

static int take_cpus(struct recording_reader *reader, struct json_object *list,
		     const char **ret_why)
{
	return recording_rows_take_cpus(&reader->rows, list, ret_why);
}

static int take_rows(struct recording_reader *reader, struct json_object *list,
		     const char **ret_why)
{
	return recording_rows_take(&reader->rows, &reader->names, list, ret_why);
}

static int take_gone(struct recording_reader *reader, struct json_object *list,
		     const char **ret_why)
{
	return recording_rows_take_gone(&reader->rows, list, ret_why);
}

static int take_values(struct recording_reader *reader, struct json_object *list,
		       const char **ret_why)
{
	return recording_rows_take_values(&reader->rows, list, ret_why);
}

static int take_shapes(struct recording_reader *reader, struct json_object *list,
		       const char **ret_why)
{
	return recording_distributions_take_shapes(&reader->shapes, list, ret_why);
}

static int take_distributions(struct recording_reader *reader, struct json_object *list,
			      const char **ret_why)
{
	return recording_distributions_take(&reader->shapes, &reader->rows, list, ret_why);
}

static int take_lists(struct recording_reader *reader, struct json_object *object,
		      const char **ret_why)
{
	static const struct {
		const char *key;
		int (*take)(struct recording_reader *reader, struct json_object *list,
			    const char **ret_why);
	} lists[] = {
		{RECORDING_NAMES, take_names},   {RECORDING_ENDED, take_ended},
		{RECORDING_GUESTS, take_guests}, {RECORDING_OWNERS, take_owners},
		{RECORDING_CPUS, take_cpus},     {RECORDING_ROWS, take_rows},
		{RECORDING_GONE, take_gone},     {RECORDING_VALUES, take_values},
		{RECORDING_SHAPES, take_shapes}, {RECORDING_DISTRIBUTIONS, take_distributions},
	};
	size_t i;
	int r = 0;

	for (i = 0; i < array_size(lists) && r == 0; i++) {
		struct json_object *list;

		if (!json_object_object_get_ex(object, lists[i].key, &list))
			continue;
		r = json_object_is_type(list, json_type_array)
			    ? lists[i].take(reader, list, ret_why)
			    : recording_damage(ret_why, "it is no list");
	}
	return r;
}

/* Samples */

static void forget_segment(struct recording_reader *reader)
{
	recording_rows_forget(&reader->rows);
	recording_guests_forget(&reader->guests.guests);
	reader->shapes.count = reader->names.id_count = 0;
}

static int take_key(struct recording_reader *reader, const char **ret_why)
{
	bool is_first = reader->samples == 0;

	if (reader->has_lines)
		return recording_damage(ret_why, "a segment begins amid a sample");
	forget_segment(reader);
	reader->is_key = true;
	/* The head stands before the first one, and is passed over when the file is read anew. */
	reader->can_seek = is_first || reader->input.member_lines == 1;
	reader->key_offset = is_first ? 0 : reader->input.member_offset;
	return 0;
}

static int take_end(struct recording_reader *reader, struct json_object *object,
		    const char **ret_why)
{
	if (!reader->has_moment || !recording_moment_is_end(object, reader->samples, reader->crc))
		return recording_damage(ret_why, "the checksum of the sample is wrong");
	reader->last_ns = reader->moment.monotonic_ns;
	reader->samples++;
	return 1;
}

/* Takes a line of a sample. Returns 1 at the sample's end, 0 or -errno. */
static int take_line(struct recording_reader *reader, struct json_object *object,
		     const char **ret_why)
{
	const struct recording_input *input = &reader->input;
	struct json_object *value;
	int r = 0;

	if (reader->closed)
		return recording_damage(ret_why, "something follows the end");
	reader->closed = reader->input.may_end = json_get_bool(object, RECORDING_CLOSED);
	if (reader->closed)
		return reader->has_lines ? recording_damage(ret_why, "the sample has no end") : 0;
	if (json_get_bool(object, RECORDING_KEY))
		r = take_key(reader, ret_why);
	else if (reader->samples == 0 && !reader->is_key)
		return recording_damage(ret_why, "the first sample does not begin a segment");
	reader->has_lines = true;
	if (r == 0)
		r = take_lists(reader, object, ret_why);
	if (r == 0 && json_object_object_get_ex(object, RECORDING_SAMPLE, &value)) {
		r = recording_moment_take(&reader->moment, object, reader->samples, reader->last_ns,
					  ret_why);
		reader->has_moment = r == 0;
	}
	if (r == 0 && json_object_object_get_ex(object, RECORDING_END, &value))
		return take_end(reader, object, ret_why);
	if (r == 0)
		reader->crc = (uint32_t)crc32(reader->crc, (const Bytef *)input->line,
					      (uInt)input->line_length);
	return r;
}

int recording_reader_next(struct recording_reader *reader)
{
	const char *why = NULL;
	int r;

	if (reader->damage)
		return -EBADMSG;
	/* Here too: what is done with a sample can take longer than to read it. */
	if (recording_input_is_interrupted(&reader->input))
		return -EINTR;
	reader->crc = 0;
	reader->has_lines = reader->is_key = reader->has_moment = false;
	do {
		struct json_object *object;

		r = recording_input_read(&reader->input, &object, &why);
		if (r > 0) {
			r = take_line(reader, object, &why);
			json_object_put(object);
		} else if (r == 0) {
			return 0;
		}
	} while (r == 0);
	return r == -EBADMSG ? damaged(reader, why) : r;
}

/* Reads the head. Returns 0 or -errno; -EBADMSG with *ret_why or none. */
static int read_head(struct recording_reader *reader, char **ret_why)
{
	struct json_object *object;
	const char *why;
	int r = recording_input_read(&reader->input, &object, &why);

	if (r <= 0)
		return r == 0 ? -EBADMSG : r;
	r = recording_head_take(&reader->head, object, ret_why);
	json_object_put(object);
	return r;
}

int recording_reader_open(const char *path, const sigset_t *ending,
			  struct recording_reader **ret_reader, char **ret_why)
{
	struct recording_reader *reader = calloc(1, sizeof(*reader));
	int r;

	*ret_why = NULL;
	if (!reader)
		return -ENOMEM;
	r = recording_input_open(&reader->input, path, ending);
	if (r == 0)
		r = read_head(reader, ret_why);
	if (r == -EBADMSG && !*ret_why)
		*ret_why = text_format("it is no recording of kvm_stat");
	if (r < 0) {
		recording_reader_close(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

void recording_reader_close(struct recording_reader *reader)
{
	if (!reader)
		return;
	recording_input_close(&reader->input);
	recording_head_done(&reader->head);
	recording_rows_done(&reader->rows);
	guests_done(&reader->guests.guests);
	recording_names_done(&reader->names);
	free(reader->shapes.list);
	free(reader->damage);
	free(reader);
}

const char *recording_reader_damage(const struct recording_reader *reader)
{
	return reader->damage;
}

uint64_t recording_reader_position(const struct recording_reader *reader)
{
	return reader->samples;
}

bool recording_reader_segment(const struct recording_reader *reader, off_t *ret_offset)
{
	*ret_offset = reader->key_offset;
	return reader->is_key && reader->can_seek;
}

int recording_reader_seek(struct recording_reader *reader, uint64_t sample, off_t offset)
{
	struct json_object *object;
	const char *why;
	int r;

	forget_segment(reader);
	free(take_ptr(reader->damage));
	recording_input_seek(&reader->input, offset);
	reader->samples = sample;
	reader->last_ns = 0;
	reader->closed = false;
	if (offset)
		return 0;
	r = recording_input_read(&reader->input, &object, &why);
	if (r > 0)
		json_object_put(object);
	return r < 0 ? r : r > 0 ? 0 : -EBADMSG;
}

const struct recording_head *recording_reader_head(const struct recording_reader *reader)
{
	return &reader->head;
}

const struct recording_moment *recording_reader_moment(const struct recording_reader *reader)
{
	return &reader->moment;
}

const struct guests *recording_reader_guests(const struct recording_reader *reader)
{
	return &reader->guests.guests;
}

const struct recorded_name *const *recording_reader_names(const struct recording_reader *reader,
							  size_t *ret_count)
{
	*ret_count = reader->names.count;
	return (const struct recorded_name *const *)reader->names.all;
}

int recording_reader_rows(const struct recording_reader *reader,
			  int (*take)(const struct recorded_name *name,
				      const struct sample_row *row,
				      const struct distribution *distribution, void *data),
			  void *data)
{
	size_t i;
	int r = 0;

	for (i = 0; i < reader->rows.count && r >= 0; i++) {
		const struct recorded_row *recorded = &reader->rows.list[i];
		const struct recorded_owner *owner = &reader->rows.owners[recorded->owner];
		struct sample_row row = {.name = recorded->name->name,
					 .parent = recorded->name->parent,
					 .is_flag = recorded->name->is_flag,
					 .kind = recorded->name->kind,
					 .unit = recorded->name->unit,
					 .guest = owner->guest,
					 .thread = owner->thread,
					 .value = recorded->value};

		if (!recorded->gone)
			r = take(recorded->name, &row, recorded->distribution, data);
	}
	return r < 0 ? r : 0;
}
