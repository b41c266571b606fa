/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/keyval.h"

#include <errno.h>
#include <string.h>

void keyvals_free(struct keyvals *list)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		free(list->items[i].key);
		free(list->items[i].value);
	}
	free(list->items);
	*list = (struct keyvals){0};
}

/* Takes over `pair`, whatever happens. */
static int add(struct keyvals *list, struct keyval pair)
{
	struct keyval *items = pair.key ? list->items : NULL;
	size_t room = list->count ? 2 * list->count : 1;

	/* Twice as many each time it is full, that is of 2^n elements: an argument may have 64 Ki. */
	if (pair.key && (list->count & (list->count - 1)) == 0)
		items = reallocarray(list->items, room, sizeof(*items));
	if (!items) {
		free(pair.key);
		free(pair.value);
		return -ENOMEM;
	}
	list->items = items;
	items[list->count++] = pair;
	return 0;
}

int keyvals_add(struct keyvals *list, const char *key, const char *value)
{
	struct keyval pair = {.key = strdup(key)};

	if (value) {
		pair.value = strdup(value);
		if (!pair.value) {
			free(pair.key);
			return -ENOMEM;
		}
	}
	return add(list, pair);
}

/* Where the value that begins at `p` ends: at a comma that no second one follows, or the end. */
static const char *value_end(const char *p)
{
	while (*p && (*p != ',' || p[1] == ','))
		p += *p == ',' ? 2 : 1;
	return p;
}

/* Copies the value at *text up to its comma and moves *text behind that comma or to the end. */
static char *take_value(const char **text)
{
	const char *p = *text;
	const char *end = value_end(p);
	char *value = malloc((size_t)(end - p) + 1);
	char *out = value;

	if (!value)
		return NULL;
	while (p < end) {
		*out++ = *p;
		p += *p == ',' ? 2 : 1;
	}
	*out = '\0';
	*text = *end ? end + 1 : end;
	return value;
}

static int parse_element(const char **text, const char *implied, struct keyvals *list)
{
	size_t length = strcspn(*text, "=,");
	struct keyval pair = {0};

	if ((*text)[length] == '=') {
		pair.key = strndup(*text, length);
		*text += length + 1;
		pair.value = take_value(text);
	} else if (implied) {
		pair.key = strdup(implied);
		pair.value = take_value(text);
	} else {
		/* A bare "nofoo" means "foo=off"; QEMU warns about it since 6.0. */
		bool is_negated = length > 2 && strncmp(*text, "no", 2) == 0;

		pair.key = is_negated ? strndup(*text + 2, length - 2) : strndup(*text, length);
		pair.value = is_negated ? strdup("off") : NULL;
		*text += length + ((*text)[length] == ',');
		if (!is_negated)
			return add(list, pair);
	}
	if (!pair.value) {
		free(pair.key);
		return -ENOMEM;
	}
	return add(list, pair);
}

int keyvals_parse(const char *text, const char *implied, struct keyvals *ret)
{
	struct keyvals list = {0};

	if (*text == '{') {
		*ret = list;
		return 0;
	}
	while (*text) {
		int r = parse_element(&text, list.count == 0 ? implied : NULL, &list);

		if (r < 0) {
			keyvals_free(&list);
			return r;
		}
	}
	*ret = list;
	return 0;
}

static const struct keyval *find(const struct keyvals *list, const char *key)
{
	size_t i;

	for (i = list->count; i > 0; i--) {
		if (strcmp(list->items[i - 1].key, key) == 0)
			return &list->items[i - 1];
	}
	return NULL;
}

const char *keyvals_get(const struct keyvals *list, const char *key)
{
	const struct keyval *pair = find(list, key);

	return pair ? pair->value : NULL;
}

bool keyvals_has(const struct keyvals *list, const char *key)
{
	return find(list, key) != NULL;
}

bool keyvals_is_on(const struct keyvals *list, const char *key)
{
	static const char *const words[] = {"on", "yes", "true", "y"};
	const struct keyval *pair = find(list, key);
	size_t i;

	if (!pair || !pair->value)
		return pair != NULL;
	for (i = 0; i < array_size(words); i++) {
		if (strcmp(pair->value, words[i]) == 0)
			return true;
	}
	return false;
}
