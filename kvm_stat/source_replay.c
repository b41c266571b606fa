/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recording read as if its numbers were counted now. It has rows of the finest grain; what is
 * selected is added up from them. Each sample follows from the recording alone, so that going back
 * is the same as going on: from the start of the segment that the sample is in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/recording_reader.h"
#include "kvm_stat/replay.h"
#include "kvm_stat/replay_names.h"
#include "kvm_stat/replay_survey.h"

struct replay_source {
	struct source source;
	struct recording_reader *reader;
	struct replay_survey survey;
	struct replay_names names;
	uint64_t next;  /* the sample that is read next */
	bool *selected; /* by index of the name */
	struct selection selection;
	char *only;
	bool leaps, leapt; /* the next sample ends an interval that is all; so did the one before */
	/* What the guest that is selected had counted when it ended; of this selection. */
	struct sample held;
	bool holds;
	/* What had been counted at the reset: rows as they are in the recording. */
	struct sample base;
	const struct recorded_name **base_names; /* of its rows */
	uint64_t base_sample;
};

static struct replay_source *self(struct source *source)
{
	return (struct replay_source *)source;
}

static const struct replay_source *self_const(const struct source *source)
{
	return (const struct replay_source *)source;
}

/* Selecting */

/* Whether guests have a row of this field also while nothing is counted. */
static bool is_of_each_guest(const struct replay_source *replay, size_t index)
{
	const struct recorded_name *name = replay->names.list[index];
	const struct selection *selection = &replay->selection;

	return replay->selected[index] && name->kind == FIELD_EVENTS && selection->by == BY_GUEST &&
	       (!name->parent || selection->only);
}

/*
 * Whether the guests' rows that nothing is counted in are more than a recording has of those that are
 * counted: a file tells fields and guests in a few bytes each, whose product has no other bound.
 */
static bool has_too_many_rows(const struct replay_source *replay)
{
	size_t i, fields = 0;

	for (i = 0; i < replay->names.count; i++)
		fields += is_of_each_guest(replay, i);
	return !replay->selection.pid && fields * replay->survey.most_guests > RECORDING_ROWS_MAX;
}

static int replay_select(struct source *source, const struct selection *selection,
			 struct source_error *ret_error)
{
	struct replay_source *replay = self(source);
	const struct recording_head *head = recording_reader_head(replay->reader);
	char *only = selection->only ? strdup(selection->only) : NULL;
	size_t i;

	*ret_error = (struct source_error){.error = -ENOMEM};
	if (selection->only && !only)
		return -ENOMEM;
	*ret_error = (struct source_error){.error = -EOPNOTSUPP, .step = SOURCE_STEP_CAN};
	if (selection->by > head->by || (selection->tid && head->by != BY_VCPU) ||
	    (selection->pid && head->by == BY_FIELD)) {
		free(only);
		return -EOPNOTSUPP;
	}
	free(replay->only);
	replay->only = only;
	replay->selection = *selection;
	replay->selection.only = only;
	replay->holds = false;
	memset(replay->selected, 0, replay->names.count * sizeof(*replay->selected));
	for (i = 0; i < replay->names.count; i++) {
		const struct recorded_name *name = replay->names.list[i], *parent;
		unsigned int parts = selection_parts(selection, name->name, name->parent);

		if (selection->exits_only && !replay->names.timed[i])
			continue;
		replay->selected[i] |= (parts & SELECTED_ROW) != 0;
		parent = parts & SELECTED_PARENT ? replay_names_parent(&replay->names, name) : NULL;
		if (parent)
			replay->selected[parent->index] = true;
	}
	if (!has_too_many_rows(replay))
		return 0;
	*ret_error = (struct source_error){.error = -E2BIG, .step = SOURCE_STEP_READ};
	return -E2BIG;
}

/* Reading */

/* A sample under construction. */
struct projection {
	const struct replay_source *replay;
	struct sample *sample;
	pid_t ended; /* only what this guest had counted, who has ended since; 0: of all */
};

/*
 * Adds a row of the recording to the row that it belongs to by the selection. By vCPU a guest's threads
 * that ended have no rows; only in an interval that is all of the recording they are one of their own.
 */
