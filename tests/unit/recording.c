/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings against a made host, whose guests and threads come and go: what a recording shows must
 * be what that host did, in every order of the samples, and from a damaged file as well.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "kvm_stat/recording_writer.h"
#include "kvm_stat/replay.h"
#include "tests/unit/tree.h"

#define THREADS_MAX 400 /* in all of a host's life */
#define NAMES       4
#define SAMPLES_MAX 150
#define HUGE_START  (UINT64_MAX - 50) /* a total that needs all 64 bits */

static const struct {
	const char *name, *parent;
	enum field_kind kind;
	enum field_unit unit;
} names[NAMES] = {
	{"kvm_exit", NULL, FIELD_EVENTS, UNIT_NONE},
	{"kvm_exit(HLT)", "kvm_exit", FIELD_EVENTS, UNIT_NONE},
	{"pages", NULL, FIELD_GAUGE, UNIT_BYTES},
	{"wait_ns", NULL, FIELD_TIME, UNIT_NANOSECONDS},
};

/* One thread of the made host, and what it did up to each sample. */
struct made_thread {
	pid_t guest, tid;
	unsigned int vcpu;
	int born, died; /* samples: it is in those from `born` to before `died` */
	uint64_t values[SAMPLES_MAX][NAMES];
	/* Of name 1: how long its events took. */
	uint64_t sum[SAMPLES_MAX], min[SAMPLES_MAX], max[SAMPLES_MAX];
	struct distribution times;
};

static struct host {
	struct made_thread *threads;
	int thread_count, samples;
	pid_t next_pid;
} host;

static struct tree tree;
static char *path;
static off_t sizes[SAMPLES_MAX]; /* of the file, after each sample */
static off_t head_size;
static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % sides;
}

static void add_value(struct distribution *times, uint64_t value)
{
	unsigned int bucket = value ? 64 - (unsigned int)__builtin_clzll(value) : 0;
	__extension__ unsigned __int128 square = (unsigned __int128)value * value;
	uint64_t low = times->squares_low;

	times->buckets[bucket]++;
	times->min = times->count && times->min < value ? times->min : value;
	times->max = times->max > value ? times->max : value;
	times->count++;
	times->sum += value;
	times->squares_low += (uint64_t)square;
	times->squares_high += (uint64_t)(square >> 64) + (times->squares_low < low);
}

static void start_thread(pid_t guest, unsigned int vcpu)
{
	struct made_thread *thread = &host.threads[host.thread_count++];

	assert_true(host.thread_count <= THREADS_MAX);
	*thread = (struct made_thread){.guest = guest,
				       .tid = host.next_pid++,
				       .vcpu = vcpu,
				       .born = host.samples,
				       .died = SAMPLES_MAX + 1,
				       .times = {.scale = DISTRIBUTION_LOG2,
						 .bucket_count = 60,
						 .has_moments = true,
						 .has_extremes = true}};
}

static void start_guest(unsigned int vcpus)
{
	pid_t pid = host.next_pid++;
	unsigned int i;

	for (i = 0; i < vcpus; i++)
		start_thread(pid, i);
}

static bool lives(const struct made_thread *thread, int sample)
{
	return thread->born <= sample && sample < thread->died;
}

static bool guest_lives(pid_t guest, int sample)
{
	int i;

	for (i = 0; i < host.thread_count; i++) {
		if (host.threads[i].guest == guest && lives(&host.threads[i], sample))
			return true;
	}
	return false;
}

