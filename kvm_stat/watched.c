/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/watched.h"

#include <stdlib.h>
#include <string.h>

#include "host/guest.h"

void watched_done(struct watched *watched)
{
	free(watched->name);
	free(watched->raw_name);
	*watched = (struct watched){0};
}

static bool has_process(const struct host_root *root, pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "proc/%d", (int)pid);
	return host_exists(root, path);
}

void watched_set(struct watched *watched, const struct host_root *root, pid_t pid)
{
	watched_done(watched);
	watched->pid = pid;
	watched->has_process = pid && root && has_process(root, pid);
	/* What cannot be known is not compared: then every process of that number is this one. */
	if (watched->has_process && guest_start_time(root, pid, &watched->start) < 0)
		watched->start = 0;
}

void watched_keep_name(struct watched *watched, const struct guests *guests)
{
	const struct guest *guest = watched->pid ? guests_find_pid(guests, watched->pid) : NULL;
	char *name, *raw_name;

	if (!guest)
		return;
	name = strdup(guest->name);
	raw_name = strdup(guest->raw_name);
	if (!name || !raw_name) {
		free(name);
		free(raw_name);
		return;
	}
	free(watched->name);
	free(watched->raw_name);
	watched->name = name;
	watched->raw_name = raw_name;
}

enum watched_state watched_look(struct watched *watched, const struct host_root *root)
{
	uint64_t start;

	/* For good: what has been counted since is that process's, also when that has ended. */
	if (watched->state == WATCHED_REPLACED)
		return WATCHED_REPLACED;
	if (!watched->has_process)
		watched->state = WATCHED_RUNS;
	else if (!has_process(root, watched->pid))
		watched->state = WATCHED_ENDED;
	else if (watched->state == WATCHED_ENDED ||
		 (watched->start && guest_start_time(root, watched->pid, &start) == 0 &&
		  start != watched->start))
		watched->state = WATCHED_REPLACED;
	return watched->state;
}

bool watched_find(const struct watched *watched, const struct host_root *root,
		  const struct guests *guests, pid_t *ret_pid)
{
	pid_t pid;

	if (!watched->raw_name || guests_find_name(guests, watched->raw_name, &pid) != 1)
		return false;
	if ((pid == watched->pid && watched->state != WATCHED_REPLACED) || !has_process(root, pid))
		return false;
	*ret_pid = pid;
	return true;
}
