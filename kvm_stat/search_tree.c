/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/search_tree.h"

#include <search.h>
#include <stdlib.h>

struct walk {
	void (*visit)(void *node, void *data);
	void *data;
};

static void visit_node(const void *node, VISIT visit, void *data)
{
	const struct walk *walk = data;

	if (visit == postorder || visit == leaf)
		walk->visit(*(void *const *)node, walk->data);
}

void search_tree_walk(const void *tree, void (*visit)(void *node, void *data), void *data)
{
	struct walk walk = {visit, data};

	twalk_r(tree, visit_node, &walk);
}

/* Those to be removed: trees cannot lose nodes while they are walked. */
struct dead {
	bool (*is_dead)(const void *node, void *data);
	void *data;
	void **list;
	size_t count, room;
};

static void collect_dead(void *node, void *data)
{
	struct dead *dead = data;

	if (!dead->is_dead(node, dead->data))
		return;
	if (dead->count == dead->room) {
		size_t room = dead->room ? dead->room * 2 : 64;
		void **grown = reallocarray(dead->list, room, sizeof(*grown));

		if (!grown)
			return;
		dead->list = grown;
		dead->room = room;
	}
	dead->list[dead->count++] = node;
}

void search_tree_remove(void **tree, search_tree_compare compare,
			bool (*is_dead)(const void *node, void *data), void *data,
			void (*free_node)(void *node))
{
	struct dead dead = {.is_dead = is_dead, .data = data};
	size_t i;

	search_tree_walk(*tree, collect_dead, &dead);
	for (i = 0; i < dead.count; i++) {
		tdelete(dead.list[i], tree, compare);
		free_node(dead.list[i]);
	}
	free(dead.list);
}
