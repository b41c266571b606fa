/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a session makes of several sources of which not each has every kind of rows, and the keys
 * that ask for such rows.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/session.h"
#include "kvm_stat/tui_state.h"
#include "tests/unit/capture.h"

/* A source with one field. */
struct made {
	struct source source;
	const char *field;
	enum selection_by finest; /* of the rows that it has */
	int failure;          /* of finer rows than by field, with another cause than having none */
	enum selection_by by; /* as was selected last */
	bool has_field;       /* of that selection */
	unsigned int selected, reads, resets;
	size_t unreadable;
};

static struct made *self(struct source *source)
{
	return (struct made *)source;
}

static int made_select(struct source *source, const struct selection *selection,
		       struct source_error *ret_error)
{
	struct made *made = self(source);

	if (made->failure && selection->by != BY_FIELD) {
		*ret_error = (struct source_error){made->failure, SOURCE_STEP_READ, 0};
		return made->failure;
	}
	if (selection->by > made->finest || (selection->exits_only && made->finest != BY_VCPU)) {
		*ret_error = (struct source_error){-EOPNOTSUPP, SOURCE_STEP_CAN, 0};
		return -EOPNOTSUPP;
	}
	made->by = selection->by;
	made->has_field = selection_wants(selection, made->field);
	made->selected++;
	return 0;
}

static int made_read(struct source *source, struct sample *sample)
{
	struct made *made = self(source);

	made->reads++;
	return !made->has_field ? 0
				: sample_add(sample, (struct sample_row){.name = made->field,
									 .value = made->reads});
}

static void made_reset(struct source *source)
{
	self(source)->resets++;
}

static struct source_health made_health(const struct source *source)
{
	const struct made *made = (const struct made *)source;

	return (struct source_health){
		.fields = made->has_field, .unreadable = made->unreadable, .error = -EACCES};
}

static const struct source_ops debugfs_ops = {
	.kind = SOURCE_DEBUGFS,
	.select = made_select,
	.read = made_read,
	.reset = made_reset,
	.health = made_health,
};

static const struct source_ops tracepoint_ops = {
	.kind = SOURCE_TRACEPOINTS,
	.select = made_select,
	.read = made_read,
	.reset = made_reset,
	.health = made_health,
};

struct watch {
	struct made debugfs, tracepoints;
	struct session session;
	struct tui tui;
};

static void start(struct watch *watch, enum selection_by finest)
{
	*watch = (struct watch){
		.debugfs = {.source.ops = &debugfs_ops, .field = "exits", .finest = BY_GUEST},
		.tracepoints = {.source.ops = &tracepoint_ops,
				.field = "kvm_exit",
				.finest = finest},
		.session = {.root = HOST_ROOT_NONE, .rates.first = true},
	};
	watch->session.sources[0] = &watch->debugfs.source;
	watch->session.sources[1] = &watch->tracepoints.source;
	watch->session.source_count = 2;
	watch->debugfs.has_field = watch->tracepoints.has_field = true;
	assert_int_equal(session_sample(&watch->session), 0);
}

static void stop(struct watch *watch)
{
	watch->session.source_count = 0; /* these are ours */
	session_close(&watch->session);
}

/* Selects rows; what is said meanwhile is *ret_said, to be freed. */
static int select_by(struct watch *watch, enum selection_by by, char **ret_said)
{
	struct selection wanted = watch->session.selection;
	struct capture capture = capture_start(2);
	int r;

	wanted.by = by;
	r = session_select(&watch->session, &wanted);
	*ret_said = capture_end(&capture);
	return r;
}

/* Takes a sample; `names` are those of its rows. */
static void assert_rows(struct watch *watch, const char *const *names, size_t count)
{
	size_t i;

	assert_int_equal(session_read(&watch->session), 0);
	assert_int_equal(watch->session.sample.count, count);
	for (i = 0; i < count; i++)
		assert_string_equal(watch->session.sample.rows[i].name, names[i]);
}

static void test_silent_where_another_knows(void **state)
{
	struct watch watch;
	char *said;

	(void)state;
	start(&watch, BY_VCPU);
	/* What of it cannot be read is of no account either. */
	watch.debugfs.unreadable = 1;
	assert_int_equal(select_by(&watch, BY_VCPU, &said), 0);
	assert_string_equal(said, "");
	free(said);
	assert_false(session_is_unreadable(&watch.session));
	assert_int_equal(watch.session.selection.by, BY_VCPU);
	assert_rows(&watch, (const char *const[]){"kvm_exit"}, 1);
	session_reset(&watch.session);
	assert_int_equal(watch.tracepoints.resets, 1);
	assert_int_equal(watch.debugfs.resets, 0);
	assert_int_equal(watch.debugfs.reads, 1);

	/* And it is there again with rows that it has. */
	watch.debugfs.unreadable = 0;
	assert_int_equal(select_by(&watch, BY_GUEST, &said), 0);
	assert_string_equal(said, "");
	free(said);
	assert_int_equal(watch.debugfs.by, BY_GUEST);
	assert_rows(&watch, (const char *const[]){"exits", "kvm_exit"}, 2);
	stop(&watch);
}

