/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_writer.h"

#include <stdlib.h>
#include <string.h>

#include "kvm_stat/recording_distributions.h"
#include "kvm_stat/recording_guests.h"
#include "kvm_stat/recording_head.h"
#include "kvm_stat/recording_moment.h"
#include "kvm_stat/recording_names.h"
#include "kvm_stat/recording_output.h"
#include "kvm_stat/recording_retired.h"
#include "kvm_stat/recording_rows.h"

struct recording_writer {
	struct recording_output output;
	uint64_t samples;
	int error; /* -errno: the file ends here */
	/* What the file says so far in this segment; names stay for all segments. */
	struct guests guests;
	struct written_names names;
	struct written_rows rows;
	struct written_shapes shapes;
	/* What rows that are gone had counted. */
	struct sample retired;
};

/* Closes the file and frees the writer. Returns 0 or -errno. */
static int close_writer(struct recording_writer *writer)
{
	int r = recording_output_close(&writer->output);

	guests_done(&writer->guests);
	sample_done(&writer->rows.before);
	sample_done(&writer->retired);
	free(writer->names.list);
	free(writer->rows.owners);
	free(writer->rows.list);
	free(writer->shapes.list);
	free(writer);
	return r;
}

static int write_head(struct recording_output *output, const struct recording_head *head)
{
	struct json json = {0};
	int r = recording_output_start(output);

	if (r < 0)
		return r;
	recording_head_write(&json, output->lines, head);
	r = recording_output_end(output, json.failed);
	if (r == 0)
		r = recording_output_pack(output, output->text, output->text_length, true);
	return r < 0 ? r : recording_output_write(output);
}

int recording_writer_open(const char *path, const struct recording_head *head,
			  struct recording_writer **ret_writer)
{
	struct recording_writer *writer = calloc(1, sizeof(*writer));
	int close_error, r;

	if (!writer)
		return -ENOMEM;
	r = recording_output_open(&writer->output, path);
	if (r < 0) {
		free(writer);
		return r;
	}
	r = write_head(&writer->output, head);
	if (r < 0) {
		/*
		 * The first error is the one to tell. The file stays, empty: its name may lead to
		 * another one by now, which is not ours to remove.
		 */
		close_error = close_writer(writer);
		(void)close_error;
		return r;
	}
	*ret_writer = writer;
	return 0;
}

/* Lets the next sample begin a segment: all that it needs is told anew. */
static void start_segment(struct recording_writer *writer)
{
	writer->names.told = 0;
	writer->shapes.count = 0;
	recording_rows_start_segment(&writer->rows);
	recording_guests_forget(&writer->guests);
}

/* Writes the lines of a sample; `list` gets the numbers of its rows. */
static int write_sample(struct recording_writer *writer, struct sample *now,
			struct written_row *list, const struct recording_moment *moment,
			const struct guests *guests, bool key)
{
	struct json json = {0};
	FILE *lines;
	int r = recording_output_start(&writer->output);

	if (r < 0)
		return r;
	lines = writer->output.lines;
	if (key)
		fputs("{\"" RECORDING_KEY "\":true}\n", lines);
	r = recording_guests_write(&json, lines, &writer->guests, guests);
	if (r == 0)
		r = recording_rows_number(&writer->rows, &writer->names, now, list, lines);
	if (r == 0) {
		recording_names_write(&json, lines, &writer->names);
		recording_rows_write(&writer->rows, now, list, lines);
		recording_rows_write_values(&writer->rows, now, list, lines);
		r = recording_distributions_write(&writer->shapes, &writer->rows, now, list, lines);
	}
	recording_moment_write(&json, lines, writer->samples, moment);
	if (recording_output_end(&writer->output, json.failed) < 0 && r == 0)
		r = -ENOMEM;
	return r;
}

/* Packs the text of a sample and the line that ends it. */
static int pack_sample(struct recording_writer *writer)
{
	struct recording_output *output = &writer->output;
	uLong crc = crc32(0, (const Bytef *)output->text, (uInt)output->text_length);
	char end[RECORDING_END_MAX];
	size_t length = recording_moment_print_end(end, writer->samples, (uint32_t)crc);
	int r = recording_output_pack(output, output->text, output->text_length, false);

	return r < 0 ? r : recording_output_pack(output, end, length, true);
}

static int add(struct recording_writer *writer, struct sample *sample,
	       const struct recording_moment *moment, const struct guests *guests)
{
	struct written_rows *rows = &writer->rows;
	/* Numbers of rows are used once in a segment: should they run out, another one begins. */
	bool key = writer->samples % RECORDING_SEGMENT == 0 ||
		   rows->next_id > RECORDING_ROWS_MAX / 2 ||
		   rows->owner_count > RECORDING_OWNERS_MAX / 2;
	struct written_row *list;
	int r = recording_retired_add(&writer->retired, rows, &writer->names, sample);

	if (r == 0 && sample->count > RECORDING_ROWS_MAX / 2)
		r = -E2BIG;
	if (r < 0)
		return r;
	list = calloc(sample->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	/* Each segment is a member of its own of the gzip file. */
	if (key && writer->samples)
		r = recording_output_end_member(&writer->output);
	if (key)
		start_segment(writer);
	if (r == 0)
		r = write_sample(writer, sample, list, moment, guests, key);
	if (r == 0)
		r = pack_sample(writer);
	if (r == 0)
		r = recording_output_write(&writer->output);
	/* Not each sample, which would keep a disk from resting. */
	if (r == 0 && key)
		r = recording_output_sync(&writer->output);
	free(rows->list);
	rows->list = list;
	if (r == 0) {
		struct sample swap = rows->before;

		rows->before = *sample;
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
	static const char closed[] = "{\"" RECORDING_CLOSED "\":true}\n";
	int error = writer->error, r = 0, close_error;

	if (!error)
		r = recording_output_pack(&writer->output, closed, strlen(closed), false);
	if (!error && r == 0)
		r = recording_output_end_member(&writer->output);
	if (!error && r == 0)
		r = recording_output_write(&writer->output);
	if (!error && r == 0)
		r = recording_output_sync(&writer->output);
	close_error = close_writer(writer);
	/* What could not be written has been told already. */
	return error ? 0 : r < 0 ? r : close_error;
}
