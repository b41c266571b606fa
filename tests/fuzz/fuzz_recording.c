/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording with any content: read in bounded memory up to the damage, the same again in any order.
 * With a first byte of 'f' the rest is the file itself. Else it is lines, which are packed, and get
 * the checksum that they need: "end" alone on a line ends a sample.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "kvm_stat/rates.h"
#include "kvm_stat/replay.h"
#include "tests/unit/tree.h"

static struct tree tree;
static char *path;

static void remove_tree(void)
{
	free(path);
	tree_remove(&tree);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	tree_make(&tree);
	atexit(remove_tree);
	path = tree_path(&tree, "recording");
	return 0;
}

static void put_file(const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	promise(fd >= 0);
	promise(write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void put_lines(const char *text)
{
	gzFile file = gzopen(path, "wb1");
	uLong crc = crc32(0, NULL, 0);
	unsigned int samples = 0;
	bool first = true;

	promise(file);
	while (*text) {
		size_t length = strcspn(text, "\n");

		if (length == 3 && strncmp(text, "end", 3) == 0) {
			promise(gzprintf(file, "{\"end\":%u,\"crc\":%lu}\n", samples++, crc) > 0);
			crc = crc32(0, NULL, 0);
		} else if (length) {
			promise(gzwrite(file, text, (unsigned int)length) > 0);
			promise(gzputc(file, '\n') == '\n');
			if (!first)
				crc = crc32(crc32(crc, (const Bytef *)text, (uInt)length),
					    (const Bytef *)"\n", 1);
			first = false;
		}
		text += length + (text[length] != '\0');
	}
	promise(gzputs(file, "{\"closed\":true}\n") > 0);
	promise(gzclose(file) == Z_OK);
}

/* All that a sample is, as one number. */
static uint64_t digest(struct source *replay, uint64_t number)
{
	struct sample sample = {0};
	uint64_t sum = 0;
	size_t i;

	replay_seek(replay, number);
	promise(source_read(replay, &sample) == 0);
	promise(replay_moment(replay)->monotonic_ns > 0);
	sample_sort(&sample);
	for (i = 0; i < sample.count; i++) {
		const struct sample_row *row = &sample.rows[i];
		const struct distribution *distribution = sample_distribution(&sample, row);
		const char *p;

		for (p = row->name; *p; p++) {
			promise((unsigned char)*p >= ' ');
			sum = sum * 31 + (unsigned char)*p;
		}
		sum = sum * 31 + row->value + (uint64_t)row->guest * 7 + row->thread.vcpu;
		if (distribution) {
			promise(distribution->bucket_count <= DISTRIBUTION_BUCKETS_MAX);
			sum = sum * 31 + distribution->count + distribution->sum;
		}
	}
	sample_done(&sample);
	return sum;
}

static void replay_all(struct source *replay, enum selection_by by)
{
	struct selection selection = {.by = by, .children = true, .latency = true};
	uint64_t digests[64] = {0}, count = replay_count(replay), i;
	struct source_error error;
	struct rates rates = {.first = true};
	struct sample sample = {0};

	if (source_select(replay, &selection, &error) < 0)
		return;
	count = count < 64 ? count : 64;
	for (i = 0; i < count; i++)
		digests[i] = digest(replay, i);
	for (i = count; i-- > 0;)
		promise(digest(replay, i) == digests[i]);
	/* And as the program does it, with a reset in between. */
	replay_seek(replay, 0);
	for (i = 0; i < count; i++) {
		sample_clear(&sample);
		promise(source_read(replay, &sample) == 0);
		sample.time_ns = replay_moment(replay)->monotonic_ns;
		sample_sort(&sample);
		promise(rates_update(&rates, &sample) == 0);
		if (i == count / 2)
			source_reset(replay);
	}
	rates_done(&rates);
	sample_clear(&sample);
	replay_leap(replay);
	if (count > 1) {
		int r = source_read(replay, &sample);

		/* Guests that ended may have had more rows than are shown. */
		promise(r == 0 || (r == -E2BIG && by != BY_FIELD));
	}
	sample_done(&sample);
}

/* One guest, who may have ended: the same in any order. */
static void replay_guest(struct source *replay, pid_t pid)
{
	struct selection selection = {.pid = pid, .children = true, .latency = true};
	uint64_t digests[64] = {0}, count = replay_count(replay), i;
	struct source_error error;

	if (source_select(replay, &selection, &error) < 0)
		return;
	count = count < 64 ? count : 64;
	for (i = 0; i < count; i++)
		digests[i] = digest(replay, i);
	for (i = count; i-- > 0;)
		promise(digest(replay, i) == digests[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source *replay = NULL;
	char *why = NULL;
	int r;

	if (size && data[0] == 'f') {
		put_file(data + 1, size - 1);
	} else {
		char *text = fuzz_text(data, size);

		put_lines(text);
		free(text);
	}
	r = replay_open(path, NULL, &replay, &why);
	if (r < 0) {
		promise(why && !replay);
		free(why);
		return 0;
	}
	replay_all(replay, BY_FIELD);
	replay_all(replay, BY_GUEST);
	replay_all(replay, BY_VCPU);
	if (replay_all_guests(replay)->count)
		replay_guest(replay, replay_all_guests(replay)->list[0].pid);
	source_close(replay);
	return 0;
}
