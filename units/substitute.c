/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/substitute.h"

#include <errno.h>
#include <string.h>

#include "host/text.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

struct substitution {
	struct definition *definitions;
	size_t count;
	size_t room; /* that is left for text that grew */
	char *why;
};

/* A name in the text of a line. */
struct reference {
	const char *start; /* its first '@' */
	const char *end;   /* behind its second */
};

bool substitute_is_name(const char *text, size_t length)
{
	return length > 0 && strspn(text, NAME_CHARACTERS) >= length;
}

/* Finds the first @name@ in `text`. Other '@' are as good as any character: getty@tty1.service. */
static bool find_reference(const char *text, struct reference *ret_reference)
{
	const char *at;

	for (at = strchr(text, '@'); at; at = strchr(at + 1, '@')) {
		size_t length = strspn(at + 1, NAME_CHARACTERS);

		if (length > 0 && at[1 + length] == '@') {
			*ret_reference = (struct reference){at, at + length + 2};
			return true;
		}
	}
	return false;
}

static int compare(const void *key, const void *item)
{
	const struct reference *reference = key;
	const struct definition *definition = item;
	size_t length = (size_t)(reference->end - reference->start) - 2;
	int order = strncmp(reference->start + 1, definition->name, length);

	return order ? order : -(definition->name[length] != '\0');
}

static struct definition *find_definition(const struct substitution *work,
					  const struct reference *reference)
{
	if (!work->count) /* there is no array either */
		return NULL;
	return bsearch(reference, work->definitions, work->count, sizeof(*work->definitions),
		       compare);
}

/* Returns -EBADMSG with `why`, or -ENOMEM. */
static int refuse(struct substitution *work, char *why)
{
	work->why = why;
	return why ? -EBADMSG : -ENOMEM;
}

/* Writes the text of the line with all values in it. */
static int expand(struct substitution *work, const struct unit_line *line, FILE *stream)
{
	const char *text = line->text;
	struct reference reference;

	while (find_reference(text, &reference)) {
		struct definition *definition = find_definition(work, &reference);

		if (!definition)
			return refuse(work, unit_why(line, "%.*s has no value: %s",
						     (int)(reference.end - reference.start),
						     reference.start, line->text));
		if (strlen(definition->value) > work->room)
			return refuse(work, unit_why(line, "the values make more than %zu MiB",
						     SOURCE_TOTAL_MAX / 1024 / 1024));
		work->room -= strlen(definition->value);
		definition->used = true;
		fwrite(text, 1, (size_t)(reference.start - text), stream);
		fputs(definition->value, stream);
		text = reference.end;
	}
	fputs(text, stream);
	return 0;
}

/* Whether the line is another kind of line with the new text. */
static bool changes_kind(const struct unit_line *line, const char *text)
{
	if (unit_text_is_comment(line->text))
		return false;
	return unit_text_is_comment(text) || unit_text_is_header(text) ||
	       unit_text_continues(line->text) != unit_text_continues(text);
}

static int substitute_line(struct substitution *work, struct unit_line *line)
{
	cleanup_free char *text = NULL;
	struct reference reference;
	size_t size;
	FILE *stream;
	int r;

	if (!line->text || !find_reference(line->text, &reference))
		return 0;
	stream = open_memstream(&text, &size);
	if (!stream)
		return -ENOMEM;
	r = expand(work, line, stream);
	if (fclose(stream) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0 && changes_kind(line, text))
		r = refuse(work,
			   unit_why(line, "with the values it is another kind of line: %s", text));
	if (r == 0)
		unit_line_set(line, take_ptr(text));
	return r;
}

int substitute_unit(struct unit *unit, struct definition *definitions, size_t count, char **ret_why)
{
	struct substitution work = {
		.definitions = definitions, .count = count, .room = SOURCE_TOTAL_MAX};
	size_t i, j;
	int r = 0;

	for (i = 0; r == 0 && i < unit->section_count; i++) {
		struct unit_section *section = &unit->sections[i];

		for (j = 0; r == 0 && j < section->count; j++)
			r = substitute_line(&work, &section->lines[j]);
	}
	*ret_why = work.why;
	return r;
}
