/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "host/text.h"
#include "kvm_stat/json_put.h"
#include "kvm_stat/log_file.h"

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, in gzip's frame */
#define NO_ROW      UINT32_MAX

/* A name that rows have had. `threads`: rows of it are of threads, else of guests or of all. */
struct written_name {
	const char *name, *parent;
	bool is_flag, threads;
	enum field_kind kind;
	enum field_unit unit;
};

/* The numbers under which the file knows the parts of a row. */
struct written_row {
	uint32_t id, name, owner, shape;
};

struct written_owner {
	pid_t guest;
	struct sample_thread thread;
};

/* What distributions have in common. */
struct shape {
	enum distribution_scale scale;
	uint64_t bucket_size;
	unsigned int bucket_count;
	bool has_moments, has_extremes;
};

struct recording_writer {
	struct log_file file;
	z_stream deflate;
	unsigned char *packed; /* what deflate made of the present sample */
	size_t packed_count, packed_room;
	FILE *text; /* the lines of the present sample */
	char *text_data;
	size_t text_length;
	uint64_t samples;
	int error; /* -errno: the file ends here */
	/* What the file says so far in this segment; names stay for all segments. */
	struct written_name *names;
	uint32_t name_count, names_written;
	struct written_owner *owners;
	uint32_t owner_count, owner_room, last_owner;
	struct shape *shapes;
	uint32_t shape_count;
	uint32_t next_row;
	struct sample before;
	struct written_row *rows; /* of the rows of `before` */
	struct guest *guests;
	size_t guest_count;
	/* What rows that are gone had counted. */
	struct sample retired;
};

/* A list of numbers in lines of a bounded length. */
struct number_list {
	FILE *stream;
	const char *key;
	size_t count; /* in this line */
	int64_t last; /* the last id of this line */
};

/* Begins `count` numbers that belong together, and so into one line. */
static void list_begin(struct number_list *list, size_t count)
{
	if (list->count && list->count + count > RECORDING_LIST_MAX) {
		fputs("]}\n", list->stream);
		list->count = 0;
	}
	if (!list->count) {
		fprintf(list->stream, "{\"%s\":[", list->key);
		list->last = 0;
	}
}

static void list_put(struct number_list *list, int64_t number)
{
	fprintf(list->stream, "%s%" PRId64, list->count++ ? "," : "", number);
}

/* Ids mostly ascend in small steps, which take less than they themselves. */
static void list_put_id(struct number_list *list, int64_t id)
{
	list_put(list, id - list->last);
	list->last = id;
}

static void list_end(struct number_list *list)
{
	if (list->count)
		fputs("]}\n", list->stream);
	list->count = 0;
}

/* A change modulo 2^64, so that every one of them fits into 64 bits with a sign. */
static int64_t change(uint64_t now, uint64_t before)
{
	return (int64_t)(now - before);
}

static int pack(struct recording_writer *writer, const char *text, size_t length, int flush)
{
	z_stream *stream = &writer->deflate;

	stream->next_in = (Bytef *)text;
	stream->avail_in = (uInt)length;
	do {
		size_t room = writer->packed_room - writer->packed_count;

		if (room < 4096) {
			unsigned char *grown = realloc(writer->packed, writer->packed_room + 65536);

			if (!grown)
				return -ENOMEM;
			writer->packed = grown;
			writer->packed_room += 65536;
			room += 65536;
		}
		stream->next_out = writer->packed + writer->packed_count;
		stream->avail_out = (uInt)room;
		if (deflate(stream, flush) == Z_STREAM_ERROR)
			return -EIO;
		writer->packed_count += room - stream->avail_out;
	} while (!stream->avail_out);
	return 0;
}

static int write_packed(struct recording_writer *writer)
{
	int r = log_file_write(&writer->file, (const char *)writer->packed, writer->packed_count);

	writer->packed_count = 0;
	return r;
}