static int project(const struct recorded_name *name, const struct sample_row *row,
		   const struct distribution *distribution, void *data)
{
	struct projection *projection = data;
	const struct selection *selection = &projection->replay->selection;
	struct sample_row out = *row;

	if (!projection->replay->selected[name->index] ||
	    (projection->ended &&
	     (row->guest != projection->ended || !field_counts_up(row->kind))) ||
	    (selection->pid && row->guest != selection->pid) ||
	    (selection->tid && row->thread.tid != selection->tid) ||
	    (selection->by != BY_FIELD && !row->guest) ||
	    (selection->by == BY_VCPU && name->threads && !sample_thread_is_one(&row->thread) &&
	     !projection->replay->leapt))
		return 0;
	if (selection->by != BY_VCPU)
		out.thread = (struct sample_thread){0};
	if (selection->by == BY_FIELD)
		out.guest = 0;
	if (distribution && (selection->latency || row->kind == FIELD_HISTOGRAM))
		return sample_add_distribution(projection->sample, out, distribution);
	out.distribution = 0;
	return sample_add(projection->sample, out);
}

static struct sample_row empty_row(const struct recorded_name *name, pid_t guest)
{
	return (struct sample_row){.name = name->name,
				   .parent = name->parent,
				   .is_flag = name->is_flag,
				   .kind = name->kind,
				   .unit = name->unit,
				   .guest = guest};
}

static bool is_recorded_from(const struct replay_source *replay, const char *source)
{
	const struct recording_head *head = recording_reader_head(replay->reader);
	size_t i;

	for (i = 0; i < head->source_count; i++) {
		if (strcmp(head->sources[i], source) == 0)
			return true;
	}
	return false;
}

/*
 * As with the other sources, a field has a row also while nothing is counted: of names all that ever
 * occur, and each guest that runs has all events that are no reasons. The states of no guests are 0
 * for debugfs, which has files of the host; stats knows of none.
 */
static int add_empty_rows(struct replay_source *replay, struct sample *sample)
{
	const struct guests *guests = recording_reader_guests(replay->reader);
	const struct selection *selection = &replay->selection;
	bool no_states = !guests->count && is_recorded_from(replay, "debugfs");
	size_t i, j;
	int r = 0;

	for (i = 0; i < replay->names.count && r == 0; i++) {
		const struct recorded_name *name = replay->names.list[i];
		bool of_host = name->kind == FIELD_EVENTS || name->kind == FIELD_TIME ||
			       (no_states && !field_counts_up(name->kind));

		if (!replay->selected[i])
			continue;
		if (selection->by == BY_FIELD && of_host)
			r = sample_add(sample, empty_row(name, 0));
		for (j = 0; j < guests->count && r == 0 && is_of_each_guest(replay, i); j++) {
			pid_t pid = guests->list[j].pid;

			if (!selection->pid || selection->pid == pid)
				r = sample_add(sample, empty_row(name, pid));
		}
	}
	return r;
}

static void drop_base(struct replay_source *replay)
{
	sample_done(&replay->base);
	free(take_ptr(replay->base_names));
	replay->base_sample = 0;
}

/* Takes away what had been counted at the reset. */
static int subtract_base(struct replay_source *replay, struct sample *sample)
{
	struct sample base = {0};
	struct projection projection = {.replay = replay, .sample = &base};
	size_t i, j = 0;
	int r = 0;

	for (i = 0; i < replay->base.count && r == 0; i++)
		r = project(replay->base_names[i], &replay->base.rows[i],
			    sample_distribution(&replay->base, &replay->base.rows[i]), &projection);
	sample_sort(&base);
	for (i = 0; i < sample->count && r == 0; i++) {
		struct sample_row *row = &sample->rows[i];
		const struct distribution *before;
		struct distribution *now;

		while (j < base.count && sample_row_compare(&base.rows[j], row) < 0)
			j++;
		if (j == base.count || sample_row_compare(&base.rows[j], row) != 0 ||
		    !field_counts_up(row->kind))
			continue;
		row->value -= base.rows[j].value < row->value ? base.rows[j].value : row->value;
		before = sample_distribution(&base, &base.rows[j]);
		if (!before || !row->distribution)
			continue;
		now = &sample->distributions[row->distribution - 1];
		if (now->count < before->count)
			row->distribution = 0; /* it is from before the reset */
		else
			distribution_subtract(now, before);
	}
	sample_done(&base);
	return r;
}

/* Whether the file has names now that it had not when it was read first. */
static bool has_new_names(const struct replay_source *replay)
{
	size_t count;

	recording_reader_names(replay->reader, &count);
	return count != replay->names.count;
}

