/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

/* Not mbrtowc(): the locale may be C while guests are named in UTF-8 all the same. */
int text_decode(const unsigned char *p, uint32_t *ret_code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code;
	int length, i;

	if (p[0] < 0x80) {
		*ret_code = p[0];
		return 1;
	}
	if ((p[0] & 0xe0) == 0xc0)
		length = 2, code = p[0] & 0x1f;
	else if ((p[0] & 0xf0) == 0xe0)
		length = 3, code = p[0] & 0x0f;
	else if ((p[0] & 0xf8) == 0xf0)
		length = 4, code = p[0] & 0x07;
	else
		return 0;
	for (i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return length;
}

/* Controls, and the invisible characters that reorder or break a line (CVE-2021-42574). */
static bool steers_terminal(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c ||
	       (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
	       (code >= 0xfff9 && code <= 0xfffb) || (code >= 0xe0000 && code <= 0xe0fff);
}

char *text_clean(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t room = strlen(text) * 4 + 1; /* a byte grows to at most \xNN */
	char *clean = malloc(room);
	char *out = clean;

	if (!clean)
		return NULL;
	while (*p) {
		uint32_t code;
		int length = text_decode(p, &code);

		if (!length || (length == 1 && steers_terminal(code))) {
			out += sprintf(out, "\\x%02x", *p);
			p++;
		} else if (steers_terminal(code)) {
			/* Two bytes and more: 8 characters at most, the room for two. */
			out += code > 0xffff ? sprintf(out, "\\U%06x", code)
					     : sprintf(out, "\\u%04x", code);
			p += length;
		} else {
			memcpy(out, p, (size_t)length);
			out += length;
			p += length;
		}
	}
	*out = '\0';
	return clean;
}

static int code_width(uint32_t code)
{
	int width = wcwidth((wchar_t)code);

	return width < 0 ? 1 : width;
}

size_t text_fit(const char *clean, int columns, int *ret_width)
{
	const unsigned char *start = (const unsigned char *)clean;
	const unsigned char *p = start;
	int width = 0;

	while (*p) {
		uint32_t code;
		int length = text_decode(p, &code);
		int step = length ? code_width(code) : 1;

		if (width + step > columns)
			break;
		width += step;
		p += length ? length : 1;
	}
	if (ret_width)
		*ret_width = width;
	return (size_t)(p - start);
}

int text_width(const char *clean)
{
	int width;

	text_fit(clean, INT32_MAX / 2, &width);
	return width;
}

bool text_ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

bool text_is_field_name(const char *name)
{
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789_-.")];
}

int text_csv_write(FILE *stream, const char *text)
{
	bool quote = text[strcspn(text, ",\"\r\n")] != '\0';
	const char *p;

	if (quote)
		putc('"', stream);
	for (p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '"')
			fputs("\"\"", stream);
		else if (c < 0x20 || c == 0x7f)
			fprintf(stream, "\\x%02x", c);
		else
			putc(c, stream);
	}
	if (quote)
		putc('"', stream);
	return ferror(stream) ? -EIO : 0;
}

char *text_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

char *text_format_clean(const char *format, va_list args)
{
	cleanup_free char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL; /* is undefined then */
	return text ? text_clean(text) : NULL;
}

/* How a character has to be written for the shell. */
enum quoting { QUOTING_NONE, QUOTING_SINGLE, QUOTING_ESCAPED };

static enum quoting needed_quoting(const unsigned char *p, int *ret_length)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-.,/:=+@%";
	uint32_t code;

	*ret_length = text_decode(p, &code);
	if (*ret_length == 0 || steers_terminal(code)) {
		*ret_length = 1;
		return QUOTING_ESCAPED;
	}
	return strchr(harmless, *p) ? QUOTING_NONE : QUOTING_SINGLE;
}

/* Writes one character of `length` bytes inside of $'...' and returns where the next one goes. */
static char *put_escaped(char *out, const unsigned char *p, int length, bool raw)
{
	if (!raw)
		return out + sprintf(out, "\\x%02x", *p);
	if (*p == '\\' || *p == '\'')
		*out++ = '\\';
	return mempcpy(out, p, (size_t)length);
}

static char *quote_escaped(const char *text, char *out)
{
	const unsigned char *p = (const unsigned char *)text;
	int length;

	out = stpcpy(out, "$'");
	for (; *p; p += length) {
		bool raw = needed_quoting(p, &length) != QUOTING_ESCAPED;

		out = put_escaped(out, p, length, raw);
	}
	return stpcpy(out, "'");
}

static char *quote_single(const char *text, char *out)
{
	*out++ = '\'';
	for (; *text; text++) {
		if (*text == '\'')
			out = stpcpy(out, "'\\''");
		else
			*out++ = *text;
	}
	return stpcpy(out, "'");
}

char *text_shell_quote(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	/* Nothing has to be seen, and zsh takes "=ls" for the path of ls. */
	enum quoting quoting = !*p || *p == '=' ? QUOTING_SINGLE : QUOTING_NONE;
	char *quoted = malloc(strlen(text) * 4 + 4); /* a byte grows to at most \xNN or '\'' */
	int length;

	if (!quoted)
		return NULL;
	for (; *p; p += length) {
		enum quoting needed = needed_quoting(p, &length);

		if (needed > quoting)
			quoting = needed;
	}
	if (quoting == QUOTING_ESCAPED)
		quote_escaped(text, quoted);
	else if (quoting == QUOTING_SINGLE)
		quote_single(text, quoted);
	else
		strcpy(quoted, text);
	return quoted;
}
