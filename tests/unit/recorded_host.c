/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/recorded_host.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm_stat/recording_writer.h"
#include "kvm_stat/replay.h"

#define THREADS_MAX 400 /* in all of a host's life */
#define NAMES       4
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
	pid_t guest;
	pid_t tid; /* 0: nobody knows which thread runs this vCPU */
	unsigned int vcpu;
	int born, died; /* samples: it is in those from `born` to before `died` */
	uint64_t values[SAMPLES_MAX][NAMES];
	uint64_t ever[SAMPLES_MAX][NAMES]; /* the same, but what falls has not gone back */
	/* Of name 1: how long its events took. */
	uint64_t sum[SAMPLES_MAX], min[SAMPLES_MAX], max[SAMPLES_MAX];
	struct distribution times;
};

static struct host {
	struct made_thread *threads;
	int thread_count, samples;
	pid_t next_pid;
} host;

struct tree tree;
char *path;
off_t head_size;
static off_t sizes[SAMPLES_MAX]; /* of the file, after each sample */
static uint32_t seed;

uint32_t dice(uint32_t sides)
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
				       .tid = guest % 3 ? host.next_pid : 0,
				       .vcpu = vcpu,
				       .born = host.samples,
				       .died = SAMPLES_MAX + 1,
				       .times = {.scale = DISTRIBUTION_LOG2,
						 .bucket_count = 60,
						 .has_moments = true,
						 .has_extremes = true}};
	host.next_pid++;
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

static void note_rise(struct made_thread *thread, int sample)
{
	int i;

	for (i = 0; i < NAMES; i++) {
		bool known = sample > thread->born;
		uint64_t before = known ? thread->values[sample - 1][i] : 0;
		uint64_t now = thread->values[sample][i];

		thread->ever[sample][i] = (known ? thread->ever[sample - 1][i] : 0) +
					  (now > before ? now - before : 0);
	}
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
		/* One of several things that a row stands for has ended. */
		if (dice(12) == 0)
			thread->values[sample][0] /= 2;
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
		note_rise(&host.threads[i], sample);
		host.threads[i].sum[sample] = host.threads[i].times.sum;
		host.threads[i].min[sample] = host.threads[i].times.min;
		host.threads[i].max[sample] = host.threads[i].times.max;
	}
}

void fill_sample(struct sample *sample, struct guests *guests, int number)
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
							    .has_cpu = thread->tid != 0,
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

struct recording_moment moment_of(int number)
{
	return (struct recording_moment){
		.monotonic_ns = 1000000007ULL * (unsigned int)(number + 1),
		.time = {.tv_sec = 1700000000 + number, .tv_nsec = 123456789},
		.partial = number % 10 == 3,
		.unreadable = {(size_t)number % 3}};
}

off_t file_size(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

void record(uint32_t random, int samples)
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

uint64_t truth(int number, int name, enum selection_by by, pid_t guest, unsigned int vcpu)
{
	bool state = names[name].kind == FIELD_GAUGE;
	bool own = state || by == BY_VCPU; /* what the rest is of outlives its row */
	uint64_t sum = 0;
	int i;

	for (i = 0; i < host.thread_count; i++) {
		const struct made_thread *thread = &host.threads[i];
		int last = thread->died <= number ? thread->died - 1 : number;

		if (thread->born > number || last < thread->born ||
		    (by != BY_FIELD && thread->guest != guest) ||
		    (by == BY_VCPU && thread->vcpu != vcpu) || (state && !lives(thread, number)))
			continue;
		sum += own ? thread->values[last][name] : thread->ever[last][name];
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
		    (row->thread.is_vcpu && thread->vcpu != row->thread.vcpu) ||
		    !thread->values[last][1])
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

void check_sample(struct source *replay, enum selection_by by, int number)
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
		assert_int_equal(row->value, truth(number, name, by, row->guest, row->thread.vcpu));
		if (by == BY_VCPU) {
			assert_true(row->thread.is_vcpu);
			assert_int_equal(row->thread.has_cpu, row->thread.tid != 0);
		}
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

void select_by(struct source *replay, enum selection_by by)
{
	struct selection selection = {.by = by, .children = true, .latency = true};
	struct source_error error;

	assert_int_equal(source_select(replay, &selection, &error), 0);
}

struct source *open_good(void)
{
	struct source *replay = NULL;
	char *why = NULL;

	assert_int_equal(replay_open(path, NULL, &replay, &why), 0);
	assert_null(why);
	assert_null(replay_damage(replay));
	return replay;
}

int samples_within(size_t size)
{
	int count = 0;

	while (count < host.samples && (size_t)sizes[count] <= size)
		count++;
	return count;
}

int recorded_host_setup(void **state)
{
	(void)state;
	tree_make(&tree);
	path = tree_path(&tree, "recording");
	host.threads = calloc(THREADS_MAX, sizeof(*host.threads));
	return host.threads ? 0 : -1;
}

int recorded_host_teardown(void **state)
{
	(void)state;
	free(host.threads);
	free(path);
	tree_remove(&tree);
	return 0;
}
