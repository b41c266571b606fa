/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a replay shows of a recording is what the recorded host did, in every order of the samples;
 * and what the recorder does to files.
 */
#include "tests/unit/recorded_host.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm_stat/recording_writer.h"
#include "kvm_stat/replay.h"

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
	assert_int_equal(sample.rows[0].value, truth(0, 0, BY_VCPU, 100, 0));
	sample_done(&sample);
	source_close(replay);
}

/* Records samples of these rows, each of which is in those of its number. */
struct made_row {
	int number;
	struct sample_row row;
	struct distribution times;
};

static void record_rows(const struct made_row *rows, size_t count)
{
	struct recording_head head = {.by = BY_VCPU};
	struct guest guest = {.pid = 10, .name = (char *)"a", .raw_name = (char *)"a"};
	struct guests guests = {.list = &guest, .count = 1};
	struct recording_writer *writer;
	struct sample sample = {0};
	int number;
	size_t i;

	assert_int_equal(recording_writer_open(path, &head, &writer), 0);
	for (number = 0; number <= rows[count - 1].number; number++) {
		struct recording_moment moment = moment_of(number);

		sample_clear(&sample);
		for (i = 0; i < count; i++) {
			if (rows[i].number != number)
				continue;
			assert_int_equal(rows[i].times.count
						 ? sample_add_distribution(&sample, rows[i].row,
									   &rows[i].times)
						 : sample_add(&sample, rows[i].row),
					 0);
		}
		sample_sort(&sample);
		assert_int_equal(recording_writer_add(writer, &sample, &moment, &guests), 0);
	}
	assert_int_equal(recording_writer_close(writer), 0);
	sample_done(&sample);
}

static void read_rows(struct source *replay, enum selection_by by, uint64_t number,
		      struct sample *sample)
{
	select_by(replay, by);
	replay_seek(replay, number);
	sample_clear(sample);
	assert_int_equal(source_read(replay, sample), 0);
	sample_sort(sample);
}

/* By vCPU what is counted of a guest as a whole has rows; what its threads had counted has none. */
static void test_rows_of_a_whole_guest(void **state)
{
	static const struct made_row rows[] = {
		{0,
		 {.name = "exits", .guest = 10, .thread = {.tid = 11, .is_vcpu = true}, .value = 5},
		 {0}},
		{0, {.name = "flushes", .guest = 10, .value = 7}, {0}},
		{1, {.name = "flushes", .guest = 10, .value = 8}, {0}},
	};
	struct sample sample = {0};
	struct source *replay;

	(void)state;
	record_rows(rows, array_size(rows));
	replay = open_good();
	read_rows(replay, BY_VCPU, 0, &sample);
	assert_int_equal(sample.count, 2);
	assert_string_equal(sample.rows[0].name, "exits");
	assert_int_equal(sample.rows[0].thread.tid, 11);
	assert_string_equal(sample.rows[1].name, "flushes");
	assert_int_equal(sample.rows[1].value, 7);
	read_rows(replay, BY_VCPU, 1, &sample);
	assert_int_equal(sample.count, 1);
	assert_string_equal(sample.rows[0].name, "flushes");
	assert_int_equal(sample.rows[0].value, 8);
	read_rows(replay, BY_GUEST, 1, &sample);
	assert_int_equal(sample.count, 2);
	assert_int_equal(sample.rows[0].value, 5);
	sample_done(&sample);
	source_close(replay);
}

