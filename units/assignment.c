/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/assignment.h"

#include <errno.h>
#include <string.h>

#define BLANKS " \t\n\r"

/* Cuts the blanks off both ends. */
static char *strip(char *text)
{
	size_t length;

	text += strspn(text, BLANKS);
	length = strlen(text);
	while (length > 0 && strchr(BLANKS, text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* The index of the next line that counts, or the count. */
static size_t next_content(const struct unit_section *section, size_t i)
{
	while (i < section->count &&
	       (!section->lines[i].text || unit_text_is_comment(section->lines[i].text)))
		i++;
	return i;
}

/* The last line of the assignment that begins at `first`; *ret_length is of all their text. */
static size_t find_last(const struct unit_section *section, size_t first, size_t *ret_length)
{
	size_t last = first, next;

	*ret_length = strlen(section->lines[first].text);
	while (unit_text_continues(section->lines[last].text)) {
		next = next_content(section, last + 1);
		if (next == section->count)
			break;
		last = next;
		*ret_length += strlen(section->lines[last].text);
	}
	return last;
}

/* Joins the lines: the backslash at the end of one becomes a blank. */
static void join(const struct unit_section *section, size_t first, size_t last, char *out)
{
	size_t i;

	for (i = first; i <= last; i = next_content(section, i + 1)) {
		out = stpcpy(out, section->lines[i].text);
		if (unit_text_continues(section->lines[i].text))
			out[-1] = ' ';
	}
}

static int read_one(const struct unit_section *section, size_t first, struct assignment *ret)
{
	size_t length;
	size_t last = find_last(section, first, &length);
	char *text = malloc(length + 1);
	char *equals, *key;

	if (!text)
		return -ENOMEM;
	join(section, first, last, text);
	equals = strchr(text, '=');
	if (equals)
		*equals = '\0';
	*ret = (struct assignment){.key = text, .first = first, .last = last};
	ret->value = equals ? strip(equals + 1) : NULL;
	/* The key is where the memory begins, to be freed. */
	key = strip(text);
	memmove(text, key, strlen(key) + 1);
	return 0;
}

/* As reallocarray(), with room for powers of two. */
static int grow(struct assignments *assignments)
{
	size_t count = assignments->count;
	struct assignment *items;

	if (count & (count - 1))
		return 0;
	items = reallocarray(assignments->items, count ? count * 2 : 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	assignments->items = items;
	return 0;
}

int assignments_read(const struct unit_section *section, struct assignments *ret_assignments)
{
	struct assignments assignments = {0};
	size_t i = next_content(section, 0);
	int r = 0;

	while (r == 0 && i < section->count) {
		struct assignment *item;

		r = grow(&assignments);
		if (r < 0)
			break;
		item = &assignments.items[assignments.count];
		r = read_one(section, i, item);
		if (r < 0)
			break;
		assignments.count++;
		i = next_content(section, item->last + 1);
	}
	if (r < 0)
		assignments_free(&assignments);
	else
		*ret_assignments = assignments;
	return r;
}

void assignments_free(struct assignments *assignments)
{
	size_t i;

	for (i = 0; i < assignments->count; i++)
		free(assignments->items[i].key);
	free(assignments->items);
	*assignments = (struct assignments){0};
}

char *assignment_next_word(char **rest)
{
	char *word = *rest + strspn(*rest, BLANKS);
	size_t length = strcspn(word, BLANKS);

	if (!length)
		return NULL;
	*rest = word + length;
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}
