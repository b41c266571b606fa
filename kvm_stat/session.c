/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "host/message.h"
#include "kvm_stat/diagnose.h"
#include "kvm_stat/replay.h"
#include "kvm_stat/signals.h"

static void say(bool is_error, char *text)
{
	if (is_error)
		message_error("%s", text ? text : strerror(ENOMEM));
	else
		message_warning("%s", text ? text : strerror(ENOMEM));
	free(text);
}

static void say_ambiguous(const struct guests *guests, const char *name, size_t found)
{
	cleanup_free char *pids = NULL;
	size_t i, length;
	FILE *list = open_memstream(&pids, &length);

	for (i = 0; list && i < guests->count; i++) {
		if (strcmp(guests->list[i].raw_name, name) == 0)
			fprintf(list, " %d", (int)guests->list[i].pid);
	}
	if (list)
		fclose(list);
	message_error("%zu guests by the name \"%s\" found (pids:%s): use -p to select one", found,
		      name, pids ? pids : " unknown");
}

static int resolve_name(struct session *session, const char *name, bool again, pid_t *ret_pid)
{
	size_t found;
	int r = session_update_guests(session);

	if (r < 0) {
		message_error("cannot look for guest \"%s\": %s", name, strerror(-r));
		return r;
	}
	found = guests_find_name(&session->guests, name, ret_pid);
	if (found == 1)
		return 0;
	if (found == 0 && again)
		return -EAGAIN;
	if (found == 0) {
		message_error("no guest by the name \"%s\" found", name);
		return -ESRCH;
	}
	say_ambiguous(&session->guests, name, found);
	return -EEXIST;
}

static int check_pid(struct session *session, pid_t pid)
{
	pid_t process = 0;
	int r = session_check_pid(session, pid, &process);

	if (r == -EINVAL) {
		message_error("%d is a thread of process %d: use -p %d", (int)pid, (int)process,
			      (int)process);
		return r;
	}
	if (r < 0 && session->replay) {
		message_error("the recording has no guest of process %d", (int)pid);
		return r;
	}
	if (r < 0) {
		message_error("process %d does not exist", (int)pid);
		return r;
	}
	if (session->replay)
		return 0;
	if (session_update_guests(session) == 0 && !guests_find_pid(&session->guests, pid))
		message_warning("process %d runs no KVM guest now", (int)pid);
	return 0;
}

/* Watches the guest that is selected now. */
static void watch_guest(struct session *session)
{
	session->is_replaced = false;
	watched_set(&session->watched, session->replay ? NULL : &session->root,
		    session->selection.pid);
	watched_keep_name(&session->watched, &session->guests);
}

static int find_guest(struct session *session, const struct options *options, bool again)
{
	pid_t pid = options->pid;
	int r = 0;

	if (options->guest)
		r = resolve_name(session, options->guest, again, &pid);
	else if (pid)
		r = check_pid(session, pid);
	if (r < 0)
		return r;
	session->selection.pid = pid;
	session->follows_name = options->guest || options->mode == MODE_SCREEN;
	watch_guest(session);
	return 0;
}

/* Makes a source count rows as fine as it can tell them apart: that is what a recording is of. */
static int select_finest(struct source *source, struct selection *selection,
			 struct source_error *ret_error)
{
	for (;;) {
		int r = source_select(source, selection, ret_error);

		if (r != -EOPNOTSUPP || ret_error->step != SOURCE_STEP_CAN ||
		    selection->by == BY_FIELD)
			return r;
		selection->by = selection->by == BY_VCPU ? BY_GUEST : BY_FIELD;
	}
}

/* Opens a source and starts counting. Returns 0 or -errno. */
static int start_source(struct session *session, const struct options *options, int opened,
			struct source *source, struct source_error *ret_error)
{
	struct selection selection = session->selection;
	int r = opened;

	if (r == 0 && options->mode == MODE_RECORD) {
		selection.by = BY_VCPU;
		r = select_finest(source, &selection, ret_error);
		if (r == 0 && selection.by > session->selection.by)
			session->selection.by = selection.by;
	} else if (r == 0 && options->mode != MODE_LIST_FIELDS) {
		r = source_select(source, &session->selection, ret_error);
	}
	if (r < 0)
		source_close(source);
	return r;
}

