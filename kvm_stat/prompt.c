/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/prompt.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "host/text.h"
#include "kvm_stat/options.h"
#include "kvm_stat/screen.h"

#define PAGE_HEIGHT 8 /* lines that a page has without its list */

/* The line of a page that is typed into, and the one for the refusal. */
struct page {
	int input, error;
};

void prompt_start(struct prompt *prompt, enum prompt_kind kind)
{
	prompt_done(prompt);
	prompt->kind = kind;
	prompt->length = 0;
	prompt->input[0] = '\0';
}

void prompt_done(struct prompt *prompt)
{
	free(prompt->error);
	prompt->error = NULL;
}

void prompt_refuse(struct prompt *prompt, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	free(prompt->error);
	prompt->error = r < 0 ? NULL : text_clean(text);
	if (r < 0)
		text = NULL;
	prompt->length = 0;
	prompt->input[0] = '\0';
}

/* UTF-8 whatever the locale: guests' names and patterns are compared by their bytes. */
static size_t encode(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

static void insert(struct prompt *prompt, uint32_t code)
{
	char bytes[4];
	size_t count;

	/* wchar_t is Unicode with glibc. What is not printable cannot be typed. */
	if (code >= SCREEN_KEY_NONE || !iswprint((wint_t)code))
		return;
	count = encode(code, bytes);
	if (prompt->length + count > PROMPT_INPUT_MAX)
		return;
	memcpy(prompt->input + prompt->length, bytes, count);
	prompt->length += count;
	prompt->input[prompt->length] = '\0';
}

static void erase_last(struct prompt *prompt)
{
	while (prompt->length && ((unsigned char)prompt->input[--prompt->length] & 0xc0) == 0x80)
		;
	prompt->input[prompt->length] = '\0';
}

enum prompt_state prompt_key(struct prompt *prompt, uint32_t key)
{
	switch (key) {
	case SCREEN_KEY_ENTER:
		return PROMPT_ENTERED;
	case SCREEN_KEY_ESCAPE:
		return PROMPT_CANCELLED;
	case SCREEN_KEY_BACKSPACE:
		erase_last(prompt);
		break;
	case SCREEN_KEY_CTRL('u'):
		prompt->length = 0;
		prompt->input[0] = '\0';
		break;
	default:
		insert(prompt, key);
	}
	return PROMPT_TYPING;
}

static struct page put_fields_page(struct view_spans *spans, const struct prompt_context *context)
{
	cleanup_free char *pattern = text_clean(context->pattern);

	view_put(spans, 0, 0, VIEW_HEADLINE, "Show only events whose name starts with a regex");
	view_put(spans, 1, 0, VIEW_PLAIN, "Enter alone shows all events, Esc changes nothing");
	view_put(spans, 2, 0, VIEW_PLAIN, "Current regex: %s", pattern ? pattern : "");
	view_put(spans, 3, 0, VIEW_PLAIN, "New regex: ");
	return (struct page){.input = 3, .error = 5};
}

static struct page put_delay_page(struct view_spans *spans, const struct prompt_context *context)
{
	view_put(spans, 0, 0, VIEW_HEADLINE, "Set the time between refreshes, in seconds");
	view_put(spans, 1, 0, VIEW_PLAIN, "Enter alone sets %.1f, Esc changes nothing",
		 DELAY_DEFAULT);
	view_put(spans, 2, 0, VIEW_PLAIN, "Change delay from %.1fs to ", context->delay);
	return (struct page){.input = 2, .error = 4};
}

static struct page put_guest_page(struct view_spans *spans, const struct prompt_context *context)
{
	const struct guests *guests = context->guests;
	int row = 7;
	size_t i;

	view_put(spans, 0, 0, VIEW_HEADLINE, "Show one guest, by its name or process id");
	view_put(spans, 1, 0, VIEW_PLAIN, "Enter alone or 0 shows all guests, Esc changes nothing");
	view_put(spans, 3, 0, VIEW_PLAIN, "Guest or pid: ");
	view_put(spans, row++, 2, VIEW_COLUMNS, "%8s  %-40s", "Pid", "Guest Name");
	if (!guests->count)
		view_put(spans, row, 2, VIEW_PLAIN, "No guest is running");
	for (i = 0; i < guests->count; i++, row++) {
		if (row == spans->height - 1 && i + 1 < guests->count) {
			view_put(spans, row, 2, VIEW_PLAIN, "and %zu more", guests->count - i);
			break;
		}
		view_put(spans, row, 2, VIEW_PLAIN, "%8d  %s", (int)guests->list[i].pid,
			 guests->list[i].name);
	}
	return (struct page){.input = 3, .error = 5};
}

/* The end of `text` that fits into `columns`. */
static const char *fitting_end(const char *text, int columns)
{
	while (*text && text_width(text) > columns) {
		text++;
		while (((unsigned char)*text & 0xc0) == 0x80)
			text++;
	}
	return text;
}

/* Removes the spans of all lines from `first` to `last`. */
static void remove_lines(struct view_spans *spans, int first, int last)
{
	size_t i, kept = 0;

	for (i = 0; i < spans->count; i++) {
		if (spans->list[i].row >= first && spans->list[i].row <= last)
			free(spans->list[i].text);
		else
			spans->list[kept++] = spans->list[i];
	}
	spans->count = kept;
}

/* Brings the line to type into to the top of a low screen, the refusal below it. */
static void squeeze(struct view_spans *spans, struct page *page)
{
	size_t i;

	remove_lines(spans, 0, page->input - 1);
	remove_lines(spans, page->input + 1, INT_MAX);
	for (i = 0; i < spans->count; i++)
		spans->list[i].row = 0;
	*page = (struct page){.input = 0, .error = 1};
}

static int end_of_line(const struct view_spans *spans, int row)
{
	int end = 0;
	size_t i;

	for (i = 0; i < spans->count; i++)
		if (spans->list[i].row == row && spans->list[i].col + spans->list[i].width > end)
			end = spans->list[i].col + spans->list[i].width;
	return end;
}

void prompt_layout(const struct prompt *prompt, const struct prompt_context *context, int width,
		   int height, struct view_spans *spans)
{
	cleanup_free char *input = text_clean(prompt->input);
	struct page page;
	int col;

	view_spans_start(spans, width, height < PAGE_HEIGHT ? PAGE_HEIGHT : height);
	if (prompt->kind == PROMPT_FIELDS)
		page = put_fields_page(spans, context);
	else if (prompt->kind == PROMPT_GUEST)
		page = put_guest_page(spans, context);
	else
		page = put_delay_page(spans, context);
	/* On a screen too low for the page, the lines above the input have to go. */
	if (height <= page.error)
		squeeze(spans, &page);
	remove_lines(spans, height, INT_MAX);
	spans->height = height;
	col = end_of_line(spans, page.input);
	/* The label gives way where less than ten columns were left to type in. */
	if (width - col < 10) {
		remove_lines(spans, page.input, page.input);
		col = 0;
	}
	if (input)
		col = view_put(spans, page.input, col, VIEW_PLAIN, "%s",
			       fitting_end(input, width - 1 - col));
	if (prompt->error)
		view_put(spans, page.error, 0, VIEW_ERROR, "%s", prompt->error);
	spans->cursor_row = page.input;
	spans->cursor_col = col < width ? col : width - 1;
}

void prompt_help_layout(const struct prompt_help *lines, size_t count, int width, int height,
			struct view_spans *spans)
{
	/* A low screen leaves out the blank lines and the title first. */
	int extra = height - (int)count;
	int row = extra >= 4 ? 4 : extra > 0 ? extra : 0;
	size_t i;

	view_spans_start(spans, width, height);
	if (extra > 0)
		view_put(spans, 0, 0, VIEW_HEADLINE, "Keys of kvm_stat");
	if (extra > 1)
		view_put(spans, extra >= 4 ? 2 : 1, 0, VIEW_HINT, "Press any key to return");
	for (i = 0; i < count; i++, row++) {
		int col = view_put(spans, row, 1, VIEW_HEADLINE, "%s", lines[i].key);

		view_put(spans, row, col < 13 ? 13 : col + 1, VIEW_PLAIN, "%s", lines[i].text);
	}
}
