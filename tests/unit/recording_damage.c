/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings that are cut off, damaged or made to do harm: what is shown of them is true, and what is
 * wrong with them is said.
 */
#include "tests/unit/recorded_host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "kvm_stat/replay.h"

static unsigned char *read_all(size_t *ret_size)
{
	off_t size = file_size();
	unsigned char *data = malloc((size_t)size);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)size), size);
	close(fd);
	*ret_size = (size_t)size;
	return data;
}

static void write_all(const unsigned char *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

/* Reads what is left of a recording: all that is shown is true. Returns how many samples that is. */
static int read_damaged(bool *ret_damaged)
{
	struct source *replay = NULL;
	char *why = NULL;
	int r = replay_open(path, NULL, &replay, &why), number, count;

	if (r < 0) {
		assert_int_equal(r, -EBADMSG);
		assert_non_null(why);
		free(why);
		*ret_damaged = true;
		return -1;
	}
	*ret_damaged = replay_damage(replay);
	count = (int)replay_count(replay);
	select_by(replay, BY_VCPU);
	for (number = 0; number < count; number++)
		check_sample(replay, BY_VCPU, number);
	source_close(replay);
	return count;
}

/* Cut off anywhere, as by a crash: no sample is missing that was in the file as a whole. */
static void test_cut(void **state)
{
	unsigned char *data;
	size_t size, at;

	(void)state;
	record(5, 70);
	data = read_all(&size);
	for (at = 0; at < size; at += at < 600 ? 1 : 1 + dice(160)) {
		bool is_damaged;
		int count;

		write_all(data, at);
		count = read_damaged(&is_damaged);
		assert_true(is_damaged);
		/* The last bytes of a sample only mark its end: it may be there without them. */
		if ((off_t)at < head_size)
			assert_in_range(count + 1, 0, 1);
		else
			assert_in_range(count, samples_within(at), samples_within(at + 8));
	}
	free(data);
}

/* A bit that flips: samples before it are there, and none is shown that is not true. */
static void test_flipped(void **state)
{
	unsigned char *data;
	size_t size;
	int i, noticed = 0;

	(void)state;
	record(6, 70);
	data = read_all(&size);
	for (i = 0; i < 400; i++) {
		size_t at = dice((uint32_t)size);
		unsigned char bit = (unsigned char)(1U << dice(8));
		bool is_damaged;
		int count;

		data[at] ^= bit;
		write_all(data, size);
		count = read_damaged(&is_damaged);
		if ((off_t)at >= head_size)
			assert_true(count >= samples_within(at));
		noticed += is_damaged;
		data[at] ^= bit;
	}
	/* But for some bits of gzip's header, which mean nothing. */
	assert_in_range(noticed, 380, 400);
	free(data);
}

/* Lines as text, each sample with a checksum that is right: so they are looked into. */
static char *make_text(const char *const *lines, size_t *ret_size)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, ret_size);
	uLong crc = crc32(0, NULL, 0);
	unsigned int samples = 0, i;

	assert_non_null(stream);
	for (i = 0; lines[i]; i++) {
		if (strcmp(lines[i], "END") == 0) {
			fprintf(stream, "{\"end\":%u,\"crc\":%lu}\n", samples, crc);
			crc = crc32(0, NULL, 0);
			samples++;
			continue;
		}
		fprintf(stream, "%s\n", lines[i]);
		if (i) {
			crc = crc32(crc, (const Bytef *)lines[i], (uInt)strlen(lines[i]));
			crc = crc32(crc, (const Bytef *)"\n", 1);
		}
	}
	fputs("{\"closed\":true}\n", stream);
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* A member of the gzip file: the first one empties the file. */
static void put_member(const char *text, size_t size, bool first)
{
	gzFile file = gzopen(path, first ? "wb1" : "ab1");

	assert_non_null(file);
	assert_int_equal(gzwrite(file, text, (unsigned int)size), size);
	assert_int_equal(gzclose(file), Z_OK);
}

static void put_lines(const char *const *lines)
{
	size_t size;
	char *text = make_text(lines, &size);

	put_member(text, size, true);
	free(text);
}

#define HEAD   "{\"schema\":\"kvm_stat-recording/1\",\"sources\":[\"debugfs\"],\"by\":\"vcpu\"}"
#define NAME   "{\"names\":[{\"name\":\"n\",\"kind\":\"events\",\"unit\":\"none\"}]}"
#define MOMENT "{\"sample\":0,\"monotonic\":5,\"time\":7}"