/* One of a process' VMs ends: neither what was counted nor how it was spread goes back. */
static void test_a_row_that_falls(void **state)
{
	static const struct made_row rows[] = {
		{0, {.name = "exits", .guest = 10, .value = 1003}, {0}},
		{0,
		 {.name = "hist", .kind = FIELD_HISTOGRAM, .guest = 10, .value = 9},
		 {.bucket_count = 3, .buckets = {2, 4, 3}, .count = 9}},
		{1, {.name = "exits", .guest = 10, .value = 3}, {0}},
		{1,
		 {.name = "hist", .kind = FIELD_HISTOGRAM, .guest = 10, .value = 8},
		 {.bucket_count = 3, .buckets = {2, 0, 6}, .count = 8}},
		{2, {.name = "exits", .guest = 10, .value = 4}, {0}},
	};
	static const uint64_t totals[] = {1003, 1003, 1004}, counts[] = {9, 12, 12};
	struct sample sample = {0};
	struct source *replay;
	size_t i;

	(void)state;
	record_rows(rows, array_size(rows));
	replay = open_good();
	for (i = 0; i < 3; i++) {
		const struct distribution *all;

		read_rows(replay, BY_FIELD, i, &sample);
		assert_int_equal(sample.count, 2);
		assert_int_equal(sample.rows[0].value, totals[i]);
		assert_int_equal(sample.rows[1].value, counts[i]);
		all = sample_distribution(&sample, &sample.rows[1]);
		assert_non_null(all);
		assert_int_equal(all->count, counts[i]);
		assert_int_equal(all->buckets[0], 2);
		assert_int_equal(all->buckets[1], 4);
		assert_int_equal(all->buckets[2], i ? 6 : 3);
	}
	read_rows(replay, BY_GUEST, 2, &sample);
	assert_int_equal(sample.rows[0].value, 4);
	sample_done(&sample);
	source_close(replay);
}

/* A row of the sample, or NULL. */
static const struct sample_row *find_row(const struct sample *sample, const char *name, pid_t guest)
{
	size_t i;

	for (i = 0; i < sample->count; i++) {
		const struct sample_row *row = &sample->rows[i];

		if (strcmp(row->name, name) == 0 && row->guest == guest)
			return row;
	}
	return NULL;
}

/* Names of the made host that count up, by their numbers. */
static const char *const counters[] = {"kvm_exit", "kvm_exit(HLT)", NULL, "wait_ns"};

static void check_counters(const struct sample *sample, int number, pid_t shown, pid_t guest)
{
	size_t i;

	for (i = 0; i < array_size(counters); i++) {
		uint64_t wanted = truth(number, (int)i, BY_GUEST, guest, 0);
		const struct sample_row *row;

		if (!counters[i])
			continue;
		row = find_row(sample, counters[i], shown);
		assert_int_equal(row ? row->value : 0, wanted);
	}
}

/* Of all rows of this name and guest, such as those of its threads. */
static uint64_t sum_of_rows(const struct sample *sample, const char *name, pid_t guest)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < sample->count; i++) {
		const struct sample_row *row = &sample->rows[i];

		if (row->guest == guest && strcmp(row->name, name) == 0)
			sum += row->value;
	}
	return sum;
}

/* What one guest had counted stays when it has ended, to whatever sample one goes. */
static void test_one_guest(void **state)
{
	const struct guests *guests;
	struct source_error error;
	struct sample sample = {0};
	struct source *replay;
	size_t i, j;

	(void)state;
	record(8, SAMPLES_MAX);
	replay = open_good();
	guests = replay_all_guests(replay);
	assert_true(guests->count > 10);
	for (i = 0; i < guests->count; i++) {
		pid_t pid = guests->list[i].pid;
		struct selection selection = {.pid = pid, .children = true, .latency = true};

		assert_int_equal(source_select(replay, &selection, &error), 0);
		for (j = 0; j < 20; j++) {
			int number = j ? (int)dice(SAMPLES_MAX) : SAMPLES_MAX - 1;

			replay_seek(replay, (uint64_t)number);
			sample_clear(&sample);
			assert_int_equal(source_read(replay, &sample), 0);
			sample_sort(&sample);
			check_counters(&sample, number, 0, pid);
		}
	}
	sample_done(&sample);
	source_close(replay);
}