/*
 * Whether nothing is to be expected of a source. Guests that come later may keep descriptors where
 * those that run do not, unless it is one that was asked for.
 */
static bool is_useless(const struct session *session, const struct source_health *health)
{
	return health->unreadable && health->unreadable == health->fields &&
	       (health->error != -ENODATA || session->selection.pid);
}

/*
 * Tracepoints are counted by a program in the kernel, or by perf where the kernel refuses that or
 * the user wants it so.
 */
static int start_tracepoints(struct session *session, const struct options *options,
			     struct source **ret_source, struct source_error *ret_error)
{
	struct source_error error = {.error = -ENOSYS};
	int r;

	*ret_source = NULL;
	if (options->counter != COUNTER_PERF) {
		r = source_bpf_open(&session->root, SOURCE_BPF_ROWS, ret_source, ret_error);
		r = start_source(session, options, r, *ret_source, ret_error);
		/* Perf does not know how long exits take. */
		if (r == 0 || options->counter == COUNTER_BPF || session->selection.exits_only)
			return r;
		*ret_source = NULL;
		error = *ret_error;
	}
	r = source_tracepoint_open(&session->root, ret_source, ret_error);
	r = start_source(session, options, r, *ret_source, ret_error);
	/* A build without BPF has nothing to say of it each time. */
	if (r == 0 && error.error != -ENOSYS && session->root.real &&
	    options->mode != MODE_LIST_FIELDS)
		say(false, diagnose_no_bpf(&session->root, &error));
	return r;
}

/* One source that can be opened but shows nothing at all is as good as none. */
static int open_source(struct session *session, enum source_kind kind,
		       const struct options *options, struct source_error *ret_error)
{
	struct source *source = NULL;
	struct source_health health;
	int r;

	switch (kind) {
	case SOURCE_DEBUGFS:
		r = source_debugfs_open(&session->root, options->include_past, &source, ret_error);
		r = start_source(session, options, r, source, ret_error);
		break;
	case SOURCE_STATS:
		/* The screen handles SIGTSTP itself. */
		r = source_stats_open(&session->root, options->include_past,
				      options->mode != MODE_SCREEN, &source, ret_error);
		r = start_source(session, options, r, source, ret_error);
		break;
	case SOURCE_TRACEPOINTS:
	default:
		r = start_tracepoints(session, options, &source, ret_error);
		break;
	}
	if (r < 0)
		return r;
	health = source_health(source);
	if (health.unreadable)
		say(false, diagnose_health(&session->root, kind, &health));
	session->unreadable[session->source_count] = health.unreadable;
	if (is_useless(session, &health)) {
		*ret_error = (struct source_error){.error = health.error, .step = SOURCE_STEP_READ};
		source_close(source);
		return health.error;
	}
	session->sources[session->source_count++] = source;
	return 0;
}

/* Opens every source that the user insists on. */
static int open_insisted(struct session *session, const struct options *options)
{
	static const enum source_kind kinds[] = {SOURCE_DEBUGFS, SOURCE_TRACEPOINTS, SOURCE_STATS};
	struct source_error error;
	size_t i;

	for (i = 0; i < array_size(kinds); i++) {
		int r;

		if (!(options->sources & kinds[i]))
			continue;
		r = open_source(session, kinds[i], options, &error);
		if (r < 0) {
			if (r != -ENOENT || !options->waits_for_kvm)
				say(true, diagnose_source(&session->root, kinds[i], &error));
			return r;
		}
	}
	return 0;
}