static void test_good_lines(void **state)
{
	static const char *const lines[] = {HEAD,
					    "{\"key\":true,\"later\":{\"a\":1}}",
					    NAME,
					    "{\"owners\":[7,8,0]}",
					    "{\"rows\":[0,0]}",
					    "{\"values\":[0,41,0,1]}",
					    MOMENT,
					    "END",
					    NULL};
	struct sample sample = {0};
	struct source *replay;

	(void)state;
	put_lines(lines);
	replay = open_good();
	select_by(replay, BY_VCPU);
	assert_int_equal(source_read(replay, &sample), 0);
	assert_int_equal(sample.count, 1);
	assert_int_equal(sample.rows[0].value, 42);
	sample_done(&sample);
	source_close(replay);
}

#define MANY 40 /* samples */
#define KEY  33 /* of them, at which a second segment begins */

/* Samples of one row, whose value is the number of the sample. */
static char *make_many(size_t *ret_size)
{
	static const char *const row[] = {"{\"key\":true}", NAME, "{\"owners\":[7,8,0]}",
					  "{\"rows\":[0,0]}"};
	static char moments[MANY][80];
	const char *lines[MANY * 3 + 2 * array_size(row) + 2] = {HEAD};
	size_t count = 1, i, j;

	for (i = 0; i < MANY; i++) {
		for (j = 0; j < array_size(row) && i % KEY == 0; j++)
			lines[count++] = row[j];
		if (i)
			lines[count++] = i == KEY ? "{\"values\":[0,33]}" : "{\"values\":[0,1]}";
		snprintf(moments[i], sizeof(moments[i]),
			 "{\"sample\":%zu,\"monotonic\":%zu,\"time\":7}", i, i + 1);
		lines[count++] = moments[i];
		lines[count++] = "END";
	}
	assert_true(count < array_size(lines));
	return make_text(lines, ret_size);
}

/* Wherever the members of the gzip file begin, one can go back from any sample to any other. */
static void test_members(void **state)
{
	static const uint64_t order[] = {MANY - 1, KEY + 1, KEY - 1, KEY, 0, 1};
	size_t size, key, head, cut, i;
	char *text = make_many(&size);

	(void)state;
	head = strlen(HEAD) + 1;
	key = (size_t)(strstr(text + head + 1, "{\"key\"") - text);
	for (cut = 1; cut<size; cut += cut + 20> key && cut < key + 40 ? 1 : 1 + dice(30)) {
		struct source *replay;

		put_member(text, cut, true);
		put_member(text + cut, size - cut, false);
		replay = open_good();
		assert_int_equal(replay_count(replay), MANY);
		select_by(replay, BY_VCPU);
		for (i = 0; i < array_size(order); i++) {
			struct sample sample = {0};

			replay_seek(replay, order[i]);
			assert_int_equal(source_read(replay, &sample), 0);
			assert_int_equal(sample.count, 1);
			assert_int_equal(sample.rows[0].value, order[i]);
			sample_done(&sample);
		}
		source_close(replay);
	}
	free(text);
}

/* Somebody writes another recording over the one that is shown. */
static void test_changed_meanwhile(void **state)
{
	static const char *const lines[] = {
		HEAD,
		"{\"key\":true}",
		"{\"names\":[{\"name\":\"a\",\"kind\":\"events\",\"unit\":\"none\"}]}",
		"{\"names\":[{\"name\":\"b\",\"kind\":\"events\",\"unit\":\"none\"}]}",
		"{\"names\":[{\"name\":\"c\",\"kind\":\"events\",\"unit\":\"none\"}]}",
		"{\"owners\":[7,8,0]}",
		"{\"rows\":[0,0,1,0,2,0]}",
		"{\"values\":[0,1,1,1,1,1]}",
		MOMENT,
		"END",
		NULL};
	struct sample sample = {0};
	struct source *replay;
	size_t size;
	char *text = make_many(&size);

	(void)state;
	put_member(text, size, true);
	free(text);
	replay = open_good();
	select_by(replay, BY_VCPU);
	replay_seek(replay, MANY - 1);
	assert_int_equal(source_read(replay, &sample), 0);
	put_lines(lines);
	replay_seek(replay, 0);
	sample_clear(&sample);
	assert_int_equal(source_read(replay, &sample), -EIO);
	/* What is shown of it after that is nothing of the other one. */
	source_reset(replay);
	select_by(replay, BY_FIELD);
	sample_clear(&sample);
	assert_int_equal(source_read(replay, &sample), -EIO);
	sample_done(&sample);
	source_close(replay);
}

/* One row in one line: its members are taken in an order of their own. */
#define ROW                                                                                        \
	"\"names\":[{\"name\":\"a\",\"kind\":\"events\",\"unit\":\"none\"}],"                      \
	"\"owners\":[7,8,0],\"rows\":[0,0]"

