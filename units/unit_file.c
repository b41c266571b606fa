/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/unit_file.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "host/text.h"

#define TEXT_MAX 300 /* bytes of a message that stay */

struct section_kind {
	const char *name;
	bool libvirt; /* among the four that libvirt's script knows */
};

/* In the order of output: libvirt's, the others before the last. */
static const struct section_kind section_kinds[] = {
	{"Unit", true},       {"Service", true}, {"Socket", true},  {"Mount", false},
	{"Automount", false}, {"Swap", false},   {"Path", false},   {"Timer", false},
	{"Slice", false},     {"Scope", false},  {"Install", true},
};

/* What is between the lines of a file while it is read. */
struct parser {
	struct source *source;
	enum unit_rules rules;
	struct unit *unit;
	struct unit_section *section; /* NULL: before the first header */
	struct unit_line stray;       /* the first line there */
	struct unit_line open;        /* the last line, when the next one continues it */
	char *why;
};

static const struct section_kind *find_kind(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < array_size(section_kinds); i++) {
		const struct section_kind *kind = &section_kinds[i];

		if (strlen(kind->name) == length && memcmp(kind->name, name, length) == 0)
			return kind;
	}
	return NULL;
}

static void init_unit(struct unit *unit)
{
	size_t i;

	*unit = (struct unit){.section_count = array_size(section_kinds)};
	for (i = 0; i < array_size(section_kinds); i++)
		unit->sections[i].name = section_kinds[i].name;
}

struct unit_section *unit_section(struct unit *unit, const char *name)
{
	size_t i;

	for (i = 0; i < unit->section_count; i++) {
		if (strcmp(unit->sections[i].name, name) == 0)
			return unit->sections[i].count ? &unit->sections[i] : NULL;
	}
	return NULL;
}

struct unit_section *unit_add_section(struct unit *unit, const char *name, int *ret_error)
{
	size_t i;

	for (i = 0; i < unit->section_count; i++) {
		if (strcmp(unit->sections[i].name, name) == 0)
			return &unit->sections[i];
	}
	if (i == UNIT_SECTIONS_MAX) {
		*ret_error = -E2BIG;
		return NULL;
	}
	unit->sections[i].name = name;
	unit->section_count++;
	return &unit->sections[i];
}