/* Opens the first source that works: tracepoints as upstream does, else debugfs. */
static int open_best(struct session *session, const struct options *options)
{
	static const enum source_kind kinds[] = {SOURCE_TRACEPOINTS, SOURCE_DEBUGFS};
	struct source_error errors[array_size(kinds)];
	int results[array_size(kinds)];
	size_t i, tried;

	for (tried = 0; tried < array_size(kinds); tried++) {
		results[tried] = open_source(session, kinds[tried], options, &errors[tried]);
		if (results[tried] == 0)
			break;
	}
	/* Not a word about tracepoints below --sysroot: nobody could have expected them there. */
	for (i = 0; i < tried; i++) {
		bool found = tried < array_size(kinds);

		if ((!session->root.real && found) ||
		    (results[i] == -ENOENT && options->waits_for_kvm))
			continue;
		say(!found, diagnose_source(&session->root, kinds[i], &errors[i]));
	}
	if (tried < array_size(kinds))
		return 0;
	/* Where one of them only lacks KVM, waiting for it makes sense. */
	return results[1] == -ENOENT ? -ENOENT : results[0];
}

static int compile_filter(const char *pattern, struct field_filter **ret_filter)
{
	cleanup_free char *why = NULL;
	int r;

	*ret_filter = NULL;
	if (!*pattern)
		return 0;
	r = field_filter_compile(pattern, ret_filter, &why);
	if (r < 0)
		message_error("\"%s\" is not a valid regular expression: %s", pattern,
			      why ? why : strerror(-r));
	return r;
}

static int say_replay(const struct options *options, int error, const char *why)
{
	if (error == -ENOTSUP)
		message_error("cannot replay \"%s\": it is no regular file", options->replay);
	else if (error != -EINTR)
		message_error("cannot replay \"%s\": %s", options->replay,
			      why ? why : strerror(-error));
	/* Not -ENOENT, which would be that of KVM. */
	return error == -ENOENT ? -ESRCH : error;
}

/* Opens the recording; what is damaged in it is said at once. */
static int open_replay(struct session *session, const struct options *options)
{
	cleanup_free char *why = NULL;
	sigset_t ending;
	int r;

	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGQUIT);
	if (!options->log_file) /* with which it means "open the file anew" */
		sigaddset(&ending, SIGHUP);
	r = replay_open(options->replay, &ending, &session->replay, &why);
	if (r < 0)
		return say_replay(options, r, why);
	session->sources[session->source_count++] = session->replay;
	if (replay_damage(session->replay))
		message_error("\"%s\" is %s", options->replay, replay_damage(session->replay));
	return 0;
}

/* Selects what the options want of the recording. */
static int select_replay(struct session *session)
{
	struct source_error error;
	int r = source_select(session->replay, &session->selection, &error);

	if (r < 0)
		say(true, diagnose_source(&session->root, SOURCE_REPLAY, &error));
	return r;
}

int session_open(struct session *session, const struct options *options, bool again)
{
	bool lists = options->mode == MODE_LIST_FIELDS;
	int r;

	*session = (struct session){.root = HOST_ROOT_NONE, .rates.first = true};
	r = compile_filter(lists ? "" : options->fields, &session->filter);
	if (r < 0)
		return r;
	r = host_root_open(options->sysroot, &session->root);
	if (r < 0) {
		message_error("cannot open root directory %s: %s",
			      options->sysroot ? options->sysroot : "/", strerror(-r));
		return r;
	}
	if (options->replay)
		r = open_replay(session, options);
	if (r == 0)
		r = find_guest(session, options, again);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	session->selection.filter = session->filter;
	/* On the screen reasons are opened by key x: each of them costs the guests a little. */
	session->selection.children = options->mode != MODE_SCREEN;
	session->selection.each_guest = options->mode != MODE_SCREEN;
	session->selection.by = options->by;
	/* Where the format has a place for distributions. */
	session->selection.latency = options->format >= FORMAT_JSON || options->exits ||
				     options->mode == MODE_RECORD;
	session->selection.exits_only = options->exits;
	/* Sums over the rows of a recording are to be those that were counted. */
	session->selection.last_words = options->mode == MODE_RECORD;
	/* The columns of CSV cannot change; rows can. */
	session->selection.fixed_rows = options->format == FORMAT_CSV && options->by == BY_FIELD;
	if (session->replay)
		return select_replay(session);
	return options->sources ? open_insisted(session, options) : open_best(session, options);
}