/* A reset after the guest's end: nothing is counted since; one before it: the difference. */
static void test_reset_of_one_guest(void **state)
{
	struct selection selection = {.pid = 100};
	struct source_error error;
	struct sample sample = {0};
	struct source *replay;
	int end = 0, i;

	(void)state;
	record(8, SAMPLES_MAX);
	while (end < SAMPLES_MAX &&
	       truth(end, 0, BY_GUEST, 100, 0) != truth(SAMPLES_MAX - 1, 0, BY_GUEST, 100, 0))
		end++;
	assert_in_range(end, 2, SAMPLES_MAX - 20);
	replay = open_good();
	assert_int_equal(source_select(replay, &selection, &error), 0);
	for (i = 0; i < 2; i++) {
		int reset = i ? SAMPLES_MAX - 2 : end / 2;

		replay_seek(replay, (uint64_t)reset);
		sample_clear(&sample);
		assert_int_equal(source_read(replay, &sample), 0);
		source_reset(replay);
		replay_seek(replay, SAMPLES_MAX - 1);
		sample_clear(&sample);
		assert_int_equal(source_read(replay, &sample), 0);
		sample_sort(&sample);
		assert_int_equal(find_row(&sample, "kvm_exit", 0)->value,
				 truth(SAMPLES_MAX - 1, 0, BY_GUEST, 100, 0) -
					 truth(reset, 0, BY_GUEST, 100, 0));
	}
	sample_done(&sample);
	source_close(replay);
}

/* All of the recording as one interval: of everybody who was there, and as complete as its parts. */
static void test_leap(void **state)
{
	static const enum selection_by all[] = {BY_GUEST, BY_VCPU};
	struct sample sample = {0};
	const struct guests *guests;
	struct source *replay;
	size_t i, j;

	(void)state;
	record(9, SAMPLES_MAX);
	replay = open_good();
	guests = replay_all_guests(replay);
	for (i = 0; i < array_size(all); i++) {
		select_by(replay, all[i]);
		replay_seek(replay, 0);
		sample_clear(&sample);
		assert_int_equal(source_read(replay, &sample), 0);
		assert_false(sample.partial);
		replay_leap(replay);
		sample_clear(&sample);
		assert_int_equal(source_read(replay, &sample), 0);
		sample_sort(&sample);
		assert_int_equal(replay_next(replay), SAMPLES_MAX);
		/* The last sample is whole: others are not. */
		assert_true(sample.partial);
		assert_int_equal(replay_shown_guests(replay)->count, guests->count);
		assert_true(replay_guests(replay)->count < guests->count);
		for (j = 0; j < guests->count && all[i] == BY_GUEST; j++)
			check_counters(&sample, SAMPLES_MAX - 1, guests->list[j].pid,
				       guests->list[j].pid);
		for (j = 0; j < guests->count; j++)
			assert_non_null(find_row(&sample, "kvm_exit", guests->list[j].pid));
		for (j = 0; j < guests->count; j++)
			assert_int_equal(
				sum_of_rows(&sample, "kvm_exit", guests->list[j].pid),
				truth(SAMPLES_MAX - 1, 0, BY_GUEST, guests->list[j].pid, 0));
		for (j = 0; j < sample.count && all[i] == BY_VCPU; j++) {
			const struct sample_row *row = &sample.rows[j];

			if (strcmp(row->name, "kvm_exit") == 0 && row->thread.is_vcpu)
				assert_int_equal(row->value, truth(SAMPLES_MAX - 1, 0, BY_VCPU,
								   row->guest, row->thread.vcpu));
		}
	}
	sample_done(&sample);
	source_close(replay);
}

/* Numbers at the ends of their 64 bits, which readers of JSON cannot tell from those beyond. */
static void test_extreme_times(void **state)
{
	static const uint64_t ends[] = {INT64_MAX, 1, (uint64_t)INT64_MAX + 1, UINT64_MAX, 0, 1};
	struct recording_head head = {.by = BY_FIELD};
	struct sample_row row = {.name = "kvm_exit"};
	struct guests guests = {0};
	struct recording_writer *writer;
	struct sample sample = {0};
	struct source *replay;
	size_t i;

	(void)state;
	assert_int_equal(recording_writer_open(path, &head, &writer), 0);
	for (i = 0; i < array_size(ends); i++) {
		struct recording_moment moment = moment_of((int)i);
		struct distribution times = {.scale = DISTRIBUTION_LOG2,
					     .bucket_count = 2,
					     .has_moments = true,
					     .has_extremes = true,
					     .sum = ends[i],
					     .squares_low = ends[i],
					     .max = 3,
					     .buckets = {5, ends[i]},
					     .count = ends[i] + 5};

		row.value = ends[i];
		sample_clear(&sample);
		assert_int_equal(sample_add_distribution(&sample, row, &times), 0);
		assert_int_equal(recording_writer_add(writer, &sample, &moment, &guests), 0);
	}
	assert_int_equal(recording_writer_close(writer), 0);
	replay = open_good();
	select_by(replay, BY_FIELD);
	for (i = 0; i < array_size(ends); i++) {
		const struct distribution *times;

		sample_clear(&sample);
		assert_int_equal(source_read(replay, &sample), 0);
		sample_sort(&sample);
		assert_int_equal(sample.rows[0].value, ends[i]);
		times = sample_distribution(&sample, &sample.rows[0]);
		assert_non_null(times);
		assert_int_equal(times->sum, ends[i]);
		assert_int_equal(times->squares_low, ends[i]);
		assert_int_equal(times->max, 3);
		assert_int_equal(times->buckets[0], 5);
		assert_int_equal(times->buckets[1], ends[i]);
		assert_int_equal(times->count, ends[i] + 5);
	}
	sample_done(&sample);
	source_close(replay);
}