int unit_section_reserve(struct unit_section *section, size_t more)
{
	size_t needed = section->count + more, room = section->room ? section->room : 8;
	struct unit_line *lines;

	if (needed <= section->room)
		return 0;
	while (room < needed)
		room *= 2;
	lines = reallocarray(section->lines, room, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	section->lines = lines;
	section->room = room;
	return 0;
}

void unit_line_drop(struct unit_line *line)
{
	if (line->owned)
		free(line->text);
	line->text = NULL;
	line->owned = false;
}

void unit_line_set(struct unit_line *line, char *text)
{
	unit_line_drop(line);
	line->text = text;
	line->owned = true;
}

void unit_free(struct unit *unit)
{
	size_t i, j;

	for (i = 0; i < unit->section_count; i++) {
		struct unit_section *section = &unit->sections[i];

		for (j = 0; j < section->count; j++)
			unit_line_drop(&section->lines[j]);
		free(section->lines);
	}
	unit->section_count = 0;
}

bool unit_text_is_comment(const char *text)
{
	return *text == '#' || *text == ';';
}

bool unit_text_is_header(const char *text)
{
	size_t length = strlen(text);

	return length > 1 && text[0] == '[' && text[length - 1] == ']';
}

bool unit_text_continues(const char *text)
{
	size_t length = strlen(text), count = 0;

	/* An even number of backslashes escape each other. */
	while (count < length && text[length - 1 - count] == '\\')
		count++;
	return count % 2 == 1;
}

void unit_text_cut(char *text)
{
	size_t length = TEXT_MAX - strlen("...");

	if (strlen(text) <= TEXT_MAX)
		return;
	while (((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	strcpy(text + length, "...");
}

char *unit_why(const struct unit_line *line, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		unit_text_cut(text);
	return text ? text_format("%s:%u: %s", line->source->path, line->number, text) : NULL;
}

/* The blanks that Python's str.strip() takes away, as libvirt's script does. */
static bool is_blank(uint32_t code)
{
	return code == ' ' || (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x1f) ||
	       code == 0x85 || code == 0xa0 || code == 0x1680 ||
	       (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
	       code == 0x202f || code == 0x205f || code == 0x3000;
}

/* The length of the blank at `text`, 0 when there is none. */
static size_t blank_length(const char *text)
{
	uint32_t code;
	int length = text_decode((const unsigned char *)text, &code);

	return length > 0 && is_blank(code) ? (size_t)length : 0;
}

/* Where the last character of start..end begins. */
static char *last_character(const char *start, char *end)
{
	do
		end--;
	while (end > start && (*end & 0xc0) == 0x80);
	return end;
}

/* Where `text`, which ends at `end`, does so without blanks. */
static char *trim_end(const char *text, char *end)
{
	while (end > text) {
		char *last = last_character(text, end);

		if (!blank_length(last))
			break;
		end = last;
	}
	return end;
}

static char *skip_blanks(char *text)
{
	size_t length;

	while ((length = blank_length(text)) > 0)
		text += length;
	return text;
}

/*
 * Cuts the blanks off both ends of the line. One stays behind a backslash, which else would join
 * the next line to this one.
 */
static char *strip(const struct parser *parser, char *text)
{
	char *end;

	text = skip_blanks(text);
	end = trim_end(text, text + strlen(text));
	if (*end) {
		*end = '\0';
		if (parser->rules == UNIT_RULES_SYSTEMD && !unit_text_is_comment(text) &&
		    unit_text_continues(text)) {
			*end++ = ' ';
			*end = '\0';
		}
	}
	return text;
}

/* Returns 0, -EBADMSG with the parser's `why`, or -ENOMEM. */
static int refuse(struct parser *parser, char *why)
{
	parser->why = why;
	return why ? -EBADMSG : -ENOMEM;
}

static int take_header(struct parser *parser, const struct unit_line *line)
{
	size_t length = strlen(line->text);
	const struct section_kind *kind = find_kind(line->text + 1, length - 2);
	bool libvirt = parser->rules == UNIT_RULES_LIBVIRT;
	int error = 0;

	if (libvirt ? !(kind && kind->libvirt) : !kind && strncmp(line->text, "[X-", 3) != 0)
		return refuse(parser, unit_why(line, "unknown section %s", line->text));
	line->text[length - 1] = '\0';
	parser->section = unit_add_section(parser->unit, line->text + 1, &error);
	if (error == -E2BIG)
		return refuse(parser, unit_why(line, "more than %d sections", UNIT_SECTIONS_MAX));
	return error;
}

static int take_content(struct parser *parser, const struct unit_line *line)
{
	int r;

	if (!parser->section) {
		/* What stands above the first section is about the file, which is a template. */
		if (*line->text != '#' && !parser->stray.text)
			parser->stray = *line;
		return 0;
	}
	r = unit_section_reserve(parser->section, 1);
	if (r == 0)
		parser->section->lines[parser->section->count++] = *line;
	return r;
}

/* A line of which nothing but its end is known yet. */
static int take_line(struct parser *parser, char *text, uint32_t number)
{
	struct unit_line line = {.source = parser->source, .number = number};
	bool continues = parser->open.text;
	int r;

	line.text = strip(parser, text);
	/* An empty line that ends another must stay, or the next one would. */
	if (!*line.text && !continues)
		return 0;
	if (!continues && unit_text_is_header(line.text))
		return take_header(parser, &line);
	r = take_content(parser, &line);
	if (parser->rules == UNIT_RULES_SYSTEMD && !unit_text_is_comment(line.text))
		parser->open = unit_text_continues(line.text) ? line : (struct unit_line){0};
	return r;
}

/* Cuts the next line off. Returns where the one behind it begins. Each of \n, \r, \r\n ends one. */
static char *cut_line(char *text)
{
	char *end = text + strcspn(text, "\r\n");

	if (end[0] == '\r' && end[1] == '\n')
		*end++ = '\0';
	*end = '\0';
	return end + 1;
}

static int parse(struct parser *parser)
{
	char *text = parser->source->data, *end = text + parser->source->length;
	uint32_t number;
	int r = 0;

	for (number = 1; r == 0 && text < end; number++) {
		char *next = cut_line(text);

		r = take_line(parser, text, number);
		text = next;
	}
	if (r == 0 && parser->stray.text)
		return refuse(parser, unit_why(&parser->stray, "outside of any section: %s",
					       parser->stray.text));
	if (r == 0 && parser->open.text)
		return refuse(parser,
			      unit_why(&parser->open, "nothing follows that continues it: %s",
				       parser->open.text));
	return r;
}

int unit_parse(struct source *source, enum unit_rules rules, struct unit *ret_unit, char **ret_why)
{
	struct parser parser = {.source = source, .rules = rules, .unit = ret_unit};
	int r;

	init_unit(ret_unit);
	r = parse(&parser);
	*ret_why = parser.why;
	if (r < 0)
		unit_free(ret_unit);
	return r;
}

static void write_section(const struct unit_section *section, FILE *stream, bool *first)
{
	bool named = false;
	size_t i;

	for (i = 0; i < section->count; i++) {
		if (!section->lines[i].text)
			continue;
		if (!named)
			fprintf(stream, "%s[%s]\n", *first ? "" : "\n", section->name);
		named = true;
		*first = false;
		fputs(section->lines[i].text, stream);
		putc('\n', stream);
	}
}

void unit_write(const struct unit *unit, FILE *stream)
{
	bool first = true;
	size_t i;

	for (i = 0; i < unit->section_count; i++)
		write_section(&unit->sections[i], stream, &first);
}