/* Reads on, or back and on, until this sample is the one read last. */
static int read_sample(struct replay_source *replay, uint64_t number)
{
	const struct replay_segment *segment = replay_survey_segment(&replay->survey, number);
	uint64_t position = recording_reader_position(replay->reader);
	int r = 0;

	if (position > number || position < segment->sample)
		r = recording_reader_seek(replay->reader, segment->sample, segment->offset);
	while (r >= 0 && recording_reader_position(replay->reader) <= number) {
		r = recording_reader_next(replay->reader);
		if (r == 0)
			return -EBADMSG;
	}
	/* It was read well once: somebody has changed the file since. */
	if (r == -EBADMSG || has_new_names(replay))
		return -EIO;
	return r < 0 ? r : 0;
}

/* Adds what a guest that has ended since had counted. */
static int add_ended(struct replay_source *replay, pid_t pid, struct sample *sample)
{
	struct projection projection = {.replay = replay, .sample = sample, .ended = pid};
	int r = read_sample(replay, replay_survey_end(&replay->survey, pid) - 1);

	if (r == 0)
		r = recording_reader_rows(replay->reader, project, &projection);
	/* There is no end of guests that each had as many as a recording can have at a time. */
	return r == 0 && sample->count > RECORDING_ROWS_MAX ? -E2BIG : r;
}

static int copy_rows(struct sample *to, const struct sample *from)
{
	size_t i;
	int r = 0;

	for (i = 0; i < from->count && r == 0; i++) {
		const struct distribution *distribution = sample_distribution(from, &from->rows[i]);

		r = distribution ? sample_add_distribution(to, from->rows[i], distribution)
				 : sample_add(to, from->rows[i]);
	}
	return r;
}

/* Once the guest that is selected has ended, its totals stay what they were. */
static int add_held(struct replay_source *replay, struct sample *sample)
{
	pid_t pid = replay->selection.pid;
	uint64_t end = replay_survey_end(&replay->survey, pid);
	int r = 0;

	/* Those from before a reset are not in its totals. */
	if (!end || replay->next < end || replay->base_sample >= end)
		return 0;
	if (!replay->holds) {
		sample_clear(&replay->held);
		r = add_ended(replay, pid, &replay->held);
		replay->holds = r == 0;
	}
	return r < 0 ? r : copy_rows(sample, &replay->held);
}

struct ended {
	uint64_t end;
	pid_t pid;
};

static int compare_ends(const void *a, const void *b)
{
	const struct ended *left = a, *right = b;

	return (left->end > right->end) - (left->end < right->end);
}

/* In an interval that is all of the recording everybody has a part who has ended in it. */
static int add_all_ended(struct replay_source *replay, struct sample *sample)
{
	const struct replay_survey *survey = &replay->survey;
	cleanup_free struct ended *list = calloc(survey->guests.count + 1, sizeof(*list));
	size_t i, count = 0;
	int r = 0;

	if (!list)
		return -ENOMEM;
	for (i = 0; i < survey->guests.count; i++) {
		pid_t pid = survey->guests.list[i].pid;

		if (survey->ends[i] && survey->ends[i] < survey->count &&
		    (!replay->selection.pid || replay->selection.pid == pid))
			list[count++] = (struct ended){.end = survey->ends[i], .pid = pid};
	}
	qsort(list, count, sizeof(*list), compare_ends); /* so that it is read once at most */
	for (i = 0; i < count && r == 0; i++)
		r = add_ended(replay, list[i].pid, sample);
	return r;
}

static int replay_read(struct source *source, struct sample *sample)
{
	struct replay_source *replay = self(source);
	struct projection projection = {.replay = replay, .sample = sample};
	const struct recording_moment *moment;
	int r;

	if (replay->next >= replay->survey.count || !replay->survey.segment_count)
		return -ENODATA;
	replay->leapt = replay->leaps;
	replay->leaps = false;
	if (replay->selection.pid && replay->selection.by == BY_FIELD)
		r = add_held(replay, sample);
	else
		r = replay->leapt && replay->selection.by != BY_FIELD
			    ? add_all_ended(replay, sample)
			    : 0;
	if (r == 0)
		r = read_sample(replay, replay->next);
	if (r < 0)
		return r;
	replay->next++;
	moment = recording_reader_moment(replay->reader);
	/* The one just before is only looked at for the rates of the one after it. */
	if (replay->next < replay->base_sample)
		drop_base(replay);
	sample->partial |= moment->partial || (replay->leapt && replay->survey.any_partial);
	r = add_empty_rows(replay, sample);
	if (r == 0)
		r = recording_reader_rows(replay->reader, project, &projection);
	if (r == 0 && replay->base.count) {
		sample_sort(sample);
		r = subtract_base(replay, sample);
	}
	return r;
}

