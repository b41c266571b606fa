/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "host/text.h"
#include "kvm_stat/json_put.h"

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, in gzip's frame */
#define DEPTH       5         /* of JSON: an object with lists of objects, and one to spare */
#define VALUE_MAX   INT32_MAX /* of ids of processes, CPUs... */

struct recorded_owner {
	pid_t guest;
	struct sample_thread thread;
};

struct recorded_row {
	const struct recorded_name *name;
	uint32_t owner, shape; /* shape 0: no distribution */
	bool gone;
	uint64_t value;
	struct distribution *distribution;
};

struct recording_reader {
	int fd;
	z_stream inflate;
	bool in_member;      /* the gzip member that was begun has not ended */
	off_t member_offset; /* where it begins in the file */
	off_t offset;        /* of what is read from the file next */
	unsigned char packed[32768], plain[65536];
	size_t plain_at, plain_count;
	char *line;
	size_t line_length, line_room;
	struct json_tokener *tokener;
	uint64_t line_number, member_lines;
	uLong crc; /* of the lines of the present sample */
	uint64_t samples;
	uint64_t last_ns;
	bool is_key, has_moment, key_is_first;
	bool closed; /* the recording says that it ends here */
	off_t key_offset;
	char *damage;
	struct recording_head head;
	struct recording_moment moment;
	struct guests guests;
	size_t guest_room;
	struct recorded_name **names; /* all that were read, by index */
	void *name_tree;
	size_t name_count;
	struct recorded_name **ids; /* names by their numbers in this segment */
	size_t id_count;
	struct recorded_owner *owners;
	size_t owner_count;
	struct distribution *shapes; /* empty ones; shape 1 is the first */
	size_t shape_count;
	struct recorded_row *rows;
	size_t row_count;
};

static int damaged(struct recording_reader *reader, const char *why)
{
	free(reader->damage);
	reader->damage = text_format("damaged after sample %" PRIu64 ", in line %" PRIu64 ": %s",
				     reader->samples, reader->line_number + 1, why);
	return reader->damage ? -EBADMSG : -ENOMEM;
}

/* Room for one more in an array that grows by doubling. Returns the array or NULL. */
static void *grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1) || (count && count < 16))
		return array;
	return reallocarray(array, count ? count * 2 : 16, size);
}

/* Lines */

