/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the trees of tsearch(3) lack: walks with data, and the removal of many nodes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The order of tsearch(3)'s trees: negative, 0 or positive. */
typedef int (*search_tree_compare)(const void *a, const void *b);

/* Compares two numbers as a search_tree_compare does its nodes. */
static inline int search_tree_compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Hands every node to `visit`, in their order. It must not change the tree. */
void search_tree_walk(const void *tree, void (*visit)(void *node, void *data), void *data);

/*
 * Takes out and frees every node that `is_dead` says so of. Without memory some of them stay, until
 * the next time.
 */
void search_tree_remove(void **tree, search_tree_compare compare,
			bool (*is_dead)(const void *node, void *data), void *data,
			void (*free_node)(void *node));
