/* SPDX-License-Identifier: GPL-2.0-or-later */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "kvm_stat/field_filter.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

#define MATCH_LIMIT        100000 /* steps: field names are short, what is dearer is a mistake */
#define NUMBER_MATCH_LIMIT 2000   /* likewise, for each of many */
/* POWER's codes go up to 0xf80. Interrupts of RISC-V and some codes of SVM are far above. */
#define SMALL_NUMBERS 0x1000

struct field_filter {
	char *pattern;
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static int compile_error(int number, size_t offset, char **ret_why)
{
	PCRE2_UCHAR text[160];

	if (pcre2_get_error_message(number, text, sizeof(text)) < 0)
		text[0] = '\0';
	if (asprintf(ret_why, "%s at position %zu", (char *)text, offset) < 0)
		return -ENOMEM;
	return -EINVAL;
}

int field_filter_compile(const char *pattern, struct field_filter **ret_filter, char **ret_why)
{
	struct field_filter *filter = calloc(1, sizeof(*filter));
	size_t offset;
	int number;

	if (!filter)
		return -ENOMEM;
	filter->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
				     PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &number, &offset,
				     NULL);
	if (!filter->code) {
		free(filter);
		return compile_error(number, offset, ret_why);
	}
	filter->pattern = strdup(pattern);
	filter->data = pcre2_match_data_create_from_pattern(filter->code, NULL);
	filter->context = pcre2_match_context_create(NULL);
	if (!filter->pattern || !filter->data || !filter->context) {
		field_filter_free(filter);
		return -ENOMEM;
	}
	pcre2_set_match_limit(filter->context, MATCH_LIMIT);
	*ret_filter = filter;
	return 0;
}

void field_filter_free(struct field_filter *filter)
{
	if (!filter)
		return;
	pcre2_match_context_free(filter->context);
	pcre2_match_data_free(filter->data);
	pcre2_code_free(filter->code);
	free(filter->pattern);
	free(filter);
}

static int match(const struct field_filter *filter, const char *name)
{
	return pcre2_match(filter->code, (PCRE2_SPTR)name, strlen(name), 0, 0, filter->data,
			   filter->context);
}

bool field_filter_match(const struct field_filter *filter, const char *name)
{
	return !filter || match(filter, name) >= 0;
}

/* As match(), of `start` with the number and a closing parenthesis. */
static int match_number(const struct field_filter *filter, const char *start, uint64_t number)
{
	cleanup_free char *name = text_format("%s0x%llx)", start, (unsigned long long)number);

	return name ? match(filter, name) : PCRE2_ERROR_NOMEMORY;
}

bool field_filter_match_some_number(const struct field_filter *filter, const char *start)
{
	const char *spelt = filter ? filter->pattern : "";
	int r = filter ? PCRE2_ERROR_NOMATCH : 0;
	uint64_t number;

	if (filter)
		pcre2_set_match_limit(filter->context, NUMBER_MATCH_LIMIT);
	for (number = 0; number < SMALL_NUMBERS && r == PCRE2_ERROR_NOMATCH; number++)
		r = match_number(filter, start, number);
	while (r == PCRE2_ERROR_NOMATCH && (spelt = strstr(spelt, "0x"))) {
		r = match_number(filter, start, strtoull(spelt, NULL, 16));
		spelt += 2;
	}
	if (filter)
		pcre2_set_match_limit(filter->context, MATCH_LIMIT);
	return r >= 0;
}

const char *field_filter_pattern(const struct field_filter *filter)
{
	return filter ? filter->pattern : "";
}
