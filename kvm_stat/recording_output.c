/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvm_stat/recording.h"

#define ROOM_LEAST 4096
#define ROOM_STEP  65536

int recording_output_open(struct recording_output *output, const char *path)
{
	int fd, error;

	*output = (struct recording_output){.file = LOG_FILE_NONE};
	if (deflateInit2(&output->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, RECORDING_GZIP_WINDOW,
			 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	/* For its owner only, as the counters are that it is made of. */
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0) {
		error = -errno;
		deflateEnd(&output->deflate);
		return error;
	}
	output->file = (struct log_file){.path = path, .fd = fd, .regular = true, .signal_fd = -1};
	return 0;
}

int recording_output_start(struct recording_output *output)
{
	free(take_ptr(output->text));
	output->lines = open_memstream(&output->text, &output->text_length);
	return output->lines ? 0 : -ENOMEM;
}

int recording_output_end(struct recording_output *output, bool failed)
{
	return fclose(take_ptr(output->lines)) || failed ? -ENOMEM : 0;
}

static int pack(struct recording_output *output, const char *text, size_t length, int flush)
{
	z_stream *stream = &output->deflate;

	stream->next_in = (Bytef *)text;
	stream->avail_in = (uInt)length;
	do {
		size_t room = output->packed_room - output->packed_count;

		if (room < ROOM_LEAST) {
			unsigned char *grown = realloc(output->packed,
						       output->packed_room + ROOM_STEP);

			if (!grown)
				return -ENOMEM;
			output->packed = grown;
			output->packed_room += ROOM_STEP;
			room += ROOM_STEP;
		}
		stream->next_out = output->packed + output->packed_count;
		stream->avail_out = (uInt)room;
		if (deflate(stream, flush) == Z_STREAM_ERROR)
			return -EIO;
		output->packed_count += room - stream->avail_out;
	} while (!stream->avail_out);
	return 0;
}

int recording_output_pack(struct recording_output *output, const char *text, size_t length,
			  bool flush)
{
	return pack(output, text, length, flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
}

int recording_output_end_member(struct recording_output *output)
{
	int r = pack(output, NULL, 0, Z_FINISH);

	return r == 0 && deflateReset(&output->deflate) != Z_OK ? -EIO : r;
}

int recording_output_write(struct recording_output *output)
{
	int r = log_file_write(&output->file, (const char *)output->packed, output->packed_count);

	output->packed_count = 0;
	return r;
}

int recording_output_sync(struct recording_output *output)
{
	return fdatasync(output->file.fd) < 0 ? -errno : 0;
}

int recording_output_close(struct recording_output *output)
{
	int r = log_file_close(&output->file);

	deflateEnd(&output->deflate);
	free(take_ptr(output->packed));
	free(take_ptr(output->text));
	return r;
}
