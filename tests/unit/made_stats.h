/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made file of binary statistics, byte by byte as the kernel lays it out. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MADE_NAME_SIZE 24

/* The kernel's numbers, written down once more. */
enum { MADE_CUMULATIVE, MADE_INSTANT, MADE_PEAK, MADE_LINEAR, MADE_LOG };
enum { MADE_NONE = 0, MADE_BYTES = 1 << 4, MADE_SECONDS = 2 << 4, MADE_CYCLES = 3 << 4 };
enum { MADE_BOOLEAN = 4 << 4, MADE_BASE_2 = 1 << 8 };

struct made_header {
	uint32_t flags, name_size, count, id_offset, descriptors_offset, data_offset;
};

struct made_descriptor {
	uint32_t flags;
	int16_t exponent;
	uint16_t size;
	uint32_t offset, bucket_size;
	char name[MADE_NAME_SIZE];
};

#define MADE_DESCRIPTORS 8
#define MADE_VALUES      96

struct made_stats {
	struct made_header header;
	char id[MADE_NAME_SIZE];
	struct made_descriptor descriptors[MADE_DESCRIPTORS];
	uint64_t values[MADE_VALUES];
};

/* Puts the header of a file with `count` descriptors and an id into it. */
static inline void made_start(struct made_stats *made, uint32_t count, const char *id)
{
	memset(made, 0, sizeof(*made));
	made->header = (struct made_header){
		.name_size = MADE_NAME_SIZE,
		.count = count,
		.id_offset = offsetof(struct made_stats, id),
		.descriptors_offset = offsetof(struct made_stats, descriptors),
		.data_offset = offsetof(struct made_stats, values),
	};
	strncpy(made->id, id, sizeof(made->id) - 1);
}