void session_close(struct session *session)
{
	while (session->source_count)
		source_close(session->sources[--session->source_count]);
	sample_done(&session->sample);
	rates_done(&session->rates);
	guests_done(&session->guests);
	watched_done(&session->watched);
	field_filter_free(session->filter);
	free(session->only);
	session->filter = NULL;
	session->only = NULL;
	host_root_close(&session->root);
}

/* Says once when fields that could be read before cannot any more: their rows disappear. */
static void tell_new_trouble(struct session *session, size_t index)
{
	struct source *source = session->sources[index];
	struct source_health health;

	if (session->silent[index])
		return;
	health = source_health(source);
	if (health.unreadable > session->unreadable[index])
		say(false, diagnose_health(&session->root, source->ops->kind, &health));
	session->unreadable[index] = health.unreadable;
	if (health.lost && !session->lost[index])
		say(false, diagnose_lost(source->ops->kind, &health));
	session->lost[index] = health.lost;
	if (health.missed && !session->missed[index])
		say(false, diagnose_missed(source->ops->kind, &health));
	session->missed[index] = health.missed;
}

/*
 * Looks whether what the sources have counted is of another process than the one that was selected,
 * and puts it away. What that one did last cannot be told apart from it.
 */
static int check_guest(struct session *session)
{
	int r = 0;

	if (!session->selection.pid || session->replay ||
	    watched_look(&session->watched, &session->root) != WATCHED_REPLACED)
		return 0;
	if (session->selection.by == BY_FIELD)
		r = rates_repeat(&session->rates, &session->sample);
	else
		sample_clear(&session->sample);
	session->sample.partial = !session->is_replaced;
	session->is_replaced = true;
	return r;
}

int session_read(struct session *session)
{
	size_t i;
	int r;

	if (session->failure < 0)
		return session->failure;
	sample_clear(&session->sample);
	for (i = 0; i < session->source_count; i++) {
		r = session->silent[i] ? 0 : source_read(session->sources[i], &session->sample);
		if (r < 0)
			return r;
		tell_new_trouble(session, i);
	}
	r = check_guest(session);
	if (r < 0)
		return r;
	if (session->replay) {
		session->sample.time_ns = replay_moment(session->replay)->monotonic_ns;
		session->time = replay_moment(session->replay)->time;
	} else {
		session->sample.time_ns = clock_now_ns();
		clock_gettime(CLOCK_REALTIME, &session->time);
	}
	sample_sort(&session->sample);
	return 0;
}

int session_sample(struct session *session)
{
	int r = session_read(session);

	return r < 0 ? r : rates_update(&session->rates, &session->sample);
}

int session_seek(struct session *session, uint64_t sample)
{
	int r = 0;

	rates_restart(&session->rates);
	replay_seek(session->replay, sample ? sample - 1 : 0);
	if (sample)
		r = session_sample(session);
	return r < 0 ? r : session_sample(session);
}

void session_reset(struct session *session)
{
	size_t i;

	for (i = 0; i < session->source_count; i++) {
		if (!session->silent[i])
			source_reset(session->sources[i]);
	}
	rates_restart(&session->rates);
}

void session_give_back(struct session *session)
{
	size_t i;

	for (i = 0; i < session->source_count; i++)
		source_give_back(session->sources[i]);
}

/* Makes one source count `selection`, or be silent where it has no such rows. */
static int select_one(struct session *session, size_t index, const struct selection *selection,
		      struct source_error *ret_error)
{
	int r = source_select(session->sources[index], selection, ret_error);

	session->silent[index] = r == -EOPNOTSUPP && ret_error->step == SOURCE_STEP_CAN;
	return session->silent[index] ? 0 : r;
}

static bool are_all_silent(const struct session *session)
{
	size_t i;

	for (i = 0; i < session->source_count && session->silent[i]; i++)
		;
	return i == session->source_count;
}

/*
 * Makes all sources count `selection`; on failure they go back. Who watches several sources is shown
 * what those know that can tell rows apart so: only where none can is it refused.
 */