static void test_hostile_lines(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{"nonsense", "no JSON"},
		{"[]", "no JSON object"},
		{"{\"a\":[[[[[[[[1]]]]]]]]}", "no JSON object"},
		{"{\"values\":{}}", "no list"},
		{"{\"values\":[0]}", "a value"},
		{"{\"values\":[0,1]}", "a value"},
		{"{\"names\":[1]}", "no object"},
		{"{\"names\":[{\"name\":\"n\",\"kind\":\"x\",\"unit\":\"none\"}]}", "a name"},
		{"{\"names\":[{\"name\":1,\"kind\":\"events\",\"unit\":\"none\"}]}", "a name"},
		{"{\"names\":[{\"name\":\"a\\u0000b\",\"kind\":\"events\",\"unit\":\"none\"}]}",
		 "a name"},
		{"{\"key\":true}", "amid a sample"},
		{"{\"guests\":[{\"pid\":0,\"name\":\"a\"}]}", "a guest"},
		{"{\"guests\":[{\"pid\":5,\"name\":\"a\",\"name_bytes\":\"0\"}]}", "a guest"},
		{"{\"guests\":[{\"pid\":5,\"name\":\"a\",\"name_bytes\":\"00\"}]}", "a guest"},
		{"{\"guests\":[{\"pid\":99999999999,\"name\":\"a\"}]}", "a guest"},
		{"{\"owners\":[1,2]}", "an owner"},
		{"{\"owners\":[-1,2,3]}", "an owner"},
		{"{\"owners\":[1,2,3.5]}", "an owner"},
		{"{\"owners\":[1,2,99999999999999999999999]}", "an owner"},
		{"{\"rows\":[0,0]}", "a row"},
		{"{\"gone\":[0]}", "a row"},
		{"{" ROW ",\"gone\":[0],\"values\":[0,1]}", "a row that is gone has values"},
		{"{" ROW ",\"gone\":[0],\"shapes\":[0,0,1,0,0],\"distributions\":[0,1,0]}",
		 "a row that is gone has values"},
		{"{\"shapes\":[0,0,65,1,1]}", "a shape"},
		{"{\"distributions\":[0,0]}", "a distribution"},
		{"{\"cpus\":[0,0]}", "a CPU"},
		{"{\"sample\":1,\"monotonic\":5,\"time\":7}", "missing"},
		{"{\"sample\":0,\"monotonic\":0,\"time\":7}", "no time"},
		{"{\"sample\":0,\"monotonic\":5,\"time\":-7}", "no time"},
		{"{\"sample\":0,\"monotonic\":5,\"time\":99999999999999999999}", "no time"},
		{"{\"end\":0,\"crc\":0}", "checksum"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		const char *lines[] = {HEAD, "{\"key\":true}", rows[i].line, MOMENT, "END", NULL};
		struct source *replay = NULL;
		char *why = NULL;

		put_lines(lines);
		assert_int_equal(replay_open(path, NULL, &replay, &why), 0);
		assert_row(replay_damage(replay), rows[i].line);
		assert_row(strstr(replay_damage(replay), rows[i].why), replay_damage(replay));
		assert_row(strstr(replay_damage(replay), "after sample 0, in line 3:"),
			   replay_damage(replay));
		assert_int_equal(replay_count(replay), 0);
		source_close(replay);
	}
}

static void test_heads(void **state)
{
	static const char *const heads[] = {
		"{}",
		"{\"schema\":1}",
		"{\"schema\":\"kvm_stat/1\",\"sources\":[],\"by\":\"vcpu\"}",
		"{\"schema\":\"kvm_stat-recording/2\",\"sources\":[],\"by\":\"vcpu\"}",
		"{\"schema\":\"kvm_stat-recording/1\",\"sources\":[1],\"by\":\"vcpu\"}",
		"{\"schema\":\"kvm_stat-recording/1\",\"sources\":[\"a\\u001b\"],\"by\":\"vcpu\"}",
		"{\"schema\":\"kvm_stat-recording/1\",\"sources\":[],\"by\":\"cpu\"}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(heads); i++) {
		const char *lines[] = {heads[i], NULL};
		struct source *replay = NULL;
		char *why = NULL;

		put_lines(lines);
		assert_int_equal(replay_open(path, NULL, &replay, &why), -EBADMSG);
		assert_non_null(why);
		assert_int_equal(!!strstr(heads[i], "recording/2"), !!strstr(why, "recording/2"));
		free(why);
	}
}

