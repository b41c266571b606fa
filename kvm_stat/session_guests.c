/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guests of a session, of this host or of a recording, and what became of the one selected. */
#include "kvm_stat/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/replay.h"

static int copy_guests(struct guests *to, const struct guests *from)
{
	struct guests copy = {.list = calloc(from->count + 1, sizeof(*copy.list))};
	size_t i;

	for (i = 0; copy.list && i < from->count; i++) {
		struct guest *guest = &copy.list[copy.count++];

		*guest = (struct guest){.pid = from->list[i].pid,
					.name = strdup(from->list[i].name),
					.raw_name = strdup(from->list[i].raw_name)};
		if (!guest->name || !guest->raw_name)
			break;
	}
	if (!copy.list || i < from->count) {
		guests_done(&copy);
		return -ENOMEM;
	}
	guests_done(to);
	*to = copy;
	return 0;
}

int session_check_pid(const struct session *session, pid_t pid, pid_t *ret_process)
{
	if (!session->replay)
		return guests_check_pid(&session->root, pid, ret_process);
	if (ret_process)
		*ret_process = pid;
	return guests_find_pid(replay_all_guests(session->replay), pid) ? 0 : -ESRCH;
}

bool session_guest_ended(const struct session *session)
{
	pid_t pid = session->selection.pid;

	if (pid && session->replay)
		return !guests_find_pid(replay_shown_guests(session->replay), pid);
	return pid && session->watched.state != WATCHED_RUNS;
}

enum session_guest session_look_at_guest(struct session *session, pid_t *ret_pid)
{
	const struct host_root *root = &session->root;

	if (session->replay || !session->selection.pid ||
	    watched_look(&session->watched, root) == WATCHED_RUNS)
		return SESSION_GUEST_RUNS;
	if (session->follows_name && session_update_guests(session) == 0 &&
	    watched_find(&session->watched, root, &session->guests, ret_pid))
		return SESSION_GUEST_BACK;
	return SESSION_GUEST_ENDED;
}

int session_update_guests(struct session *session)
{
	int r;

	if (session->replay)
		r = copy_guests(&session->guests, replay_shown_guests(session->replay));
	else
		r = guests_update(&session->root, &session->guests);
	/* The name of who has the number of a guest that ended is not that guest's. */
	if (r == 0 &&
	    (session->replay || watched_look(&session->watched, &session->root) == WATCHED_RUNS))
		watched_keep_name(&session->watched, &session->guests);
	return r;
}