static int apply_selection(struct session *session, const struct selection *selection)
{
	struct source_error error = {0};
	size_t i;
	int r = 0;

	rates_restart(&session->rates);
	for (i = 0; i < session->source_count && r == 0; i++)
		r = select_one(session, i, selection, &error);
	if (r == 0 && i && are_all_silent(session))
		r = error.error;
	if (r < 0)
		say(true,
		    diagnose_source(&session->root, session->sources[i - 1]->ops->kind, &error));
	if (r == 0) {
		session->selection = *selection;
		for (i = 0; i < session->source_count; i++) {
			session->unreadable[i] = 0;
			tell_new_trouble(session, i);
		}
		return 0;
	}
	while (i-- > 0 && session->failure == 0) {
		session->failure = select_one(session, i, &session->selection, &error);
		if (session->failure < 0)
			say(true, diagnose_source(&session->root, session->sources[i]->ops->kind,
						  &error));
	}
	return r;
}

/* The health of all sources together. */
static struct source_health count_fields(const struct session *session)
{
	struct source_health sum = {0};
	size_t i;

	for (i = 0; i < session->source_count; i++) {
		struct source_health health;

		if (session->silent[i])
			continue;
		health = source_health(session->sources[i]);
		sum.fields += health.fields;
		sum.unreadable += health.unreadable;
	}
	return sum;
}

bool session_is_unreadable(const struct session *session)
{
	struct source_health sum = count_fields(session);

	return sum.fields && sum.unreadable == sum.fields;
}

int session_select(struct session *session, const struct selection *wanted)
{
	struct selection selection = *wanted, before = session->selection;
	char *only = wanted->only ? strdup(wanted->only) : NULL;
	int r;

	if (wanted->only && !only)
		return -ENOMEM;
	selection.filter = session->filter;
	selection.only = only;
	r = apply_selection(session, &selection);
	if (r == 0 && only && !count_fields(session).fields) {
		message_warning("%s cannot be told apart like that", only);
		r = apply_selection(session, &before);
		r = r < 0 ? r : -ENOENT;
	}
	if (r < 0) {
		free(only);
		return r;
	}
	free(session->only);
	session->only = only;
	if (session->selection.pid != session->watched.pid)
		watch_guest(session);
	return 0;
}

int session_select_guest(struct session *session, pid_t pid)
{
	struct selection selection = session->selection;
	bool has_its_number = pid == session->watched.pid;
	int r;

	selection.pid = pid;
	selection.tid = 0;
	r = session_select(session, &selection);
	if (r == 0 && has_its_number)
		watch_guest(session);
	return r;
}

int session_select_fields(struct session *session, const char *pattern, char **ret_why)
{
	struct selection selection = session->selection;
	struct field_filter *filter = NULL;
	int r;

	if (*pattern) {
		r = field_filter_compile(pattern, &filter, ret_why);
		if (r < 0)
			return r;
	}
	selection.filter = filter;
	r = apply_selection(session, &selection);
	if (r < 0) {
		field_filter_free(filter);
		return r;
	}
	field_filter_free(session->filter);
	session->filter = filter;
	return 0;
}

bool session_host_name(const struct session *session, char *buf, size_t size)
{
	const char *host = session->replay ? replay_head(session->replay)->host : NULL;

	if (host)
		snprintf(buf, size, "%s", host);
	if (session->replay)
		return host;
	return host_read_line(&session->root, "proc/sys/kernel/hostname", buf, size) > 0;
}

size_t session_list_sources(const struct session *session, struct session_source *ret_sources)
{
	size_t i, count = session->source_count;

	if (session->replay)
		count = replay_head(session->replay)->source_count;
	for (i = 0; i < count && i < SESSION_SOURCES_MAX; i++) {
		if (session->replay)
			ret_sources[i] = (struct session_source){
				replay_head(session->replay)->sources[i],
				replay_moment(session->replay)->unreadable[i]};
		else
			ret_sources[i] =
				(struct session_source){source_name(session->sources[i]->ops->kind),
							session->unreadable[i]};
	}
	return i;
}