/* Reads from the file. Returns 1, 0 at its end or -errno. */
static int fill(struct recording_reader *reader)
{
	ssize_t n;

	do
		n = pread(reader->fd, reader->packed, sizeof(reader->packed), reader->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	reader->offset += n;
	reader->inflate.next_in = reader->packed;
	reader->inflate.avail_in = (uInt)n;
	return n > 0;
}

/*
 * Unpacks some more. Returns 1, 0 at the end of the last member, or -errno. What was unpacked before
 * a damage is given first.
 */
static int unpack(struct recording_reader *reader)
{
	z_stream *stream = &reader->inflate;
	int r;

	for (;;) {
		if (!stream->avail_in) {
			r = fill(reader);
			if (r < 0)
				return r;
			if (r == 0)
				return reader->closed && !reader->in_member
					       ? 0
					       : damaged(reader, "the file ends there: its writer "
								 "was killed, or still writes");
		}
		if (!reader->in_member) {
			reader->member_offset = reader->offset - (off_t)stream->avail_in;
			reader->member_lines = 0;
			if (inflateReset(stream) != Z_OK)
				return -ENOMEM;
			reader->in_member = true;
		}
		stream->next_out = reader->plain;
		stream->avail_out = sizeof(reader->plain);
		r = inflate(stream, Z_NO_FLUSH);
		reader->plain_at = 0;
		reader->plain_count = sizeof(reader->plain) - stream->avail_out;
		if (r == Z_STREAM_END)
			reader->in_member = false;
		if (r == Z_MEM_ERROR)
			return -ENOMEM;
		if (reader->plain_count)
			return 1;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return damaged(reader, "it cannot be unpacked");
	}
}

static int append(struct recording_reader *reader, const unsigned char *text, size_t length)
{
	size_t wanted = reader->line_length + length;

	if (wanted > RECORDING_LINE_MAX)
		return damaged(reader, "the line is too long");
	if (wanted + 1 > reader->line_room) {
		size_t room = wanted * 2 + 1024;
		char *grown = realloc(reader->line, room);

		if (!grown)
			return -ENOMEM;
		reader->line = grown;
		reader->line_room = room;
	}
	memcpy(reader->line + reader->line_length, text, length);
	reader->line_length = wanted;
	return 0;
}

/* Reads a line with its end into reader->line. Returns 1, 0 at the end of the file, or -errno. */
static int read_line(struct recording_reader *reader)
{
	int r;

	reader->line_length = 0;
	for (;;) {
		const unsigned char *text = reader->plain + reader->plain_at, *end;
		size_t length = reader->plain_count - reader->plain_at;

		if (!length) {
			r = unpack(reader);
			if (r == 0 && reader->line_length)
				return damaged(reader, "the line has no end");
			if (r <= 0)
				return r;
			continue;
		}
		end = memchr(text, '\n', length);
		if (end)
			length = (size_t)(end - text) + 1;
		r = append(reader, text, length);
		if (r < 0)
			return r;
		reader->plain_at += length;
		if (end)
			return 1;
	}
}

/* Reads a line as an object, to be released. Returns as read_line(). */
static int read_object(struct recording_reader *reader, struct json_object **ret_object)
{
	struct json_object *object;
	int r = read_line(reader);

	if (r <= 0)
		return r;
	json_tokener_reset(reader->tokener);
	object = json_tokener_parse_ex(reader->tokener, reader->line, (int)reader->line_length - 1);
	if (json_tokener_get_error(reader->tokener) != json_tokener_success ||
	    !json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return damaged(reader, "it is no JSON object");
	}
	*ret_object = object;
	return 1;
}

/* Members */

static struct json_object *member(struct json_object *object, const char *key, enum json_type type)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

static const char *text_member(struct json_object *object, const char *key)
{
	struct json_object *value = member(object, key, json_type_string);
	const char *text = value ? json_object_get_string(value) : NULL;

	return text && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static bool bool_member(struct json_object *object, const char *key)
{
	struct json_object *value = member(object, key, json_type_boolean);

	return value && json_object_get_boolean(value);
}

/* json-c makes one of the two ends of what lies beyond 64 bits. */
static bool to_number(struct json_object *value, int64_t *ret_number)
{
	if (!json_object_is_type(value, json_type_int))
		return false;
	*ret_number = json_object_get_int64(value);
	return *ret_number != INT64_MAX && *ret_number != INT64_MIN;
}

static bool number_member(struct json_object *object, const char *key, int64_t min, int64_t max,
			  int64_t *ret_number)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) && to_number(value, ret_number) &&
	       *ret_number >= min && *ret_number <= max;
}

