/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/replay_survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add_segment(struct replay_survey *survey, uint64_t sample, off_t offset)
{
	size_t count = survey->segment_count;
	struct replay_segment *grown;

	/* Nobody needs them closer, least of all a file that was made to have many. */
	if (count && sample - survey->segments[count - 1].sample < RECORDING_SEGMENT / 2)
		return 0;
	if (count % 256 == 0) {
		grown = reallocarray(survey->segments, count + 256, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		survey->segments = grown;
	}
	survey->segments[survey->segment_count++] = (struct replay_segment){.sample = sample,
									    .offset = offset};
	return 0;
}

/* Adds a guest to those at `at`, which is where it belongs. Returns 0 or -ENOMEM. */
static int add_guest(struct replay_survey *survey, const struct guest *guest, size_t at)
{
	struct guests *guests = &survey->guests;
	struct guest copy = {.pid = guest->pid}, *grown;
	uint64_t *ends;

	grown = reallocarray(guests->list, guests->count + 1, sizeof(*grown));
	if (grown)
		guests->list = grown;
	ends = reallocarray(survey->ends, guests->count + 1, sizeof(*ends));
	if (ends)
		survey->ends = ends;
	copy.name = strdup(guest->name);
	copy.raw_name = strdup(guest->raw_name);
	if (!grown || !ends || !copy.name || !copy.raw_name) {
		free(copy.name);
		free(copy.raw_name);
		return -ENOMEM;
	}
	memmove(&grown[at + 1], &grown[at], (guests->count - at) * sizeof(*grown));
	memmove(&ends[at + 1], &ends[at], (guests->count - at) * sizeof(*ends));
	grown[at] = copy;
	ends[at] = 0;
	guests->count++;
	return 0;
}

/* Takes the guests of the sample read last. Both lists are in the order of the processes. */
static int take_guests(struct replay_survey *survey, const struct guests *now)
{
	struct guests *all = &survey->guests;
	size_t i, at = 0;
	int r = 0;

	if (survey->most_guests < now->count)
		survey->most_guests = now->count;
	for (i = 0; i < now->count && r == 0; i++) {
		while (at < all->count && all->list[at].pid < now->list[i].pid)
			at++;
		if ((at == all->count || all->list[at].pid != now->list[i].pid) &&
		    all->count < RECORDING_GUESTS_MAX)
			r = add_guest(survey, &now->list[i], at);
	}
	return r;
}

static uint64_t *find_end(const struct replay_survey *survey, pid_t pid)
{
	const struct guest *found = guests_find_pid(&survey->guests, pid);

	return found ? &survey->ends[found - survey->guests.list] : NULL;
}

/* Takes from a row of the sample read last that its guest has some there. */
static int take_end(const struct recorded_name *name, const struct sample_row *row,
		    const struct distribution *distribution, void *data)
{
	struct replay_survey *survey = data;
	uint64_t *end;

	(void)name;
	(void)distribution;
	/* Most rows are of the same guest as the one before. */
	if (row->guest == survey->end_pid)
		return 0;
	survey->end_pid = row->guest;
	end = find_end(survey, row->guest);
	if (end)
		*end = survey->count;
	return 0;
}

static int take_sample(struct replay_survey *survey, struct recording_reader *reader)
{
	off_t offset;
	int r = 0;

	if (recording_reader_segment(reader, &offset))
		r = add_segment(survey, survey->count, offset);
	survey->count++;
	if (r == 0)
		r = take_guests(survey, recording_reader_guests(reader));
	survey->end_pid = 0;
	if (r == 0)
		r = recording_reader_rows(reader, take_end, survey);
	survey->any_partial |= survey->count > 1 && recording_reader_moment(reader)->partial;
	return r;
}

int replay_survey_read(struct replay_survey *survey, struct recording_reader *reader)
{
	int r;

	while ((r = recording_reader_next(reader)) > 0) {
		r = take_sample(survey, reader);
		if (r < 0)
			return r;
	}
	if (r == 0 || r == -ENOMEM || r == -EINTR)
		return r;
	survey->damage = strdup(r == -EBADMSG && recording_reader_damage(reader)
					? recording_reader_damage(reader)
					: strerror(-r));
	return survey->damage ? 0 : -ENOMEM;
}

void replay_survey_done(struct replay_survey *survey)
{
	free(survey->segments);
	guests_done(&survey->guests);
	free(survey->ends);
	free(survey->damage);
	*survey = (struct replay_survey){0};
}

const struct replay_segment *replay_survey_segment(const struct replay_survey *survey,
						   uint64_t sample)
{
	size_t low = 0, high = survey->segment_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (survey->segments[middle].sample <= sample)
			low = middle;
		else
			high = middle;
	}
	return &survey->segments[low];
}

uint64_t replay_survey_end(const struct replay_survey *survey, pid_t pid)
{
	const uint64_t *end = find_end(survey, pid);

	return end ? *end : 0;
}