/* What happens between two samples; what a thread does in its last moments nobody sees. */
static void live_on(int sample)
{
	int i, j;

	if (sample && dice(6) == 0)
		start_guest(1 + dice(3));
	for (i = 0; i < host.thread_count; i++) {
		struct made_thread *thread = &host.threads[i];

		if (!lives(thread, sample))
			continue;
		if (sample > thread->born)
			memcpy(thread->values[sample], thread->values[sample - 1],
			       sizeof(thread->values[sample]));
		else if (i == 0)
			thread->values[sample][3] = HUGE_START;
		if (sample && dice(20) == 0) {
			thread->died = sample;
			continue;
		}
		if (dice(4) == 0)
			continue; /* idle */
		thread->values[sample][0] += dice(1000);
		thread->values[sample][2] = dice(2) ? dice(5000) : 0;
		thread->values[sample][3] += dice(3) ? 0 : dice(1U << 23);
		for (j = (int)dice(5); j > 0; j--) {
			thread->values[sample][1]++;
			add_value(&thread->times, (uint64_t)dice(1U << 20) << dice(38));
		}
		thread->sum[sample] = thread->times.sum;
	}
	for (i = 0; i < host.thread_count; i++) {
		host.threads[i].sum[sample] = host.threads[i].times.sum;
		host.threads[i].min[sample] = host.threads[i].times.min;
		host.threads[i].max[sample] = host.threads[i].times.max;
	}
}

static void fill_sample(struct sample *sample, struct guests *guests, int number)
{
	static struct guest list[THREADS_MAX];
	static char texts[THREADS_MAX][24];
	int i, j;

	*guests = (struct guests){.list = list};
	sample_clear(sample);
	for (i = 0; i < host.thread_count; i++) {
		const struct made_thread *thread = &host.threads[i];

		if (!lives(thread, number))
			continue;
		if (!guests->count || list[guests->count - 1].pid != thread->guest) {
			char *text = texts[guests->count];

			snprintf(text, sizeof(*texts), "guest\xff %d", (int)thread->guest);
			list[guests->count++] = (struct guest){
				.pid = thread->guest, .name = text, .raw_name = text};
		}
		for (j = 0; j < NAMES; j++) {
			struct sample_row row = {.name = names[j].name,
						 .parent = names[j].parent,
						 .kind = names[j].kind,
						 .unit = names[j].unit,
						 .guest = thread->guest,
						 .thread = {.tid = thread->tid,
							    .is_vcpu = true,
							    .vcpu = thread->vcpu,
							    .has_cpu = true,
							    .cpu = (unsigned int)(number + i) % 7},
						 .value = thread->values[number][j]};

			if (j == 1 && thread->times.count)
				assert_int_equal(
					sample_add_distribution(sample, row, &thread->times), 0);
			else
				assert_int_equal(sample_add(sample, row), 0);
		}
	}
	sample_sort(sample);
}

static struct recording_moment moment_of(int sample)
{
	return (struct recording_moment){
		.monotonic_ns = 1000000007ULL * (unsigned int)(sample + 1),
		.time = {.tv_sec = 1700000000 + sample, .tv_nsec = 123456789},
		.partial = sample % 10 == 3,
		.unreadable = {(size_t)sample % 3}};
}