/* The size of the file each time that it was written to the disk; and what that says. */
static off_t synced[8];
static size_t sync_count;
static int sync_error;

/* In place of the C library's. */
int fdatasync(int fildes)
{
	struct stat st;

	assert_int_equal(fstat(fildes, &st), 0);
	if (sync_count < array_size(synced))
		synced[sync_count++] = st.st_size;
	errno = sync_error;
	return sync_error ? -1 : 0;
}

/* A crash of the host takes no more than a segment: that a disk failed to take it is said. */
static void test_on_disk(void **state)
{
	struct recording_head head = {.by = BY_FIELD};
	struct recording_moment moment = moment_of(0);
	struct recording_writer *writer;
	struct guests guests = {0};
	struct sample sample = {0};
	size_t i;

	(void)state;
	sync_count = 0;
	record(8, 130);
	assert_int_equal(sync_count, 4);
	for (i = 0; i < 3; i++)
		assert_int_equal(samples_within((size_t)synced[i]), i * RECORDING_SEGMENT + 1);
	assert_int_equal(synced[3], file_size());

	assert_int_equal(unlink(path), 0);
	assert_int_equal(recording_writer_open(path, &head, &writer), 0);
	sync_error = EIO;
	assert_int_equal(recording_writer_add(writer, &sample, &moment, &guests), -EIO);
	sync_error = 0;
	assert_int_equal(recording_writer_close(writer), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(recording_writer_open(path, &head, &writer), 0);
	assert_int_equal(recording_writer_add(writer, &sample, &moment, &guests), 0);
	sync_error = EIO;
	assert_int_equal(recording_writer_close(writer), -EIO);
	sync_error = 0;
	sample_done(&sample);
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

/* Nor is anything made behind a link that leads nowhere. */
static void test_dangling_link(void **state)
{
	struct recording_head head = {.by = BY_FIELD};
	struct recording_writer *writer = NULL;

	(void)state;
	tree_link(&tree, "recording", "elsewhere");
	assert_int_equal(recording_writer_open(path, &head, &writer), -EEXIST);
	assert_false(host_exists(&tree.root, "elsewhere"));
}

/* By its end the name may be another file's: what was made stays, empty. */
static void test_no_room_for_the_head(void **state)
{
	struct recording_head head = {.by = BY_FIELD};
	struct recording_writer *writer = NULL;
	struct rlimit limit, before;
	int r;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = recording_writer_open(path, &head, &writer);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(file_size(), 0);
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
	assert_int_equal(replay_open(path, NULL, &replay, &why), 0);
	assert_non_null(replay_damage(replay));
	assert_int_equal(replay_count(replay), number);
	source_close(replay);
	sample_done(&sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OF_HOST(test_shows_what_happened),
		OF_HOST(test_seek),
		OF_HOST(test_reset),
		OF_HOST(test_selections),
		OF_HOST(test_rows_of_a_whole_guest),
		OF_HOST(test_a_row_that_falls),
		OF_HOST(test_one_guest),
		OF_HOST(test_reset_of_one_guest),
		OF_HOST(test_leap),
		OF_HOST(test_extreme_times),
		OF_HOST(test_on_disk),
		OF_HOST(test_existing_file),
		OF_HOST(test_dangling_link),
		OF_HOST(test_no_room_for_the_head),
		OF_HOST(test_full_disk),
	};

	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
