/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/replay_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_sorted(const void *a, const void *b)
{
	const struct recorded_name *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

const struct recorded_name *replay_names_parent(const struct replay_names *names,
						const struct recorded_name *name)
{
	struct recorded_name key = {.name = name->parent};
	const struct recorded_name *wanted = &key, **found;

	if (!name->parent || !names->count)
		return NULL;
	found = bsearch(&wanted, names->sorted, names->count, sizeof(wanted), compare_sorted);
	return found ? *found : NULL;
}

/* Finds the exits whose time is known, with all of their reasons. */
static void find_timed(struct replay_names *names)
{
	const struct recorded_name *parent;
	size_t i;

	for (i = 0; i < names->count; i++) {
		names->timed[i] |= names->list[i]->timed;
		parent = names->list[i]->timed ? replay_names_parent(names, names->list[i]) : NULL;
		if (parent)
			names->timed[parent->index] = true;
	}
	for (i = 0; i < names->count; i++) {
		parent = replay_names_parent(names, names->list[i]);
		if (parent && names->timed[parent->index])
			names->timed[i] = true;
	}
}

int replay_names_take(struct replay_names *names, const struct recording_reader *reader)
{
	const struct recorded_name *const *list = recording_reader_names(reader, &names->count);
	size_t i;

	names->list = calloc(names->count + 1, sizeof(*names->list));
	names->sorted = calloc(names->count + 1, sizeof(*names->sorted));
	names->timed = calloc(names->count + 1, sizeof(*names->timed));
	if (!names->list || !names->sorted || !names->timed)
		return -ENOMEM;
	for (i = 0; i < names->count; i++)
		names->list[i] = names->sorted[i] = list[i];
	qsort(names->sorted, names->count, sizeof(*names->sorted), compare_sorted);
	find_timed(names);
	return 0;
}

void replay_names_done(struct replay_names *names)
{
	free(names->list);
	free(names->sorted);
	free(names->timed);
	*names = (struct replay_names){0};
}
