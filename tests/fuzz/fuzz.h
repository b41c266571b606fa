/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called by libFuzzer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Stops with a line that says which promise was broken. */
#define promise(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(2, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The input as a string, to be freed: it ends at its first NUL. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	promise(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* The input as a supply of numbers; 0 when it is used up. */
struct fuzz_supply {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_supply *supply)
{
	if (!supply->left)
		return 0;
	supply->left--;
	return *supply->data++;
}

static inline uint64_t fuzz_number(struct fuzz_supply *supply, size_t bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | fuzz_byte(supply);
	return value;
}