/* json-c reads more than JSON has. */
static void test_intervals(void **state)
{
	static const struct {
		const char *text;
		double interval;
	} rows[] = {{"0.5", 0.5}, {"2", 2}, {"NaN", 0}, {"Infinity", 0}, {"-Infinity", 0}};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct source *replay;
		char head[200];
		const char *lines[] = {head, NULL};

		snprintf(head, sizeof(head),
			 "{\"schema\":\"kvm_stat-recording/1\",\"sources\":[],\"by\":\"vcpu\","
			 "\"interval\":%s}",
			 rows[i].text);
		put_lines(lines);
		replay = open_good();
		assert_row(replay_head(replay)->interval == rows[i].interval, rows[i].text);
		source_close(replay);
	}
}

/* A line without an end: it is given up at the limit, not kept until there is no memory. */
static void test_long_line(void **state)
{
	struct rusage before, after;
	struct source *replay = NULL;
	char *block = calloc(1, 1 << 20), *why = NULL;
	gzFile file = gzopen(path, "wb1");
	int i;

	(void)state;
	assert_non_null(block);
	memset(block, ' ', 1 << 20);
	assert_true(gzputs(file, HEAD "\n{\"key\":true}\n") > 0);
	for (i = 0; i < 256; i++)
		assert_int_equal(gzwrite(file, block, 1 << 20), 1 << 20);
	assert_int_equal(gzclose(file), Z_OK);
	free(block);
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(replay_open(path, NULL, &replay, &why), 0);
	getrusage(RUSAGE_SELF, &after);
	assert_non_null(strstr(replay_damage(replay), "too long"));
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 16384);
	source_close(replay);
}

/* A recording of so many fields and guests, of which nothing is counted. */
static void put_fields_and_guests(unsigned int fields, unsigned int guests)
{
	const char *lines[] = {HEAD, "{\"key\":true}", NULL, NULL, MOMENT, "END", NULL};
	char *texts[2] = {NULL};
	unsigned int i;
	size_t size;
	FILE *stream = open_memstream(&texts[0], &size);

	assert_non_null(stream);
	for (i = 0; i < fields; i++)
		fprintf(stream, "%s{\"name\":\"n%u\",\"kind\":\"events\",\"unit\":\"none\"}",
			i ? "," : "{\"names\":[", i);
	fputs("]}", stream);
	assert_int_equal(fclose(stream), 0);
	stream = open_memstream(&texts[1], &size);
	assert_non_null(stream);
	for (i = 0; i < guests; i++)
		fprintf(stream, "%s{\"pid\":%u,\"name\":\"g\"}", i ? "," : "{\"guests\":[", i + 1);
	fputs("]}", stream);
	assert_int_equal(fclose(stream), 0);
	lines[2] = texts[0];
	lines[3] = texts[1];
	put_lines(lines);
	free(texts[0]);
	free(texts[1]);
}

/* Few bytes that tell many fields and many guests: of both together there is no end of rows. */
static void test_many_fields_of_many_guests(void **state)
{
	static const unsigned int guests = 1024, most = RECORDING_ROWS_MAX / 1024;
	struct selection one = {.by = BY_GUEST, .pid = 7}, all = {.by = BY_GUEST};
	struct source_error error;
	struct sample sample = {0};
	struct source *replay;

	(void)state;
	put_fields_and_guests(most + 1, guests);
	replay = open_good();
	assert_int_equal(source_select(replay, &all, &error), -E2BIG);
	assert_int_equal(error.error, -E2BIG);
	select_by(replay, BY_FIELD);
	assert_int_equal(source_read(replay, &sample), 0);
	assert_int_equal(sample.count, most + 1);
	assert_int_equal(source_select(replay, &one, &error), 0);
	replay_seek(replay, 0);
	sample_clear(&sample);
	assert_int_equal(source_read(replay, &sample), 0);
	assert_int_equal(sample.count, most + 1);
	source_close(replay);
	put_fields_and_guests(most, guests);
	replay = open_good();
	assert_int_equal(source_select(replay, &all, &error), 0);
	sample_clear(&sample);
	assert_int_equal(source_read(replay, &sample), 0);
	assert_int_equal(sample.count, RECORDING_ROWS_MAX);
	sample_done(&sample);
	source_close(replay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OF_HOST(test_cut),
		OF_HOST(test_flipped),
		OF_HOST(test_good_lines),
		OF_HOST(test_members),
		OF_HOST(test_changed_meanwhile),
		OF_HOST(test_hostile_lines),
		OF_HOST(test_heads),
		OF_HOST(test_intervals),
		OF_HOST(test_long_line),
		OF_HOST(test_many_fields_of_many_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
