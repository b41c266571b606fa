/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm_stat/recording.h"

#define DEPTH 5 /* of JSON: an object with lists of objects, and one to spare */

int recording_input_open(struct recording_input *input, const char *path, const sigset_t *ending)
{
	struct stat st;

	*input = (struct recording_input){.fd = -1};
	if (ending)
		input->ending = *ending;
	else
		sigemptyset(&input->ending);
	if (inflateInit2(&input->inflate, RECORDING_GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	input->tokener = json_tokener_new_ex(DEPTH);
	if (!input->tokener)
		return -ENOMEM;
	/* O_NONBLOCK: a FIFO must not be waited for. */
	input->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (input->fd < 0 || fstat(input->fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -ENOTSUP;
}

void recording_input_close(struct recording_input *input)
{
	free(take_ptr(input->line));
	inflateEnd(&input->inflate);
	if (input->tokener)
		json_tokener_free(input->tokener);
	if (input->fd >= 0)
		close(input->fd);
}

/* Reads from the file. Returns 1, 0 at its end or -errno. */
static int fill(struct recording_input *input)
{
	ssize_t n;

	do
		n = pread(input->fd, input->packed, sizeof(input->packed), input->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	input->offset += n;
	input->inflate.next_in = input->packed;
	input->inflate.avail_in = (uInt)n;
	return n > 0;
}

bool recording_input_is_interrupted(const struct recording_input *input)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigandset(&pending, &pending, &input->ending) == 0 &&
	       !sigisemptyset(&pending);
}

/*
 * Unpacks some more. Returns 1, 0 at the end of the last member, or -errno. What was unpacked before
 * a damage is given first. Signals are asked for here because a file can be small and have no end of
 * lines, and a sample as well: each time there is as much to do as 64 KiB of text can ask for.
 */
static int unpack(struct recording_input *input, const char **ret_why)
{
	z_stream *stream = &input->inflate;
	int r;

	for (;;) {
		if (recording_input_is_interrupted(input))
			return -EINTR;
		if (!stream->avail_in) {
			r = fill(input);
			if (r < 0)
				return r;
			if (r == 0)
				return input->may_end && !input->in_member
					       ? 0
					       : recording_damage(ret_why,
								  "the file ends there: its writer "
								  "was killed, or still writes");
		}
		if (!input->in_member) {
			input->member_offset = input->offset - (off_t)stream->avail_in;
			/* The line that is being read began before it. */
			input->member_lines = input->line_length ? 1 : 0;
			if (inflateReset(stream) != Z_OK)
				return -ENOMEM;
			input->in_member = true;
		}
		stream->next_out = input->plain;
		stream->avail_out = sizeof(input->plain);
		r = inflate(stream, Z_NO_FLUSH);
		input->plain_at = 0;
		input->plain_count = sizeof(input->plain) - stream->avail_out;
		if (r == Z_STREAM_END)
			input->in_member = false;
		if (r == Z_MEM_ERROR)
			return -ENOMEM;
		if (input->plain_count)
			return 1;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return recording_damage(ret_why, "it cannot be unpacked");
	}
}

static int append(struct recording_input *input, const unsigned char *text, size_t length,
		  const char **ret_why)
{
	size_t wanted = input->line_length + length;

	if (wanted > RECORDING_LINE_MAX)
		return recording_damage(ret_why, "the line is too long");
	if (wanted + 1 > input->line_room) {
		size_t room = wanted * 2 + 1024;
		char *grown = realloc(input->line, room);

		if (!grown)
			return -ENOMEM;
		input->line = grown;
		input->line_room = room;
	}
	memcpy(input->line + input->line_length, text, length);
	input->line_length = wanted;
	return 0;
}

/* Reads a line with its end into input->line. Returns 1, 0 at the end of the file, or -errno. */
static int read_line(struct recording_input *input, const char **ret_why)
{
	int r;

	input->line_length = 0;
	for (;;) {
		const unsigned char *text = input->plain + input->plain_at, *end;
		size_t length = input->plain_count - input->plain_at;

		if (!length) {
			r = unpack(input, ret_why);
			if (r == 0 && input->line_length)
				return recording_damage(ret_why, "the line has no end");
			if (r <= 0)
				return r;
			continue;
		}
		end = memchr(text, '\n', length);
		if (end)
			length = (size_t)(end - text) + 1;
		r = append(input, text, length, ret_why);
		if (r < 0)
			return r;
		input->plain_at += length;
		if (end)
			return 1;
	}
}

int recording_input_read(struct recording_input *input, struct json_object **ret_object,
			 const char **ret_why)
{
	struct json_object *object;
	int r;

	input->line_number++;
	r = read_line(input, ret_why);
	if (r <= 0)
		return r;
	input->member_lines++;
	json_tokener_reset(input->tokener);
	object = json_tokener_parse_ex(input->tokener, input->line, (int)input->line_length - 1);
	if (json_tokener_get_error(input->tokener) != json_tokener_success ||
	    !json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return recording_damage(ret_why, "it is no JSON object");
	}
	*ret_object = object;
	return 1;
}

void recording_input_seek(struct recording_input *input, off_t offset)
{
	input->offset = offset;
	input->inflate.avail_in = 0;
	input->plain_at = input->plain_count = 0;
	input->in_member = false;
	input->may_end = false;
}