static void test_refused_where_none_knows(void **state)
{
	struct watch watch;
	char *said, *newline;

	(void)state;
	start(&watch, BY_GUEST);
	assert_int_equal(select_by(&watch, BY_VCPU, &said), -EOPNOTSUPP);
	newline = strchr(said, '\n');
	assert_non_null(newline);
	assert_string_equal(newline, "\n");
	assert_non_null(strstr(said, "virtual CPUs cannot be told apart"));
	free(said);
	/* All count again what they did. */
	assert_int_equal(watch.session.selection.by, BY_FIELD);
	assert_int_equal(watch.debugfs.selected, 1);
	assert_int_equal(watch.tracepoints.selected, 1);
	assert_rows(&watch, (const char *const[]){"exits", "kvm_exit"}, 2);
	stop(&watch);
}

/* A failure is none of knowing: it is never silent. */
static void test_failure_is_said(void **state)
{
	struct watch watch;
	char *said;

	(void)state;
	start(&watch, BY_VCPU);
	watch.tracepoints.failure = -EIO;
	assert_int_equal(select_by(&watch, BY_VCPU, &said), -EIO);
	assert_non_null(strstr(said, strerror(EIO)));
	assert_non_null(strstr(said, "tracepoints"));
	free(said);
	assert_rows(&watch, (const char *const[]){"exits", "kvm_exit"}, 2);

	watch.tracepoints.failure = 0;
	watch.debugfs.failure = -EIO;
	assert_int_equal(select_by(&watch, BY_VCPU, &said), -EIO);
	assert_non_null(strstr(said, strerror(EIO)));
	assert_non_null(strstr(said, "debugfs"));
	free(said);
	assert_rows(&watch, (const char *const[]){"exits", "kvm_exit"}, 2);
	stop(&watch);
}

/* Presses a key on the screen's list; what is said meanwhile is returned, to be freed. */
static char *press(struct watch *watch, uint32_t key)
{
	struct capture capture = capture_start(2);
	bool refreshes = tui_take_key(&watch->tui, key);
	char *said = capture_end(&capture);

	assert_false(refreshes);
	assert_int_equal(watch->tui.failure, 0);
	return said;
}

static void assert_silent_key(struct watch *watch, uint32_t key, enum view_kind kind)
{
	char *said = press(watch, key);

	assert_string_equal(said, "");
	assert_int_equal(watch->tui.model.kind, kind);
	free(said);
}

static void start_screen(struct watch *watch, enum selection_by finest)
{
	start(watch, finest);
	watch->tui = (struct tui){.session = &watch->session, .delay = 3};
	tui_start(&watch->tui);
}

static void stop_screen(struct watch *watch)
{
	tui_done(&watch->tui);
	stop(watch);
}

static void test_keys_where_one_source_knows(void **state)
{
	struct watch watch;

	(void)state;
	start_screen(&watch, BY_VCPU);
	assert_silent_key(&watch, 'e', VIEW_EXITS);
	assert_rows(&watch, (const char *const[]){"kvm_exit"}, 1);
	assert_silent_key(&watch, 'e', VIEW_EVENTS);
	assert_rows(&watch, (const char *const[]){"exits", "kvm_exit"}, 2);
	/* Of the two events that stand for all exits, the one whose vCPUs are known. */
	assert_silent_key(&watch, 'v', VIEW_VCPUS);
	assert_string_equal(watch.session.only, "kvm_exit");
	assert_rows(&watch, (const char *const[]){"kvm_exit"}, 1);
	assert_silent_key(&watch, 'v', VIEW_EVENTS);
	assert_silent_key(&watch, 'b', VIEW_GUESTS);
	assert_string_equal(watch.session.only, "exits");
	assert_rows(&watch, (const char *const[]){"exits"}, 1);
	stop_screen(&watch);
}

static void test_keys_where_no_source_knows(void **state)
{
	static const uint32_t keys[] = {'e', 'v'};
	struct watch watch;
	size_t i;

	(void)state;
	start_screen(&watch, BY_GUEST);
	for (i = 0; i < array_size(keys); i++) {
		char *said = press(&watch, keys[i]);

		assert_non_null(strstr(said, "virtual CPUs cannot be told apart"));
		free(said);
		assert_int_equal(watch.tui.model.kind, VIEW_EVENTS);
		assert_rows(&watch, (const char *const[]){"exits", "kvm_exit"}, 2);
	}
	stop_screen(&watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_where_another_knows),
		cmocka_unit_test(test_refused_where_none_knows),
		cmocka_unit_test(test_failure_is_said),
		cmocka_unit_test(test_keys_where_one_source_knows),
		cmocka_unit_test(test_keys_where_no_source_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
