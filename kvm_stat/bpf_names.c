/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/bpf_names.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/search_tree.h"

#define NAMES_MAX 4096 /* guests make names by exits with new numbers */

static int compare_names(const void *a, const void *b)
{
	const struct bpf_name *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static void free_name(struct bpf_name *name)
{
	free(name->name);
	free(name);
}

ssize_t bpf_names_add(struct bpf_names *names, char *text, const char *parent)
{
	struct bpf_name **grown = reallocarray(names->list, names->count + 1, sizeof(*grown));
	struct bpf_name *name = malloc(sizeof(*name));

	if (grown)
		names->list = grown;
	if (!text || !grown || !name) {
		free(text);
		free(name);
		return -ENOMEM;
	}
	*name = (struct bpf_name){.name = text, .parent = parent, .index = names->count};
	if (parent && !tsearch(name, &names->reasons, compare_names)) {
		free_name(name);
		return -ENOMEM;
	}
	names->list[names->count] = name;
	return (ssize_t)names->count++;
}

ssize_t bpf_names_add_reason(struct bpf_names *names, const struct selection *selection,
			     const char *event, const char *reason, ssize_t full)
{
	cleanup_free char *text = NULL;
	struct bpf_name key, **found;

	if (asprintf(&text, "%s(%s)", event, reason) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	key.name = text;
	found = tfind(&key, &names->reasons, compare_names);
	if (found)
		return (ssize_t)(*found)->index;
	if (!selection_wants(selection, text))
		return -1;
	return names->count >= NAMES_MAX ? full : bpf_names_add(names, take_ptr(text), event);
}

void bpf_names_cut(struct bpf_names *names, size_t count)
{
	while (names->count > count) {
		struct bpf_name *name = names->list[--names->count];

		if (name->parent)
			tdelete(name, &names->reasons, compare_names);
		free_name(name);
	}
}

void bpf_names_done(struct bpf_names *names)
{
	bpf_names_cut(names, 0);
	free(names->list);
	*names = (struct bpf_names){0};
}
