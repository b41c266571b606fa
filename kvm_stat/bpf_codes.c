/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/bpf_codes.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/search_tree.h"

#define CODES_MAX 65536 /* of which it is remembered what they mean */
#define FLAGS_MAX 32    /* bits beside a reason's number */

static int compare_codes(const void *a, const void *b)
{
	const struct bpf_code *left = a, *right = b;
	int r = search_tree_compare_u64(left->event, right->event);
	size_t i;

	for (i = 0; r == 0 && i < COUNT_FIELDS_MAX; i++)
		r = search_tree_compare_u64(left->fields[i], right->fields[i]);
	return r;
}

/* Adds the rows of flags. Returns 0 or -ENOMEM. */
static int take_flags(struct bpf_codes *codes, const struct bpf_event *event,
		      const struct exit_decoded *decoded, size_t *names, size_t *count)
{
	uint64_t bit;

	for (bit = 1; bit && decoded->flags; bit <<= 1) {
		const char *flag;
		char digits[40];
		ssize_t name;

		if (!(decoded->flags & bit) || codes->selection->fixed_rows || *count == FLAGS_MAX)
			continue;
		flag = exit_reasons_flag_name(event->event->reasons, bit);
		snprintf(digits, sizeof(digits), "FLAG_0x%llx", (unsigned long long)bit);
		name = bpf_names_add_reason(codes->names, codes->selection, event->event->name,
					    flag ? flag : digits, -1);
		if (name == -ENOMEM)
			return -ENOMEM;
		if (name < 0)
			continue;
		codes->names->list[name]->is_flag = true;
		names[(*count)++] = (size_t)name;
	}
	return 0;
}

/*
 * Finds the rows that a record with these fields belongs to; `names` has room for FLAGS_MAX + 2.
 * Returns how many there are, or -ENOMEM: it is remembered what the fields mean, so a row that is
 * missing now would be missing for ever.
 */
static ssize_t name_record(struct bpf_codes *codes, const struct bpf_event *event,
			   const struct count_key *key, size_t *names)
{
	unsigned char record[BPF_RECORD_MAX] = {0};
	struct exit_decoded decoded;
	ssize_t name = event->other;
	size_t i, size = 0, count = 0;
	char digits[40];

	if (event->name >= 0)
		names[count++] = (size_t)event->name;
	if (!event->reasons)
		return (ssize_t)count;
	for (i = 0; i < event->field_count; i++) {
		const struct event_field *field = &event->fields[i];

		memcpy(record + field->offset, &key->fields[i], field->size);
		if (field->offset + field->size > size)
			size = field->offset + field->size;
	}
	if (exit_reasons_classify(event->event->reasons, record, size, &decoded) < 0) {
		decoded.flags = 0;
	} else if (decoded.reason >= 0) {
		name = event->reasons[decoded.reason];
	} else if (!codes->selection->fixed_rows) {
		snprintf(digits, sizeof(digits), "0x%llx", (unsigned long long)decoded.number);
		name = bpf_names_add_reason(codes->names, codes->selection, event->event->name,
					    digits, event->other);
	}
	if (name == -ENOMEM)
		return -ENOMEM;
	if (name >= 0)
		names[count++] = (size_t)name;
	return take_flags(codes, event, &decoded, names, &count) < 0 ? -ENOMEM : (ssize_t)count;
}

const struct bpf_code *bpf_codes_find(struct bpf_codes *codes, const struct count_key *key)
{
	struct bpf_code lookup = {.event = key->event};
	size_t names[FLAGS_MAX + 2];
	struct bpf_code **node, *code;
	ssize_t count;

	memcpy(lookup.fields, key->fields, sizeof(lookup.fields));
	node = tfind(&lookup, &codes->tree, compare_codes);
	if (node)
		return *node;
	count = name_record(codes, &codes->events->list[key->event], key, names);
	if (count < 0)
		return NULL;
	code = calloc(1, sizeof(*code) + (size_t)count * sizeof(*names));
	if (!code)
		return NULL;
	*code = lookup;
	code->count = (size_t)count;
	memcpy(code->names, names, code->count * sizeof(*names));
	if (!tsearch(code, &codes->tree, compare_codes)) {
		free(code);
		return NULL;
	}
	codes->count++;
	return code;
}

void bpf_codes_limit(struct bpf_codes *codes)
{
	if (codes->count >= CODES_MAX)
		bpf_codes_done(codes);
}

void bpf_codes_done(struct bpf_codes *codes)
{
	tdestroy(codes->tree, free);
	codes->tree = NULL;
	codes->count = 0;
}
