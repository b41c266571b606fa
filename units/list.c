/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/list.h"

#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <string.h>

#include "host/text.h"

struct reader {
	const char *path;
	struct list list;
	size_t field_count;
	void *outputs; /* tree of those so far */
	char *why;
};

static int refuse(struct reader *reader, size_t number, const char *what)
{
	reader->why = text_format("%s:%zu: %s", reader->path, number, what);
	return reader->why ? -EBADMSG : -ENOMEM;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void keep_text(void *text)
{
	(void)text; /* is in the source */
}

static int add_output(struct reader *reader, const char *output, size_t number)
{
	const char **found = (const char **)tsearch(output, &reader->outputs, compare_texts);

	if (!found)
		return -ENOMEM;
	return *found == output ? 0 : refuse(reader, number, "this file is in the list already");
}

/* Takes a line, which is cut up. */
static int take_line(struct reader *reader, char *line, size_t number)
{
	char **fields = reader->list.fields + reader->field_count, *field;
	size_t count = 0;

	while ((field = strsep(&line, "\t"))) {
		if (!*field)
			return refuse(reader, number, "a path is empty");
		fields[count++] = field;
	}
	if (count < 2)
		return refuse(reader, number, "no BASE is named, behind a tab");
	reader->field_count += count;
	reader->list.units[reader->list.count++] = (struct list_unit){
		.output = fields[0], .files = fields + 1, .file_count = count - 1};
	return add_output(reader, fields[0], number);
}

/* How often either character is in the text. */
static size_t count_characters(const char *text, const char *characters)
{
	size_t count = 0;

	for (text = strpbrk(text, characters); text; text = strpbrk(text + 1, characters))
		count++;
	return count;
}

static int read_lines(struct reader *reader, char *text)
{
	size_t number = 0;
	char *line;
	int r = 0;

	reader->list.units = calloc(count_characters(text, "\n") + 1, sizeof(struct list_unit));
	reader->list.fields = calloc(count_characters(text, "\t\n") + 1, sizeof(char *));
	if (!reader->list.units || !reader->list.fields)
		return -ENOMEM;
	while (r == 0 && (line = strsep(&text, "\n"))) {
		number++;
		if (*line)
			r = take_line(reader, line, number);
	}
	return r;
}

int list_read(struct sources *sources, const char *path, struct list *ret_list, char **ret_why)
{
	struct reader reader = {.path = path};
	struct source *source;
	int r = source_read(sources, path, SOURCE_TOTAL_MAX, &source, ret_why);

	if (r < 0)
		return r;
	r = read_lines(&reader, source->data);
	tdestroy(reader.outputs, keep_text);
	*ret_why = reader.why;
	if (r < 0)
		list_free(&reader.list);
	else
		*ret_list = reader.list;
	return r;
}

void list_free(struct list *list)
{
	free(list->units);
	free(list->fields);
	*list = (struct list){0};
}
