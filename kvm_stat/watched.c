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

void watched_set(struct watched *watched, const struct host_root *root, pid_t pid)
{
	watched_done(watched);
	watched->pid = pid;
	/* What cannot be known is not compared: then every process of that number is this one. */
	if (pid && root && guest_start_time(root, pid, &watched->start) < 0)
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

enum watched_state watched_state(const struct watched *watched, const struct host_root *root)
{
	uint64_t start;
	char path[32];

	snprintf(path, sizeof(path), "proc/%d", (int)watched->pid);
	if (!host_exists(root, path))
		return WATCHED_ENDED;
	if (watched->start && guest_start_time(root, watched->pid, &start) == 0 &&
	    start != watched->start)
		return WATCHED_REPLACED;
	return WATCHED_RUNS;
}

bool watched_find(const struct watched *watched, const struct guests *guests, pid_t *ret_pid)
{
	pid_t pid;

	if (!watched->raw_name || guests_find_name(guests, watched->raw_name, &pid) != 1)
		return false;
	*ret_pid = pid;
	return true;
}