static int word_member(struct json_object *object, const char *key, const char *const *words)
{
	const char *text = text_member(object, key);
	int i;

	for (i = 0; text && words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -1;
}

/* The numbers of a list, one after another. */
struct numbers {
	struct json_object *list;
	size_t at, count;
	int64_t id; /* the last one, of which the next is told by its distance */
	bool failed;
};

static struct numbers numbers_of(struct json_object *list)
{
	return (struct numbers){.list = list, .count = json_object_array_length(list)};
}

static int64_t next_number(struct numbers *numbers, int64_t min, int64_t max)
{
	int64_t number = 0;

	if (numbers->failed || numbers->at == numbers->count ||
	    !to_number(json_object_array_get_idx(numbers->list, numbers->at++), &number) ||
	    number < min || number > max) {
		numbers->failed = true;
		return 0;
	}
	return number;
}

static uint64_t next_change(struct numbers *numbers)
{
	return (uint64_t)next_number(numbers, INT64_MIN, INT64_MAX);
}

/* Returns an index below `count`; 0, which may be none, after a failure. */
static size_t next_id(struct numbers *numbers, size_t count)
{
	numbers->id += next_number(numbers, -VALUE_MAX, VALUE_MAX);
	if (numbers->id < 0 || (uint64_t)numbers->id >= count)
		numbers->failed = true;
	return numbers->failed ? 0 : (size_t)numbers->id;
}

static bool has_more(const struct numbers *numbers)
{
	return !numbers->failed && numbers->at < numbers->count;
}

/* The head */

static int copy_text(struct json_object *object, const char *key, char **ret_text)
{
	const char *text = text_member(object, key);

	if (!text || strlen(text) > RECORDING_TEXT_MAX)
		return 0;
	*ret_text = text_clean(text);
	return *ret_text ? 0 : -ENOMEM;
}

static int take_sources(struct recording_reader *reader, struct json_object *list)
{
	struct recording_head *head = &reader->head;
	size_t i, count = json_object_array_length(list);

	if (count > RECORDING_SOURCES_MAX)
		return -EBADMSG;
	for (i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		const char *name = json_object_is_type(item, json_type_string)
					   ? json_object_get_string(item)
					   : NULL;

		if (!name || !text_is_field_name(name) || strlen(name) > RECORDING_TEXT_MAX)
			return -EBADMSG;
		head->sources[i] = strdup(name);
		if (!head->sources[i])
			return -ENOMEM;
		head->source_count++;
	}
	return 0;
}

static int take_head(struct recording_reader *reader, struct json_object *object, char **ret_why)
{
	struct recording_head *head = &reader->head;
	const char *schema = text_member(object, "schema");
	struct json_object *sources = member(object, "sources", json_type_array);
	struct json_object *interval;
	int by = word_member(object, "by", json_by_names), r;

	if (schema && strncmp(schema, RECORDING_SCHEMA, strlen(RECORDING_SCHEMA) - 1) == 0 &&
	    strcmp(schema, RECORDING_SCHEMA) != 0) {
		cleanup_free char *clean = text_clean(schema);

		*ret_why = text_format("it is of version \"%.40s\", of which this kvm_stat knows "
				       "nothing",
				       clean ? clean : "");
		return -EBADMSG;
	}
	if (!schema || strcmp(schema, RECORDING_SCHEMA) != 0 || by < 0 || !sources)
		return -EBADMSG;
	head->by = (enum selection_by)by;
	if (json_object_object_get_ex(object, "interval", &interval))
		head->interval = json_object_get_double(interval);
	r = copy_text(object, "host", &head->host);
	if (r == 0)
		r = copy_text(object, "kernel", &head->kernel);
	if (r == 0)
		r = copy_text(object, "program", &head->program);
	return r < 0 ? r : take_sources(reader, sources);
}

/* Names and guests */

static int compare_names(const void *a, const void *b)
{
	const struct recorded_name *left = a, *right = b;
	int r = strcmp(left->name, right->name);

	if (r == 0)
		r = strcmp(left->parent ? left->parent : "", right->parent ? right->parent : "");
	if (r == 0)
		r = (int)left->is_flag - (int)right->is_flag;
	if (r == 0)
		r = (int)left->kind - (int)right->kind;
	return r ? r : (int)left->unit - (int)right->unit;
}

static void free_name(struct recorded_name *name)
{
	if (name) {
		free(name->name);
		free(name->parent);
	}
	free(name);
}

/* Finds or adds a name, which is taken over. Returns it, or NULL with *ret_error. */
static struct recorded_name *keep_name(struct recording_reader *reader, struct recorded_name *name,
				       int *ret_error)
{
	struct recorded_name **names, **found = tfind(name, &reader->name_tree, compare_names);

	if (found) {
		free_name(name);
		return *found;
	}
	*ret_error = -ENOMEM;
	if (reader->name_count == RECORDING_NAMES_MAX) {
		*ret_error = damaged(reader, "there are too many names");
	} else {
		names = grow(reader->names, reader->name_count, sizeof(*names));
		if (names) {
			reader->names = names;
			if (tsearch(name, &reader->name_tree, compare_names)) {
				name->index = reader->name_count;
				names[reader->name_count++] = name;
				return name;
			}
		}
	}
	free_name(name);
	return NULL;
}

static int take_name(struct recording_reader *reader, struct json_object *object)
{
	const char *text = text_member(object, "name"), *parent = text_member(object, "parent");
	int kind = word_member(object, "kind", json_kind_names), r = 0;
	int unit = word_member(object, "unit", json_unit_names);
	struct recorded_name *name, **ids;

	if (!text || !*text || strlen(text) > 6 * RECORDING_TEXT_MAX || kind < 0 || unit < 0 ||
	    (parent && strlen(parent) > 6 * RECORDING_TEXT_MAX))
		return damaged(reader, "a name is none");
	if (reader->id_count == RECORDING_NAMES_MAX)
		return damaged(reader, "there are too many names");
	ids = grow(reader->ids, reader->id_count, sizeof(*ids));
	name = calloc(1, sizeof(*name));
	if (ids)
		reader->ids = ids;
	if (name) {
		*name = (struct recorded_name){.name = text_clean(text),
					       .parent = parent ? text_clean(parent) : NULL,
					       .is_flag = bool_member(object, "flag"),
					       .kind = (enum field_kind)kind,
					       .unit = (enum field_unit)unit};
	}
	if (!ids || !name || !name->name || (parent && !name->parent)) {
		free_name(name);
		return -ENOMEM;
	}
	name = keep_name(reader, name, &r);
	if (!name)
		return r;
	ids[reader->id_count++] = name;
	return 0;
}

static int from_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a guest's name: those told in hexadecimal, else the text. NULL: there are none. */
static char *guest_bytes(struct json_object *object, bool *ret_no_memory)
{
	const char *hex = text_member(object, "name_bytes"), *text = text_member(object, "name");
	size_t i, length = hex ? strlen(hex) : 0;
	char *bytes;

	*ret_no_memory = false;
	if (!text || strlen(text) > 6 * RECORDING_TEXT_MAX || length % 2 ||
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
	free(guests->list[at].name);
	free(guests->list[at].raw_name);
	memmove(&guests->list[at], &guests->list[at + 1],
		(--guests->count - at) * sizeof(*guests->list));
}

static int add_guest(struct recording_reader *reader, struct guest guest)
{
	struct guests *guests = &reader->guests;
	size_t at = guests->count;

	if (guests->count == reader->guest_room) {
		size_t room = reader->guest_room ? reader->guest_room * 2 : 64;
		struct guest *grown = reallocarray(guests->list, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		guests->list = grown;
		reader->guest_room = room;
	}
	while (at && guests->list[at - 1].pid > guest.pid) {
		guests->list[at] = guests->list[at - 1];
		at--;
	}
	guests->list[at] = guest;
	guests->count++;
	return 0;
}

static int take_guest(struct recording_reader *reader, struct json_object *object)
{
	struct guest guest = {0};
	bool no_memory;
	int64_t pid;
	int r;

	guest.raw_name = guest_bytes(object, &no_memory);
	if (no_memory)
		return -ENOMEM;
	if (!guest.raw_name || !number_member(object, "pid", 1, VALUE_MAX, &pid)) {
		free(guest.raw_name);
		return damaged(reader, "a guest is none");
	}
	guest.pid = (pid_t)pid;
	guest.name = text_clean(guest.raw_name);
	remove_guest(&reader->guests, guest.pid);
	r = guest.name ? 0 : -ENOMEM;
	if (r == 0 && reader->guests.count == RECORDING_GUESTS_MAX)
		r = damaged(reader, "there are too many guests");
	if (r == 0)
		r = add_guest(reader, guest);
	if (r < 0) {
		free(guest.name);
		free(guest.raw_name);
	}
	return r;
}

static int take_ended(struct recording_reader *reader, struct json_object *list)
{
	struct numbers numbers = numbers_of(list);

	while (has_more(&numbers))
		remove_guest(&reader->guests, (pid_t)next_number(&numbers, 1, VALUE_MAX));
	return numbers.failed ? damaged(reader, "a guest that ended is none") : 0;
}

/* Rows */

static int take_owners(struct recording_reader *reader, struct json_object *list)
{
	struct numbers numbers = numbers_of(list);

	while (has_more(&numbers)) {
		int64_t guest = next_number(&numbers, 0, VALUE_MAX);
		int64_t tid = next_number(&numbers, 0, VALUE_MAX);
		int64_t vcpu = next_number(&numbers, -1, UINT32_MAX);
		struct recorded_owner *owners = grow(reader->owners, reader->owner_count,
						     sizeof(*owners));

		if (!owners)
			return -ENOMEM;
		reader->owners = owners;
		if (numbers.failed || reader->owner_count == RECORDING_OWNERS_MAX)
			return damaged(reader, "an owner of rows is none, or one too many");
		owners[reader->owner_count++] = (struct recorded_owner){
			.guest = (pid_t)guest,
			.thread = {.tid = (pid_t)tid,
				   .is_vcpu = vcpu >= 0,
				   .vcpu = vcpu >= 0 ? (unsigned int)vcpu : 0}};
	}
	return numbers.failed ? damaged(reader, "an owner of rows is none") : 0;
}

static int take_cpus(struct recording_reader *reader, struct json_object *list)
{
	struct numbers numbers = numbers_of(list);

	while (has_more(&numbers)) {
		size_t owner = next_id(&numbers, reader->owner_count);
		int64_t cpu = next_number(&numbers, -1, UINT32_MAX);
		struct sample_thread *thread;

		if (numbers.failed)
			break;
		thread = &reader->owners[owner].thread;
		thread->has_cpu = cpu >= 0;
		thread->cpu = cpu >= 0 ? (unsigned int)cpu : 0;
	}
	return numbers.failed ? damaged(reader, "a CPU is none") : 0;
}

static int take_rows(struct recording_reader *reader, struct json_object *list)
{
	struct numbers numbers = numbers_of(list);

	while (has_more(&numbers)) {
		int64_t name = next_number(&numbers, 0, (int64_t)reader->id_count - 1);
		int64_t owner = next_number(&numbers, 0, (int64_t)reader->owner_count - 1);
		struct recorded_row *rows = grow(reader->rows, reader->row_count, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		reader->rows = rows;
		if (numbers.failed || reader->row_count == RECORDING_ROWS_MAX)
			return damaged(reader, "a row is none, or one too many");
		rows[reader->row_count++] = (struct recorded_row){.name = reader->ids[name],
								  .owner = (uint32_t)owner};
	}
	return numbers.failed ? damaged(reader, "a row is none") : 0;
}

static int take_gone(struct recording_reader *reader, struct json_object *list)
{
	struct numbers numbers = numbers_of(list);

	while (has_more(&numbers)) {
		size_t id = next_id(&numbers, reader->row_count);

		if (numbers.failed)
			break;
		reader->rows[id].gone = true;
		free(take_ptr(reader->rows[id].distribution));
	}
	return numbers.failed ? damaged(reader, "a row that is gone is none") : 0;
}

static int take_values(struct recording_reader *reader, struct json_object *list)
{
	struct numbers numbers = numbers_of(list);

	while (has_more(&numbers)) {
		size_t id = next_id(&numbers, reader->row_count);
		uint64_t change = next_change(&numbers);

		if (numbers.failed)
			break;
		reader->rows[id].value += change;
	}
	return numbers.failed ? damaged(reader, "a value is none") : 0;
}

static int take_shapes(struct recording_reader *reader, struct json_object *list)
{
	struct numbers numbers = numbers_of(list);

	while (has_more(&numbers)) {
		struct distribution shape = {.scale = next_number(&numbers, 0, 1)
							      ? DISTRIBUTION_LINEAR
							      : DISTRIBUTION_LOG2,
					     .bucket_size = next_change(&numbers)};
		struct distribution *shapes = grow(reader->shapes, reader->shape_count,
						   sizeof(*shapes));

		shape.bucket_count = (unsigned int)next_number(&numbers, 1,
							       DISTRIBUTION_BUCKETS_MAX);
		shape.has_moments = next_number(&numbers, 0, 1);
		shape.has_extremes = next_number(&numbers, 0, 1);
		if (!shapes)
			return -ENOMEM;
		reader->shapes = shapes;
		if (numbers.failed || reader->shape_count == RECORDING_SHAPES_MAX)
			return damaged(reader, "a shape is none, or one too many");
		shapes[reader->shape_count++] = shape;
	}
	return numbers.failed ? damaged(reader, "a shape is none") : 0;
}

/* Gives a row an empty distribution of another shape. */
static int set_shape(struct recording_reader *reader, struct recorded_row *row, uint32_t shape)
{
	row->shape = shape;
	if (!shape) {
		free(take_ptr(row->distribution));
		return 0;
	}
	if (!row->distribution)
		row->distribution = malloc(sizeof(*row->distribution));
	if (!row->distribution)
		return -ENOMEM;
	*row->distribution = reader->shapes[shape - 1];
	if (row->name->kind != FIELD_HISTOGRAM)
		reader->names[row->name->index]->timed = true;
	return 0;
}

static void change_distribution(struct numbers *numbers, struct distribution *distribution)
{
	int64_t i, changed = next_number(numbers, 0, distribution->bucket_count);
	int64_t bucket = 0;

	for (i = 0; i < changed; i++) {
		uint64_t change;

		bucket += next_number(numbers, 0, DISTRIBUTION_BUCKETS_MAX);
		change = next_change(numbers);
		if (bucket >= distribution->bucket_count)
			numbers->failed = true;
		if (numbers->failed)
			return;
		distribution->buckets[bucket] += change;
		distribution->count += change;
	}
	if (distribution->has_moments) {
		distribution->sum += next_change(numbers);
		distribution->squares_low += next_change(numbers);
		distribution->squares_high += next_change(numbers);
	}
	if (distribution->has_extremes) {
		distribution->min += next_change(numbers);
		distribution->max += next_change(numbers);
	}
}

static int take_distributions(struct recording_reader *reader, struct json_object *list)
{
	struct numbers numbers = numbers_of(list);

	while (has_more(&numbers)) {
		size_t id = next_id(&numbers, reader->row_count);
		uint32_t shape = (uint32_t)next_number(&numbers, 0, (int64_t)reader->shape_count);
		struct recorded_row *row;
		int r = 0;

		if (numbers.failed)
			break;
		row = &reader->rows[id];
		if (row->gone)
			return damaged(reader, "a row that is gone has values");
		if (row->shape != shape)
			r = set_shape(reader, row, shape);
		if (r < 0)
			return r;
		if (shape)
			change_distribution(&numbers, row->distribution);
	}
	return numbers.failed ? damaged(reader, "a distribution is none") : 0;
}

/* Samples */

static void forget_rows(struct recording_reader *reader)
{
	while (reader->row_count)
		free(reader->rows[--reader->row_count].distribution);
	reader->owner_count = reader->shape_count = reader->id_count = 0;
	while (reader->guests.count)
		remove_guest(&reader->guests, reader->guests.list[reader->guests.count - 1].pid);
}

static int take_key(struct recording_reader *reader)
{
	forget_rows(reader);
	reader->is_key = true;
	reader->key_is_first = reader->member_lines == 0;
	reader->key_offset = reader->member_offset;
	return 0;
}

static int take_moment(struct recording_reader *reader, struct json_object *object)
{
	struct json_object *list = member(object, "unreadable", json_type_array);
	int64_t sample, monotonic, time;
	size_t i;

	if (!number_member(object, "sample", 0, INT64_MAX, &sample) ||
	    !number_member(object, "monotonic", 1, INT64_MAX, &monotonic) ||
	    !number_member(object, "time", 0, INT64_MAX, &time))
		return damaged(reader, "the sample has no time");
	if ((uint64_t)sample != reader->samples)
		return damaged(reader, "a sample is missing");
	if ((uint64_t)monotonic <= reader->last_ns)
		return damaged(reader, "time goes back");
	reader->moment = (struct recording_moment){
		.monotonic_ns = (uint64_t)monotonic,
		.time = {.tv_sec = time / 1000000000, .tv_nsec = time % 1000000000},
		.partial = bool_member(object, "partial")};
	for (i = 0; list && i < json_object_array_length(list) && i < RECORDING_SOURCES_MAX; i++) {
		int64_t count;

		if (to_number(json_object_array_get_idx(list, i), &count) && count > 0)
			reader->moment.unreadable[i] = (size_t)count;
	}
	reader->has_moment = true;
	return 0;
}

static int take_end(struct recording_reader *reader, struct json_object *object)
{
	int64_t sample, crc;

	if (!number_member(object, "end", 0, INT64_MAX, &sample) ||
	    !number_member(object, "crc", 0, UINT32_MAX, &crc) || !reader->has_moment ||
	    (uint64_t)sample != reader->samples || (uLong)crc != reader->crc)
		return damaged(reader, "the checksum of the sample is wrong");
	reader->last_ns = reader->moment.monotonic_ns;
	reader->samples++;
	return 1;
}

static int take_objects(struct recording_reader *reader, struct json_object *list,
			int (*take)(struct recording_reader *reader, struct json_object *object))
{
	size_t i;
	int r = 0;

	for (i = 0; i < json_object_array_length(list) && r == 0; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		r = json_object_is_type(item, json_type_object)
			    ? take(reader, item)
			    : damaged(reader, "it is no object");
	}
	return r;
}

static int take_names(struct recording_reader *reader, struct json_object *list)
{
	return take_objects(reader, list, take_name);
}

static int take_guests(struct recording_reader *reader, struct json_object *list)
{
	return take_objects(reader, list, take_guest);
}

/* Takes a line of a sample. Returns 1 at the sample's end, 0 or -errno. */
static int take_line(struct recording_reader *reader, struct json_object *object)
{
	static const struct {
		const char *key;
		int (*take)(struct recording_reader *reader, struct json_object *list);
	} lists[] = {
		{"names", take_names},   {"ended", take_ended},
		{"guests", take_guests}, {"owners", take_owners},
		{"cpus", take_cpus},     {"rows", take_rows},
		{"gone", take_gone},     {"values", take_values},
		{"shapes", take_shapes}, {"distributions", take_distributions},
	};
	struct json_object *value;
	size_t i;
	int r = 0;

	if (reader->closed)
		return damaged(reader, "something follows the end");
	reader->closed = bool_member(object, "closed");
	if (reader->closed)
		return reader->crc || reader->is_key ? damaged(reader, "the sample has no end") : 0;
	if (bool_member(object, "key"))
		r = take_key(reader);
	else if (reader->samples == 0 && !reader->is_key)
		return damaged(reader, "the first sample does not begin a segment");
	for (i = 0; i < array_size(lists) && r == 0; i++) {
		if (!json_object_object_get_ex(object, lists[i].key, &value))
			continue;
		r = json_object_is_type(value, json_type_array) ? lists[i].take(reader, value)
								: damaged(reader, "it is no list");
	}
	if (r == 0 && json_object_object_get_ex(object, "sample", &value))
		r = take_moment(reader, object);
	if (r == 0 && json_object_object_get_ex(object, "end", &value))
		return take_end(reader, object);
	if (r == 0)
		reader->crc = crc32(reader->crc, (const Bytef *)reader->line,
				    (uInt)reader->line_length);
	return r;
}

int recording_reader_next(struct recording_reader *reader)
{
	int r;

	if (reader->damage)
		return -EBADMSG;
	reader->crc = 0;
	reader->is_key = reader->has_moment = false;
	for (;;) {
		struct json_object *object;

		r = read_object(reader, &object);
		if (r <= 0)
			return r;
		r = take_line(reader, object);
		json_object_put(object);
		reader->line_number++;
		reader->member_lines++;
		if (r)
			return r;
	}
}

/* Reads the head. Returns 0 or -errno; -EBADMSG with *ret_why or none. */
static int read_head(struct recording_reader *reader, char **ret_why)
{
	struct json_object *object;
	int r = read_object(reader, &object);

	if (r == 0 || r == -EBADMSG)
		return -EBADMSG;
	if (r < 0)
		return r;
	r = take_head(reader, object, ret_why);
	json_object_put(object);
	reader->line_number++;
	return r;
}

int recording_reader_open(const char *path, struct recording_reader **ret_reader, char **ret_why)
{
	struct recording_reader *reader = calloc(1, sizeof(*reader));
	struct stat st;
	int r = 0;

	*ret_why = NULL;
	if (!reader)
		return -ENOMEM;
	/* O_NONBLOCK: a FIFO must not be waited for. */
	reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	reader->tokener = json_tokener_new_ex(DEPTH);
	if (reader->fd < 0)
		r = -errno;
	else if (!reader->tokener || inflateInit2(&reader->inflate, GZIP_WINDOW) != Z_OK)
		r = -ENOMEM;
	else if (fstat(reader->fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -ENOTSUP;
	else
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

static void keep_node(void *node)
{
	(void)node;
}

void recording_reader_close(struct recording_reader *reader)
{
	size_t i;

	if (!reader)
		return;
	forget_rows(reader);
	tdestroy(reader->name_tree, keep_node);
	for (i = 0; i < reader->name_count; i++)
		free_name(reader->names[i]);
	for (i = 0; i < reader->head.source_count; i++)
		free(reader->head.sources[i]);
	free(reader->head.host);
	free(reader->head.kernel);
	free(reader->head.program);
	guests_done(&reader->guests);
	free(reader->names);
	free(reader->ids);
	free(reader->owners);
	free(reader->shapes);
	free(reader->rows);
	free(reader->line);
	free(reader->damage);
	inflateEnd(&reader->inflate);
	if (reader->tokener)
		json_tokener_free(reader->tokener);
	if (reader->fd >= 0)
		close(reader->fd);
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
	/* The head stands before the first one. */
	return reader->is_key && (reader->key_is_first || reader->key_offset == 0);
}

int recording_reader_seek(struct recording_reader *reader, uint64_t sample, off_t offset)
{
	struct json_object *object;
	int r;

	forget_rows(reader);
	free(take_ptr(reader->damage));
	reader->offset = offset;
	reader->inflate.avail_in = 0;
	reader->plain_at = reader->plain_count = 0;
	reader->in_member = false;
	reader->samples = sample;
	reader->last_ns = 0;
	reader->closed = false;
	if (offset)
		return 0;
	r = read_object(reader, &object);
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
	return &reader->guests;
}

const struct recorded_name *const *recording_reader_names(const struct recording_reader *reader,
							  size_t *ret_count)
{
	*ret_count = reader->name_count;
	return (const struct recorded_name *const *)reader->names;
}

int recording_reader_rows(const struct recording_reader *reader,
			  int (*take)(const struct recorded_name *name,
				      const struct sample_row *row,
				      const struct distribution *distribution, void *data),
			  void *data)
{
	size_t i;
	int r = 0;

	for (i = 0; i < reader->row_count && r >= 0; i++) {
		const struct recorded_row *recorded = &reader->rows[i];
		const struct recorded_owner *owner = &reader->owners[recorded->owner];
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
