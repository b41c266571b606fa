/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/reduce.h"

#include <errno.h>
#include <search.h>
#include <string.h>

#include "units/assignment.h"
#include "units/key.h"

/* Works on the assignments of a section that belong together, in order of the file. */
typedef int (*reduce_group)(struct unit_section *section, struct assignment *const *group,
			    size_t count);

static void drop(struct unit_section *section, const struct assignment *assignment)
{
	size_t i;

	for (i = assignment->first; i <= assignment->last; i++) {
		struct unit_line *line = &section->lines[i];

		/* Between lines that continue each other a comment is a line of its own. */
		if (line->text && !unit_text_is_comment(line->text))
			unit_line_drop(line);
	}
}

static int reduce_group_overridden(struct unit_section *section, struct assignment *const *group,
				   size_t count)
{
	size_t from = 0, i;

	for (i = 0; i < count; i++) {
		if (!*group[i]->value)
			from = i;
	}
	if (key_is_scalar(group[0]->key))
		from = count - 1;
	for (i = 0; i < from; i++)
		drop(section, group[i]);
	return 0;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void keep_word(void *word)
{
	(void)word; /* is a part of its assignment */
}

/* Adds the words of a value, which is cut up, to the tree. Returns how many are new, or -ENOMEM. */
static int add_words(void **tree, char *value)
{
	char *rest = value, *word;
	int added = 0;

	while ((word = assignment_next_word(&rest))) {
		char **found = (char **)tsearch(word, tree, compare_words);

		if (!found)
			return -ENOMEM;
		added += *found == word;
	}
	return added;
}

static int reduce_set(struct unit_section *section, struct assignment *const *group, size_t count)
{
	void *tree = NULL;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < count; i++) {
		char *value = group[i]->value;

		if (!*value) {
			tdestroy(tree, keep_word);
			tree = NULL;
			continue;
		}
		if (value[strcspn(value, "\"'\\")])
			continue; /* its words are not what is between blanks */
		r = add_words(&tree, value);
		if (r == 0)
			drop(section, group[i]);
	}
	tdestroy(tree, keep_word);
	return r < 0 ? r : 0;
}

static int reduce_group_repeated(struct unit_section *section, struct assignment *const *group,
				 size_t count)
{
	size_t i;

	if (key_is_set(section->name, group[0]->key))
		return reduce_set(section, group, count);
	if (!key_is_scalar(group[0]->key))
		return 0;
	/* The last stays, as another key may have set the same: TimeoutSec=, TimeoutStopSec=. */
	for (i = 1; i < count; i++) {
		if (strcmp(group[i]->value, group[i - 1]->value) == 0)
			drop(section, group[i - 1]);
	}
	return 0;
}

/* What an assignment belongs to: the keys that are reset together. */
struct member {
	const char *group;
	unsigned length;
	struct assignment *assignment;
};

static int compare_groups(const struct member *a, const struct member *b)
{
	int order = strncmp(a->group, b->group, a->length < b->length ? a->length : b->length);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_members(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	int order = compare_groups(left, right);

	if (order)
		return order;
	return (left->assignment > right->assignment) - (left->assignment < right->assignment);
}

/* The members of a section, sorted. Lines that are no assignments are none. */
static size_t list_members(const struct unit_section *section,
			   const struct assignments *assignments, struct member *members)
{
	size_t count = 0, i;

	for (i = 0; i < assignments->count; i++) {
		struct assignment *assignment = &assignments->items[i];
		struct member *member = &members[count];

		if (!assignment->value)
			continue;
		member->assignment = assignment;
		member->group = key_reset_group(section->name, assignment->key, &member->length);
		count++;
	}
	qsort(members, count, sizeof(*members), compare_members);
	return count;
}

static int reduce_members(struct unit_section *section, const struct member *members, size_t count,
			  struct assignment **group, reduce_group reduce)
{
	size_t i, size;
	int r = 0;

	for (i = 0; r == 0 && i < count; i += size) {
		for (size = 0; i + size < count; size++) {
			if (compare_groups(&members[i], &members[i + size]) != 0)
				break;
			group[size] = members[i + size].assignment;
		}
		r = reduce(section, group, size);
	}
	return r;
}

static int reduce_section(struct unit_section *section, reduce_group reduce)
{
	struct assignments assignments;
	cleanup_free struct member *members = NULL;
	cleanup_free struct assignment **group = NULL;
	int r = assignments_read(section, &assignments);

	if (r < 0)
		return r;
	members = calloc(assignments.count + 1, sizeof(*members));
	group = calloc(assignments.count + 1, sizeof(struct assignment *));
	r = -ENOMEM;
	if (members && group)
		r = reduce_members(section, members, list_members(section, &assignments, members),
				   group, reduce);
	assignments_free(&assignments);
	return r;
}

static int reduce_unit(struct unit *unit, reduce_group reduce)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < unit->section_count; i++) {
		struct unit_section *section = &unit->sections[i];

		/* What the keys of X-... mean only their readers know. */
		if (section->count && strncmp(section->name, "X-", 2) != 0)
			r = reduce_section(section, reduce);
	}
	return r;
}

int reduce_overridden(struct unit *unit)
{
	return reduce_unit(unit, reduce_group_overridden);
}

int reduce_repeated(struct unit *unit)
{
	return reduce_unit(unit, reduce_group_repeated);
}