static int take_base(const struct recorded_name *name, const struct sample_row *row,
		     const struct distribution *distribution, void *data)
{
	struct replay_source *replay = data;

	if (replay->base.count % 1024 == 0) {
		const struct recorded_name **grown =
			reallocarray(replay->base_names, replay->base.count + 1024, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		replay->base_names = grown;
	}
	replay->base_names[replay->base.count] = name;
	return distribution ? sample_add_distribution(&replay->base, *row, distribution)
			    : sample_add(&replay->base, *row);
}

static void replay_reset(struct source *source)
{
	struct replay_source *replay = self(source);

	drop_base(replay);
	if (!replay->next || has_new_names(replay))
		return;
	/* Without memory totals go on from the recording's start: they are shown, not lost. */
	if (recording_reader_rows(replay->reader, take_base, replay) < 0)
		drop_base(replay);
	else
		replay->base_sample = replay->next - 1;
}

static int replay_list(struct source *source, void (*take)(const char *name, void *data),
		       void *data)
{
	const struct replay_source *replay = self(source);
	size_t i;

	for (i = 0; i < replay->names.count; i++) {
		if (!replay->names.list[i]->parent)
			take(replay->names.list[i]->name, data);
	}
	return 0;
}

static struct source_health replay_health(const struct source *source)
{
	const struct replay_source *replay = self_const(source);
	struct source_health health = {0};
	size_t i;

	for (i = 0; i < replay->names.count; i++)
		health.fields += replay->selected[i];
	return health;
}

static void replay_close(struct source *source)
{
	struct replay_source *replay = self(source);

	drop_base(replay);
	recording_reader_close(replay->reader);
	replay_survey_done(&replay->survey);
	replay_names_done(&replay->names);
	sample_done(&replay->held);
	free(replay->selected);
	free(replay->only);
	free(replay);
}

static const struct source_ops replay_ops = {
	.kind = SOURCE_REPLAY,
	.select = replay_select,
	.read = replay_read,
	.reset = replay_reset,
	.list = replay_list,
	.health = replay_health,
	.close = replay_close,
};

int replay_open(const char *path, const sigset_t *ending, struct source **ret_source,
		char **ret_why)
{
	struct replay_source *replay = calloc(1, sizeof(*replay));
	int r;

	*ret_why = NULL;
	if (!replay)
		return -ENOMEM;
	replay->source.ops = &replay_ops;
	r = recording_reader_open(path, ending, &replay->reader, ret_why);
	if (r == 0)
		r = replay_survey_read(&replay->survey, replay->reader);
	if (r == 0)
		r = replay_names_take(&replay->names, replay->reader);
	if (r == 0) {
		replay->selected = calloc(replay->names.count + 1, sizeof(*replay->selected));
		r = replay->selected ? 0 : -ENOMEM;
	}
	if (r < 0) {
		replay_close(&replay->source);
		return r;
	}
	*ret_source = &replay->source;
	return 0;
}

const char *replay_damage(const struct source *source)
{
	return self_const(source)->survey.damage;
}

const struct recording_head *replay_head(const struct source *source)
{
	return recording_reader_head(self_const(source)->reader);
}

uint64_t replay_count(const struct source *source)
{
	return self_const(source)->survey.count;
}

uint64_t replay_next(const struct source *source)
{
	return self_const(source)->next;
}

bool replay_guest_ended(const struct source *source, pid_t pid)
{
	const struct replay_source *replay = self_const(source);

	return replay->next > replay_survey_end(&replay->survey, pid);
}

void replay_seek(struct source *source, uint64_t next)
{
	self(source)->next = next;
}

void replay_leap(struct source *source)
{
	struct replay_source *replay = self(source);

	replay->leaps = replay->survey.count > 1;
	if (replay->leaps)
		replay->next = replay->survey.count - 1;
}

const struct recording_moment *replay_moment(const struct source *source)
{
	return recording_reader_moment(self_const(source)->reader);
}

const struct guests *replay_guests(const struct source *source)
{
	return recording_reader_guests(self_const(source)->reader);
}

const struct guests *replay_shown_guests(const struct source *source)
{
	const struct replay_source *replay = self_const(source);

	return replay->next && !replay->leapt ? replay_guests(source) : &replay->survey.guests;
}

const struct guests *replay_all_guests(const struct source *source)
{
	return &self_const(source)->survey.guests;
}
