/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/perf_filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	const char *at;
	const struct event_format *format;
	const void *record;
	size_t size;
	bool bad;
};

static bool parse_or(struct parser *parser);

static void skip_blanks(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\n");
}

static bool take(struct parser *parser, const char *token)
{
	size_t length = strlen(token);

	skip_blanks(parser);
	if (strncmp(parser->at, token, length))
		return false;
	parser->at += length;
	return true;
}

static const struct event_field *take_field(struct parser *parser)
{
	char name[64];
	size_t length = 0;

	skip_blanks(parser);
	while (isalnum((unsigned char)parser->at[length]) || parser->at[length] == '_')
		length++;
	if (length >= sizeof(name))
		return NULL;
	memcpy(name, parser->at, length);
	name[length] = '\0';
	parser->at += length;
	return event_format_field(parser->format, name);
}

/* As kstrtoll() for signed fields and kstrtoull() for the others; at most 23 characters. */
static bool take_number(struct parser *parser, bool is_signed, uint64_t *ret_value)
{
	char text[24];
	size_t length;
	char *end;

	skip_blanks(parser);
	length = *parser->at == '-';
	while (isalnum((unsigned char)parser->at[length]))
		length++;
	if (length >= sizeof(text) || !isdigit((unsigned char)parser->at[*parser->at == '-']) ||
	    (*parser->at == '-' && !is_signed))
		return false;
	memcpy(text, parser->at, length);
	text[length] = '\0';
	parser->at += length;
	errno = 0;
	*ret_value = is_signed ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);
	return !errno && !*end;
}

/* The number as a variable of the field's type holds it. */
static uint64_t narrow(const struct event_field *field, uint64_t value)
{
	unsigned int unused = 64 - 8 * field->size;

	value <<= unused;
	return field->is_signed ? (uint64_t)((int64_t)value >> unused) : value >> unused;
}

static bool compare(const struct event_field *field, const char *operator, uint64_t a, uint64_t b)
{
	bool less = field->is_signed ? (int64_t)a < (int64_t)b : a < b;

	if (strcmp(operator, "==") == 0)
		return a == b;
	if (strcmp(operator, "!=") == 0)
		return a != b;
	if (strcmp(operator, "<=") == 0)
		return less || a == b;
	if (strcmp(operator, ">=") == 0)
		return !less;
	return *operator== '<' ? less : !less && a != b;
}

static bool parse_comparison(struct parser *parser)
{
	static const char *const operators[] = {"==", "!=", "<=", ">=", "<", ">"};
	const struct event_field *field = take_field(parser);
	uint64_t value, number;
	size_t i;

	for (i = 0; i < array_size(operators) && !take(parser, operators[i]); i++)
		;
	if (!field || i == array_size(operators) ||
	    !take_number(parser, field->is_signed, &number) ||
	    event_field_read(field, parser->record, parser->size, &value) < 0) {
		parser->bad = true;
		return false;
	}
	return compare(field, operators[i], value, narrow(field, number));
}

static bool parse_term(struct parser *parser)
{
	bool value;

	if (take(parser, "!"))
		return !parse_term(parser);
	if (!take(parser, "("))
		return parse_comparison(parser);
	value = parse_or(parser);
	parser->bad |= !take(parser, ")");
	return value;
}

static bool parse_and(struct parser *parser)
{
	bool value = parse_term(parser);

	while (!parser->bad && take(parser, "&&"))
		value &= parse_term(parser);
	return value;
}

static bool parse_or(struct parser *parser)
{
	bool value = parse_and(parser);

	while (!parser->bad && take(parser, "||"))
		value |= parse_and(parser);
	return value;
}

int perf_filter_eval(const char *filter, const struct event_format *format, const void *record,
		     size_t size)
{
	struct parser parser = {.at = filter, .format = format, .record = record, .size = size};
	bool value = parse_or(&parser);

	skip_blanks(&parser);
	if (parser.bad || *parser.at)
		return PERF_FILTER_BAD;
	return value ? PERF_FILTER_TAKES : PERF_FILTER_DROPS;
}