/* Puts {"key":[objects]} on a line, whose object is released. */
static void write_line(struct json *json, struct recording_writer *writer,
		       struct json_object *object)
{
	json_write(json, writer->text, object, 0);
	putc('\n', writer->text);
}

static void write_one(struct json *json, struct recording_writer *writer, const char *key,
		      struct json_object *object)
{
	struct json_object *line = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_put(json, list, NULL, object);
	json_put(json, line, key, list);
	write_line(json, writer, line);
}

/* Ends the lines of a sample. Returns 0 or -errno; the text is in writer->text_data. */
static int end_text(struct recording_writer *writer, bool failed)
{
	int r = fclose(writer->text) || failed ? -ENOMEM : 0;

	writer->text = NULL;
	return r;
}

static int start_text(struct recording_writer *writer)
{
	free(take_ptr(writer->text_data));
	writer->text = open_memstream(&writer->text_data, &writer->text_length);
	return writer->text ? 0 : -ENOMEM;
}

static int write_head(struct recording_writer *writer, const struct recording_head *head)
{
	struct json json = {0};
	struct json_object *object = json_object_new_object();
	struct json_object *sources = json_object_new_array();
	struct timespec now;
	size_t i;
	int r = start_text(writer);

	if (r < 0) {
		json_object_put(object);
		json_object_put(sources);
		return r;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	json_put_text(&json, object, "schema", RECORDING_SCHEMA);
	json_put_time(&json, object, "start", &now);
	if (head->host)
		json_put_foreign(&json, object, "host", head->host);
	if (head->kernel)
		json_put_foreign(&json, object, "kernel", head->kernel);
	if (head->program)
		json_put_text(&json, object, "program", head->program);
	for (i = 0; i < head->source_count; i++)
		json_put_text(&json, sources, NULL, head->sources[i]);
	json_put(&json, object, "sources", sources);
	json_put_text(&json, object, "by", json_by_names[head->by]);
	json_put_decimal(&json, object, "interval", head->interval, 3);
	write_line(&json, writer, object);
	r = end_text(writer, json.failed);
	if (r == 0)
		r = pack(writer, writer->text_data, writer->text_length, Z_SYNC_FLUSH);
	return r < 0 ? r : write_packed(writer);
}

static void free_guests(struct recording_writer *writer)
{
	while (writer->guest_count) {
		struct guest *guest = &writer->guests[--writer->guest_count];

		free(guest->name);
		free(guest->raw_name);
	}
}

static void free_writer(struct recording_writer *writer)
{
	deflateEnd(&writer->deflate);
	free_guests(writer);
	sample_done(&writer->before);
	sample_done(&writer->retired);
	free(writer->guests);
	free(writer->names);
	free(writer->owners);
	free(writer->shapes);
	free(writer->rows);
	free(writer->packed);
	free(writer->text_data);
	free(writer);
}

int recording_writer_open(const char *path, const struct recording_head *head,
			  struct recording_writer **ret_writer)
{
	struct recording_writer *writer = calloc(1, sizeof(*writer));
	int close_error, fd, r;

	if (!writer)
		return -ENOMEM;
	if (deflateInit2(&writer->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(writer);
		return -ENOMEM;
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0) {
		r = -errno;
		free_writer(writer);
		return r;
	}
	writer->file = (struct log_file){.path = path, .fd = fd, .regular = true, .signal_fd = -1};
	r = write_head(writer, head);
	if (r < 0) {
		/* Without its head it is no recording; the first error is the one to tell. */
		close_error = log_file_close(&writer->file);
		(void)close_error;
		(void)!unlink(path);
		free_writer(writer);
		return r;
	}
	*ret_writer = writer;
	return 0;
}

/* What is gone */

static int compare_pids(const void *a, const void *b)
{
	const pid_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* The guests that have rows in a sample. Returns 0 with *ret_pids to be freed, or -ENOMEM. */
static int list_pids(const struct sample *sample, pid_t **ret_pids, size_t *ret_count)
{
	pid_t *pids = calloc(sample->count + 1, sizeof(*pids)), last = 0;
	size_t i, count = 0;

	if (!pids)
		return -ENOMEM;
	for (i = 0; i < sample->count; i++) {
		/* Rows of one field are in the order of the guests: most repeats go here. */
		if (sample->rows[i].guest && sample->rows[i].guest != last)
			pids[count++] = last = sample->rows[i].guest;
	}
	qsort(pids, count, sizeof(*pids), compare_pids);
	*ret_pids = pids;
	*ret_count = count;
	return 0;
}

/* Keeps what a row that is gone had counted: for its guest while that is there, else for all. */
static int retire_row(struct recording_writer *writer, const struct sample_row *row,
		      const struct distribution *distribution, bool guest_is_there)
{
	struct sample_row kept = *row;

	kept.thread = (struct sample_thread){0};
	kept.guest = guest_is_there && row->thread.tid ? row->guest : 0;
	kept.distribution = 0;
	return distribution ? sample_add_distribution(&writer->retired, kept, distribution)
			    : sample_add(&writer->retired, kept);
}

/* Packs the distributions of the rows that are left after sample_sort() merged some. */
static int compact(struct sample *sample)
{
	struct sample packed = {0};
	size_t i;
	int r = 0;

	for (i = 0; i < sample->count && r == 0; i++) {
		const struct distribution *distribution = sample_distribution(sample,
									      &sample->rows[i]);

		r = distribution ? sample_add_distribution(&packed, sample->rows[i], distribution)
				 : sample_add(&packed, sample->rows[i]);
	}
	if (r < 0) {
		sample_done(&packed);
		return r;
	}
	sample_done(sample);
	*sample = packed;
	return 0;
}

/*
 * Whether a thread that was not known to run a virtual CPU is known to now, so that it has another
 * row. `at` is where its own would be in `now`: those of the guest's vCPUs come after it.
 */
static bool became_vcpu(const struct sample *now, size_t at, const struct sample_row *row)
{
	for (; at < now->count && !row->thread.is_vcpu; at++) {
		const struct sample_row *other = &now->rows[at];

		if (other->guest != row->guest || strcmp(other->name, row->name) != 0)
			return false;
		if (other->thread.tid == row->thread.tid)
			return true;
	}
	return false;
}

/*
 * Retires the rows of `before` that are not in `now`. What was retired for a guest goes on to all
 * guests when that guest ends.
 */
static int retire(struct recording_writer *writer, const struct sample *now)
{
	const struct sample *before = &writer->before;
	cleanup_free pid_t *pids = NULL;
	size_t i, j = 0, count, retired = writer->retired.count;
	bool changed = false;
	int r = list_pids(now, &pids, &count);

	for (i = 0; i < retired && r == 0; i++) {
		pid_t *guest = &writer->retired.rows[i].guest;

		if (*guest && !bsearch(guest, pids, count, sizeof(*pids), compare_pids)) {
			*guest = 0;
			changed = true;
		}
	}
	for (i = 0; i < before->count && r == 0; i++) {
		const struct sample_row *row = &before->rows[i];
		bool threads = writer->names[writer->rows[i].name].threads;

		while (j < now->count && sample_row_compare(&now->rows[j], row) < 0)
			j++;
		if (j < now->count && sample_row_compare(&now->rows[j], row) == 0)
			continue;
		/* Only what the source has told: not what was retired before. */
		if (!field_counts_up(row->kind) || !row->guest || (threads && !row->thread.tid) ||
		    became_vcpu(now, j, row))
			continue;
		r = retire_row(writer, row, sample_distribution(before, row),
			       bsearch(&row->guest, pids, count, sizeof(*pids), compare_pids));
		changed = true;
	}
	if (r == 0 && changed) {
		sample_sort(&writer->retired);
		r = compact(&writer->retired);
	}
	return r;
}

static int add_retired(struct recording_writer *writer, struct sample *now)
{
	const struct sample *retired = &writer->retired;
	size_t i;
	int r = 0;

	for (i = 0; i < retired->count && r == 0; i++) {
		const struct sample_row *row = &retired->rows[i];
		const struct distribution *distribution = sample_distribution(retired, row);

		r = distribution ? sample_add_distribution(now, *row, distribution)
				 : sample_add(now, *row);
	}
	if (retired->count)
		sample_sort(now);
	return r;
}

/* Names, owners, shapes: each has a number from where it occurs first */

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static int find_name(struct recording_writer *writer, const struct sample_row *row, uint32_t hint,
		     uint32_t *ret_name)
{
	uint32_t i, at;

	for (i = 0; i < writer->name_count; i++) {
		const struct written_name *name;

		at = (hint + i) % writer->name_count;
		name = &writer->names[at];
		if (strcmp(name->name, row->name) == 0 && is_same_text(name->parent, row->parent) &&
		    name->is_flag == row->is_flag && name->kind == row->kind &&
		    name->unit == row->unit)
			break;
	}
	if (i == writer->name_count) {
		struct written_name *grown;

		if (writer->name_count == RECORDING_NAMES_MAX)
			return -E2BIG;
		grown = reallocarray(writer->names, writer->name_count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		writer->names = grown;
		at = writer->name_count++;
		grown[at] = (struct written_name){.name = row->name,
						  .parent = row->parent,
						  .is_flag = row->is_flag,
						  .kind = row->kind,
						  .unit = row->unit};
	}
	writer->names[at].threads |= row->thread.tid != 0;
	*ret_name = at;
	return 0;
}

static int find_owner(struct recording_writer *writer, const struct sample_row *row,
		      uint32_t *ret_owner)
{
	struct written_owner *owner;
	uint32_t i, at;

	/* The rows of each name have the same owners in the same order, mostly. */
	for (i = 0; i < writer->owner_count; i++) {
		at = (writer->last_owner + 1 + i) % writer->owner_count;
		owner = &writer->owners[at];
		if (owner->guest == row->guest && owner->thread.tid == row->thread.tid &&
		    owner->thread.is_vcpu == row->thread.is_vcpu &&
		    owner->thread.vcpu == row->thread.vcpu)
			break;
	}
	if (i == writer->owner_count) {
		if (writer->owner_count == RECORDING_OWNERS_MAX)
			return -E2BIG;
		if (writer->owner_count == writer->owner_room) {
			uint32_t room = writer->owner_room ? writer->owner_room * 2 : 64;
			struct written_owner *grown = reallocarray(writer->owners, room,
								   sizeof(*grown));

			if (!grown)
				return -ENOMEM;
			writer->owners = grown;
			writer->owner_room = room;
		}
		at = writer->owner_count++;
		writer->owners[at] = (struct written_owner){.guest = row->guest,
							    .thread = row->thread};
		writer->owners[at].thread.has_cpu = false;
	}
	*ret_owner = writer->last_owner = at;
	return 0;
}

static struct shape shape_of(const struct distribution *distribution)
{
	return (struct shape){.scale = distribution->scale,
			      .bucket_size = distribution->bucket_size,
			      .bucket_count = distribution->bucket_count,
			      .has_moments = distribution->has_moments,
			      .has_extremes = distribution->has_extremes};
}

/* Shape 0 is that of no distribution. */
static int find_shape(struct recording_writer *writer, const struct distribution *distribution,
		      uint32_t *ret_shape)
{
	struct shape wanted, *grown;
	uint32_t i;

	*ret_shape = 0;
	if (!distribution)
		return 0;
	wanted = shape_of(distribution);
	for (i = 0; i < writer->shape_count; i++) {
		const struct shape *shape = &writer->shapes[i];

		if (shape->scale == wanted.scale && shape->bucket_size == wanted.bucket_size &&
		    shape->bucket_count == wanted.bucket_count &&
		    shape->has_moments == wanted.has_moments &&
		    shape->has_extremes == wanted.has_extremes)
			break;
	}
	if (i == writer->shape_count) {
		if (i == RECORDING_SHAPES_MAX)
			return -E2BIG;
		grown = reallocarray(writer->shapes, i + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		writer->shapes = grown;
		grown[writer->shape_count++] = wanted;
	}
	*ret_shape = i + 1;
	return 0;
}

/* The lines of a sample */

static void write_names(struct json *json, struct recording_writer *writer)
{
	for (; writer->names_written < writer->name_count; writer->names_written++) {
		const struct written_name *name = &writer->names[writer->names_written];
		struct json_object *object = json_object_new_object();

		json_put_foreign(json, object, "name", name->name);
		if (name->parent)
			json_put_foreign(json, object, "parent", name->parent);
		if (name->is_flag)
			json_put_bool(json, object, "flag", true);
		json_put_text(json, object, "kind", json_kind_names[name->kind]);
		json_put_text(json, object, "unit", json_unit_names[name->unit]);
		write_one(json, writer, "names", object);
	}
}

static bool is_same_guest(const struct guest *a, const struct guest *b)
{
	return b && a->pid == b->pid && strcmp(a->raw_name, b->raw_name) == 0;
}

static const struct guest *find_written(const struct recording_writer *writer, pid_t pid)
{
	struct guests written = {.list = writer->guests, .count = writer->guest_count};

	return guests_find_pid(&written, pid);
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

static int write_guests(struct json *json, struct recording_writer *writer,
			const struct guests *guests)
{
	struct number_list ended = {.stream = writer->text, .key = "ended"};
	struct guest *now = calloc(guests->count + 1, sizeof(*now));
	size_t i, count = 0;
	int r = now ? 0 : -ENOMEM;

	for (i = 0; i < writer->guest_count && r == 0; i++) {
		if (!guests_find_pid(guests, writer->guests[i].pid)) {
			list_begin(&ended, 1);
			list_put(&ended, writer->guests[i].pid);
		}
	}
	list_end(&ended);
	for (i = 0; i < guests->count && count < RECORDING_GUESTS_MAX && r == 0; i++) {
		struct json_object *object;

		r = copy_guest(&guests->list[i], &now[count]);
		if (r < 0)
			break;
		count++;
		if (is_same_guest(&now[count - 1], find_written(writer, now[count - 1].pid)))
			continue;
		object = json_object_new_object();
		json_put_int(json, object, "pid", now[count - 1].pid);
		json_put_guest_name(json, object, &now[count - 1]);
		write_one(json, writer, "guests", object);
	}
	free_guests(writer);
	free(writer->guests);
	writer->guests = now;
	writer->guest_count = now ? count : 0;
	return r;
}

/* Gives every row of `now` its numbers; tells which rows of `before` are gone. */
static int number_rows(struct recording_writer *writer, const struct sample *now,
		       struct written_row *rows)
{
	const struct sample *before = &writer->before;
	struct number_list gone = {.stream = writer->text, .key = "gone"};
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
			list_begin(&gone, 1);
			list_put_id(&gone, writer->rows[old].id);
		}
		if (old < before->count && order == 0) {
			rows[i] = writer->rows[old++];
			continue;
		}
		rows[i].id = NO_ROW;
		r = find_name(writer, row, hint, &rows[i].name);
		if (r == 0)
			r = find_owner(writer, row, &rows[i].owner);
		hint = rows[i].name;
	}
	for (; old < before->count && r == 0; old++) {
		list_begin(&gone, 1);
		list_put_id(&gone, writer->rows[old].id);
	}
	list_end(&gone);
	return r;
}

static void write_owners(struct recording_writer *writer, uint32_t first)
{
	struct number_list list = {.stream = writer->text, .key = "owners"};

	for (; first < writer->owner_count; first++) {
		const struct written_owner *owner = &writer->owners[first];

		list_begin(&list, 3);
		list_put(&list, owner->guest);
		list_put(&list, owner->thread.tid);
		list_put(&list, owner->thread.is_vcpu ? (int64_t)owner->thread.vcpu : -1);
	}
	list_end(&list);
}

static void write_new_rows(struct recording_writer *writer, const struct sample *now,
			   struct written_row *rows)
{
	struct number_list list = {.stream = writer->text, .key = "rows"};
	size_t i;

	for (i = 0; i < now->count; i++) {
		if (rows[i].id != NO_ROW)
			continue;
		rows[i].id = writer->next_row++;
		rows[i].shape = NO_ROW; /* its first values are all new */
		list_begin(&list, 2);
		list_put(&list, rows[i].name);
		list_put(&list, rows[i].owner);
	}
	list_end(&list);
}

static void write_cpus(struct recording_writer *writer, const struct sample *now,
		       const struct written_row *rows)
{
	struct number_list list = {.stream = writer->text, .key = "cpus"};
	size_t i;

	for (i = 0; i < now->count; i++) {
		struct sample_thread *known = &writer->owners[rows[i].owner].thread;
		const struct sample_thread *thread = &now->rows[i].thread;

		if (thread->has_cpu == known->has_cpu &&
		    (!thread->has_cpu || thread->cpu == known->cpu))
			continue;
		*known = *thread;
		list_begin(&list, 2);
		list_put_id(&list, rows[i].owner);
		list_put(&list, thread->has_cpu ? (int64_t)thread->cpu : -1);
	}
	list_end(&list);
}

/* The row of `before` that has this number; the walk over both goes on from *old. */
static const struct sample_row *find_before(const struct recording_writer *writer,
					    const struct sample_row *row, size_t *old)
{
	const struct sample *before = &writer->before;
	int order = 1;

	while (*old < before->count && (order = sample_row_compare(&before->rows[*old], row)) < 0)
		(*old)++;
	return *old < before->count && order == 0 ? &before->rows[*old] : NULL;
}

static void write_values(struct recording_writer *writer, const struct sample *now,
			 const struct written_row *rows)
{
	struct number_list list = {.stream = writer->text, .key = "values"};
	size_t i, old = 0;

	for (i = 0; i < now->count; i++) {
		const struct sample_row *row = &now->rows[i];
		const struct sample_row *before = find_before(writer, row, &old);
		uint64_t value = before ? before->value : 0;
		int64_t difference;

		if (row->value == value)
			continue;
		difference = change(row->value, value);
		/* The two ends of 64 bits are what readers of JSON make of numbers beyond them. */
		if (difference == INT64_MAX || difference == INT64_MIN) {
			list_begin(&list, 2);
			list_put_id(&list, rows[i].id);
			list_put(&list, difference / 2);
			difference -= difference / 2;
		}
		list_begin(&list, 2);
		list_put_id(&list, rows[i].id);
		list_put(&list, difference);
	}
	list_end(&list);
}

static bool is_same_distribution(const struct distribution *a, const struct distribution *b)
{
	return a->count == b->count && a->sum == b->sum && a->squares_low == b->squares_low &&
	       a->squares_high == b->squares_high && a->min == b->min && a->max == b->max &&
	       memcmp(a->buckets, b->buckets, a->bucket_count * sizeof(*a->buckets)) == 0;
}

static void write_distribution(struct number_list *list, uint32_t id, uint32_t shape,
			       const struct distribution *now, const struct distribution *before)
{
	unsigned int i, changed = 0, last = 0;

	for (i = 0; now && i < now->bucket_count; i++)
		changed += now->buckets[i] != before->buckets[i];
	list_begin(list, 9 + 2 * (size_t)changed);
	list_put_id(list, id);
	list_put(list, shape);
	if (!now)
		return;
	list_put(list, changed);
	for (i = 0; i < now->bucket_count; i++) {
		if (now->buckets[i] == before->buckets[i])
			continue;
		list_put(list, i - last);
		list_put(list, change(now->buckets[i], before->buckets[i]));
		last = i;
	}
	if (now->has_moments) {
		list_put(list, change(now->sum, before->sum));
		list_put(list, change(now->squares_low, before->squares_low));
		list_put(list, change(now->squares_high, before->squares_high));
	}
	if (now->has_extremes) {
		list_put(list, change(now->min, before->min));
		list_put(list, change(now->max, before->max));
	}
}

static int write_distributions(struct recording_writer *writer, const struct sample *now,
			       struct written_row *rows)
{
	static const struct distribution nothing;
	struct number_list list = {.stream = writer->text, .key = "distributions"};
	size_t i, old = 0;
	int r = 0;

	for (i = 0; i < now->count && r == 0; i++) {
		const struct sample_row *row = &now->rows[i];
		const struct sample_row *row_before = find_before(writer, row, &old);
		const struct distribution *distribution = sample_distribution(now, row);
		const struct distribution *before =
			row_before ? sample_distribution(&writer->before, row_before) : NULL;
		uint32_t shape, known = rows[i].shape == NO_ROW ? 0 : rows[i].shape;

		r = find_shape(writer, distribution, &shape);
		rows[i].shape = shape;
		if (r < 0 || (!shape && !known))
			continue;
		if (shape == known && before && is_same_distribution(distribution, before))
			continue;
		write_distribution(&list, rows[i].id, shape, distribution,
				   shape == known && before ? before : &nothing);
	}
	list_end(&list);
	return r;
}

static void write_shapes(FILE *stream, const struct recording_writer *writer, uint32_t first)
{
	struct number_list list = {.stream = stream, .key = "shapes"};

	for (; first < writer->shape_count; first++) {
		const struct shape *shape = &writer->shapes[first];

		list_begin(&list, 5);
		list_put(&list, shape->scale == DISTRIBUTION_LINEAR);
		list_put(&list, (int64_t)shape->bucket_size);
		list_put(&list, shape->bucket_count);
		list_put(&list, shape->has_moments);
		list_put(&list, shape->has_extremes);
	}
	list_end(&list);
}

/* Shapes are known only when all distributions were looked at, but stand before them. */
static int write_shapes_first(struct recording_writer *writer, const struct sample *now)
{
	uint32_t first = writer->shape_count, ignored;
	size_t i;
	int r = 0;

	for (i = 0; i < now->count && r == 0; i++)
		r = find_shape(writer, sample_distribution(now, &now->rows[i]), &ignored);
	write_shapes(writer->text, writer, first);
	return r;
}

static void write_moment(struct json *json, struct recording_writer *writer,
			 const struct recording_moment *moment)
{
	struct json_object *object = json_object_new_object();
	bool unreadable = false;
	size_t i;

	json_put_unsigned(json, object, "sample", writer->samples);
	json_put_unsigned(json, object, "monotonic", moment->monotonic_ns);
	json_put_int(json, object, "time",
		     (int64_t)moment->time.tv_sec * 1000000000 + moment->time.tv_nsec);
	if (moment->partial)
		json_put_bool(json, object, "partial", true);
	for (i = 0; i < RECORDING_SOURCES_MAX; i++)
		unreadable |= moment->unreadable[i] != 0;
	if (unreadable) {
		struct json_object *list = json_object_new_array();

		for (i = 0; i < RECORDING_SOURCES_MAX; i++)
			json_put_int(json, list, NULL, (int64_t)moment->unreadable[i]);
		json_put(json, object, "unreadable", list);
	}
	write_line(json, writer, object);
}

/* Lets the next sample begin a segment: all that it needs is told anew. */
static void start_segment(struct recording_writer *writer)
{
	writer->names_written = 0;
	writer->owner_count = writer->last_owner = 0;
	writer->shape_count = 0;
	writer->next_row = 0;
	writer->before.count = 0;
	free_guests(writer);
}

static int write_sample(struct recording_writer *writer, struct sample *now,
			struct written_row *rows, const struct recording_moment *moment,
			const struct guests *guests, bool key)
{
	struct json json = {0};
	uint32_t owners = key ? 0 : writer->owner_count;
	int r = start_text(writer);

	if (r < 0)
		return r;
	if (key)
		fputs("{\"key\":true}\n", writer->text);
	r = write_guests(&json, writer, guests);
	if (r == 0)
		r = number_rows(writer, now, rows);
	if (r == 0) {
		write_names(&json, writer);
		write_owners(writer, owners);
		write_new_rows(writer, now, rows);
		write_cpus(writer, now, rows);
		write_values(writer, now, rows);
		r = write_shapes_first(writer, now);
	}
	if (r == 0)
		r = write_distributions(writer, now, rows);
	write_moment(&json, writer, moment);
	if (end_text(writer, json.failed) < 0 && r == 0)
		r = -ENOMEM;
	return r;
}

/* Packs the text of a sample and the line that ends it. */
static int pack_sample(struct recording_writer *writer)
{
	uLong crc = crc32(0, (const Bytef *)writer->text_data, (uInt)writer->text_length);
	char end[64];
	int length = snprintf(end, sizeof(end), "{\"end\":%" PRIu64 ",\"crc\":%lu}\n",
			      writer->samples, crc);
	int r = pack(writer, writer->text_data, writer->text_length, Z_NO_FLUSH);

	return r < 0 ? r : pack(writer, end, (size_t)length, Z_SYNC_FLUSH);
}

static int add(struct recording_writer *writer, struct sample *sample,
	       const struct recording_moment *moment, const struct guests *guests)
{
	/* Numbers of rows are used once in a segment: should they run out, another one begins. */
	bool key = writer->samples % RECORDING_SEGMENT == 0 ||
		   writer->next_row > RECORDING_ROWS_MAX / 2 ||
		   writer->owner_count > RECORDING_OWNERS_MAX / 2;
	struct written_row *rows;
	int r = retire(writer, sample);

	if (r == 0)
		r = add_retired(writer, sample);
	if (r == 0 && sample->count > RECORDING_ROWS_MAX / 2)
		r = -E2BIG;
	if (r < 0)
		return r;
	rows = calloc(sample->count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	/* Each segment is a member of its own of the gzip file. */
	if (key && writer->samples) {
		r = pack(writer, NULL, 0, Z_FINISH);
		if (r == 0 && deflateReset(&writer->deflate) != Z_OK)
			r = -EIO;
	}
	if (key)
		start_segment(writer);
	if (r == 0)
		r = write_sample(writer, sample, rows, moment, guests, key);
	if (r == 0)
		r = pack_sample(writer);
	if (r == 0)
		r = write_packed(writer);
	free(writer->rows);
	writer->rows = rows;
	if (r == 0) {
		struct sample swap = writer->before;

		writer->before = *sample;
		*sample = swap;
		writer->samples++;
	}
	return r;
}

int recording_writer_add(struct recording_writer *writer, struct sample *sample,
			 const struct recording_moment *moment, const struct guests *guests)
{
	if (!writer->error)
		writer->error = add(writer, sample, moment, guests);
	return writer->error;
}

int recording_writer_close(struct recording_writer *writer)
{
	static const char closed[] = "{\"closed\":true}\n";
	int close_error, r = writer->error;

	writer->packed_count = 0;
	if (r == 0)
		r = pack(writer, closed, strlen(closed), Z_FINISH);
	if (r == 0)
		r = write_packed(writer);
	close_error = log_file_close(&writer->file);
	/* What could not be written has been told already. */
	r = writer->error ? 0 : r < 0 ? r : close_error;
	free_writer(writer);
	return r;
}