static off_t file_size(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* Lets a host live and records it. */
static void record(uint32_t random, int samples)
{
	struct recording_head head = {.host = (char *)"a-host",
				      .kernel = (char *)"6.1",
				      .program = (char *)"1",
				      .sources = {(char *)"tracepoints"},
				      .source_count = 1,
				      .by = BY_VCPU,
				      .interval = 0.5};
	struct recording_writer *writer;
	struct sample sample = {0};
	struct guests guests;

	seed = random;
	host.thread_count = host.samples = 0;
	host.next_pid = 100;
	start_guest(2);
	start_guest(1);
	(void)!unlink(path);
	assert_int_equal(recording_writer_open(path, &head, &writer), 0);
	head_size = file_size();
	for (; host.samples < samples; host.samples++) {
		struct recording_moment moment = moment_of(host.samples);

		live_on(host.samples);
		fill_sample(&sample, &guests, host.samples);
		assert_int_equal(recording_writer_add(writer, &sample, &moment, &guests), 0);
		sizes[host.samples] = file_size();
	}
	assert_int_equal(recording_writer_close(writer), 0);
	sample_done(&sample);
}

/* What the host had done up to a sample, by what rows are of. */
static uint64_t truth(int sample, int name, enum selection_by by, pid_t guest, pid_t tid)
{
	bool state = names[name].kind == FIELD_GAUGE;
	uint64_t sum = 0;
	int i;

	for (i = 0; i < host.thread_count; i++) {
		const struct made_thread *thread = &host.threads[i];
		int last = thread->died <= sample ? thread->died - 1 : sample;

		if (thread->born > sample || last < thread->born ||
		    (by != BY_FIELD && thread->guest != guest) ||
		    (by == BY_VCPU && thread->tid != tid) || (state && !lives(thread, sample)))
			continue;
		sum += thread->values[last][name];
	}
	return sum;
}

static int index_of(const char *name)
{
	int i;

	for (i = 0; i < NAMES; i++) {
		if (strcmp(names[i].name, name) == 0)
			return i;
	}
	fail_msg("a name that nobody gave: %s", name);
	return -1;
}

static void check_times(const struct sample *sample, const struct sample_row *row, int number)
{
	const struct distribution *times = sample_distribution(sample, row);
	uint64_t sum = 0, min = UINT64_MAX, max = 0, count = 0;
	int i;

	for (i = 0; i < host.thread_count; i++) {
		const struct made_thread *thread = &host.threads[i];
		int last = thread->died <= number ? thread->died - 1 : number;

		if (thread->born > number || last < thread->born ||
		    (row->guest && thread->guest != row->guest) ||
		    (row->thread.tid && thread->tid != row->thread.tid) || !thread->values[last][1])
			continue;
		count += thread->values[last][1];
		sum += thread->sum[last];
		min = thread->min[last] < min ? thread->min[last] : min;
		max = thread->max[last] > max ? thread->max[last] : max;
	}
	if (!times) {
		assert_int_equal(count, 0);
		return;
	}
	assert_int_equal(times->count, count);
	assert_int_equal(times->sum, sum);
	if (count) {
		assert_int_equal(times->min, min);
		assert_int_equal(times->max, max);
	}
}

/* Checks a sample of the recording against the host. */
static void check_sample(struct source *replay, enum selection_by by, int number)
{
	struct sample sample = {0};
	struct recording_moment wanted = moment_of(number);
	const struct recording_moment *moment = replay_moment(replay);
	size_t i, rows = 0, expected = 0;
	int j;

	assert_int_equal(source_read(replay, &sample), 0);
	sample_sort(&sample);
	assert_int_equal(moment->monotonic_ns, wanted.monotonic_ns);
	assert_int_equal(moment->time.tv_sec, wanted.time.tv_sec);
	assert_int_equal(moment->time.tv_nsec, wanted.time.tv_nsec);
	assert_int_equal(sample.partial, wanted.partial);
	assert_int_equal(moment->unreadable[0], wanted.unreadable[0]);
	for (i = 0; i < sample.count; i++) {
		const struct sample_row *row = &sample.rows[i];
		int name = index_of(row->name);

		assert_int_equal(row->kind, names[name].kind);
		assert_int_equal(row->unit, names[name].unit);
		assert_int_equal(row->parent != NULL, names[name].parent != NULL);
		assert_int_equal(row->value, truth(number, name, by, row->guest, row->thread.tid));
		if (by == BY_VCPU)
			assert_true(row->thread.has_cpu);
		if (name == 1)
			check_times(&sample, row, number);
		rows += by != BY_GUEST || guest_lives(row->guest, number);
	}
	/* None is missing, none is there of guests or threads that are gone. */
	for (j = 0; j < host.thread_count; j++) {
		bool first = j == 0 || host.threads[j - 1].guest != host.threads[j].guest;

		if (by == BY_VCPU)
			expected += lives(&host.threads[j], number) ? NAMES : 0;
		else if (by == BY_GUEST && first)
			expected += guest_lives(host.threads[j].guest, number) ? NAMES : 0;
	}
	if (by != BY_FIELD) {
		assert_int_equal(sample.count, expected);
		assert_int_equal(rows, expected);
	} else {
		assert_in_range(sample.count, NAMES - 1, NAMES);
	}
	sample_done(&sample);
}

static void select_by(struct source *replay, enum selection_by by)
{
	struct selection selection = {.by = by, .children = true, .latency = true};
	struct source_error error;

	assert_int_equal(source_select(replay, &selection, &error), 0);
}

static struct source *open_good(void)
{
	struct source *replay = NULL;
	char *why = NULL;

	assert_int_equal(replay_open(path, &replay, &why), 0);
	assert_null(why);
	assert_null(replay_damage(replay));
	return replay;
}

static void test_shows_what_happened(void **state)
{
	static const enum selection_by all[] = {BY_FIELD, BY_GUEST, BY_VCPU};
	struct sample nothing = {0};
	struct source *replay;
	size_t i;
	int number;

	(void)state;
	record(1, SAMPLES_MAX);
	replay = open_good();
	assert_int_equal(replay_count(replay), SAMPLES_MAX);
	assert_string_equal(replay_head(replay)->host, "a-host");
	assert_int_equal(replay_head(replay)->by, BY_VCPU);
	for (i = 0; i < 3; i++) {
		select_by(replay, all[i]);
		replay_seek(replay, 0);
		for (number = 0; number < SAMPLES_MAX; number++)
			check_sample(replay, all[i], number);
		assert_int_equal(source_read(replay, &nothing), -ENODATA);
	}
	sample_done(&nothing);
	source_close(replay);
}

/* On, back and far: each sample is the same whatever was shown before. */
static void test_seek(void **state)
{
	struct source *replay;
	int i;

	(void)state;
	record(2, SAMPLES_MAX);
	replay = open_good();
	for (i = 0; i < 300; i++) {
		enum selection_by by = (enum selection_by)dice(3);
		int number = (int)dice(SAMPLES_MAX);

		select_by(replay, by);
		replay_seek(replay, (uint64_t)number);
		check_sample(replay, by, number);
		assert_int_equal(replay_next(replay), number + 1);
	}
	source_close(replay);
}

/* After a reset totals are what was added since; going back behind it forgets it. */
static void test_reset(void **state)
{
	struct sample sample = {0};
	struct source *replay;

	(void)state;
	record(3, 100);
	replay = open_good();
	select_by(replay, BY_FIELD);
	replay_seek(replay, 70);
	assert_int_equal(source_read(replay, &sample), 0);
	source_reset(replay);
	replay_seek(replay, 90);
	sample_clear(&sample);
	assert_int_equal(source_read(replay, &sample), 0);
	sample_sort(&sample);
	assert_string_equal(sample.rows[0].name, "kvm_exit");
	assert_int_equal(sample.rows[0].value,
			 truth(90, 0, BY_FIELD, 0, 0) - truth(70, 0, BY_FIELD, 0, 0));
	replay_seek(replay, 68);
	check_sample(replay, BY_FIELD, 68);
	sample_done(&sample);
	source_close(replay);
}

static void test_selections(void **state)
{
	struct selection selection = {.by = BY_FIELD, .only = "kvm_exit(HLT)", .latency = true};
	struct sample sample = {0};
	struct source_error error;
	struct source *replay;

	(void)state;
	record(4, 20);
	replay = open_good();
	assert_int_equal(source_select(replay, &selection, &error), 0);
	replay_seek(replay, 19);
	assert_int_equal(source_read(replay, &sample), 0);
	sample_sort(&sample);
	assert_int_equal(sample.count, 1);
	assert_string_equal(sample.rows[0].name, "kvm_exit(HLT)");
	/* Only exits: those whose times are known, and the event above them. */
	selection = (struct selection){.exits_only = true, .latency = true, .children = true};
	assert_int_equal(source_select(replay, &selection, &error), 0);
	sample_clear(&sample);
	replay_seek(replay, 19);
	assert_int_equal(source_read(replay, &sample), 0);
	sample_sort(&sample);
	assert_int_equal(sample.count, 2);
	assert_string_equal(sample.rows[1].name, "kvm_exit(HLT)");
	/* One thread. */
	selection = (struct selection){.pid = 100, .tid = 101};
	assert_int_equal(source_select(replay, &selection, &error), 0);
	sample_clear(&sample);
	replay_seek(replay, 0);
	assert_int_equal(source_read(replay, &sample), 0);
	sample_sort(&sample);
	assert_int_equal(sample.rows[0].value, truth(0, 0, BY_VCPU, 100, 101));
	sample_done(&sample);
	source_close(replay);
}

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
	int r = replay_open(path, &replay, &why), number, count;

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

static int samples_within(size_t size)
{
	int count = 0;

	while (count < host.samples && (size_t)sizes[count] <= size)
		count++;
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

/* Lines as a file, each sample with a checksum that is right: so they are looked into. */
static void put_lines(const char *const *lines)
{
	gzFile file = gzopen(path, "wb");
	uLong crc = crc32(0, NULL, 0);
	unsigned int samples = 0, i;

	assert_non_null(file);
	for (i = 0; lines[i]; i++) {
		char end[64];
		int length = snprintf(end, sizeof(end), "{\"end\":%u,\"crc\":%lu}\n", samples, crc);

		if (strcmp(lines[i], "END") == 0) {
			assert_int_equal(gzwrite(file, end, (unsigned int)length), length);
			crc = crc32(0, NULL, 0);
			samples++;
			continue;
		}
		assert_true(gzwrite(file, lines[i], (unsigned int)strlen(lines[i])) > 0);
		assert_int_equal(gzwrite(file, "\n", 1), 1);
		if (i) {
			crc = crc32(crc, (const Bytef *)lines[i], (uInt)strlen(lines[i]));
			crc = crc32(crc, (const Bytef *)"\n", 1);
		}
	}
	assert_true(gzputs(file, "{\"closed\":true}\n") > 0);
	assert_int_equal(gzclose(file), Z_OK);
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
		assert_int_equal(replay_open(path, &replay, &why), 0);
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
		assert_int_equal(replay_open(path, &replay, &why), -EBADMSG);
		assert_non_null(why);
		assert_int_equal(!!strstr(heads[i], "recording/2"), !!strstr(why, "recording/2"));
		free(why);
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
	assert_int_equal(replay_open(path, &replay, &why), 0);
	getrusage(RUSAGE_SELF, &after);
	assert_non_null(strstr(replay_damage(replay), "too long"));
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 16384);
	source_close(replay);
}

/* What is there is never written to. */
static void test_existing_file(void **state)
{
	struct recording_head head = {.by = BY_FIELD};
	struct recording_writer *writer = NULL;
	char buf[8];

	(void)state;
	tree_put(&tree, "recording", "mine");
	assert_int_equal(recording_writer_open(path, &head, &writer), -EEXIST);
	assert_int_equal(host_read(&tree.root, "recording", buf, sizeof(buf)), 4);
	assert_string_equal(buf, "mine");
}

/* A disk that is full: the file is what it was after the last whole sample. */
static void test_full_disk(void **state)
{
	struct recording_head head = {.by = BY_VCPU};
	struct recording_writer *writer;
	struct rlimit limit, before;
	struct sample sample = {0};
	struct guests guests;
	struct source *replay = NULL;
	char *why = NULL;
	int r = 0, number;

	(void)state;
	record(7, 60);
	(void)!unlink(path);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 6000;
	assert_int_equal(recording_writer_open(path, &head, &writer), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (number = 0; number < 60; number++) {
		struct recording_moment moment = moment_of(number);

		fill_sample(&sample, &guests, number);
		r = recording_writer_add(writer, &sample, &moment, &guests);
		if (r < 0)
			break;
	}
	assert_int_equal(r, -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(number > 3);
	assert_int_equal(recording_writer_close(writer), 0);
	assert_int_equal(replay_open(path, &replay, &why), 0);
	assert_non_null(replay_damage(replay));
	assert_int_equal(replay_count(replay), number);
	source_close(replay);
	sample_done(&sample);
}

static int setup(void **state)
{
	(void)state;
	tree_make(&tree);
	path = tree_path(&tree, "recording");
	host.threads = calloc(THREADS_MAX, sizeof(*host.threads));
	return host.threads ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(host.threads);
	free(path);
	tree_remove(&tree);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shows_what_happened, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seek, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_selections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flipped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_good_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_existing_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
