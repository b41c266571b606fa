/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/recording_names.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "kvm_stat/json_get.h"
#include "kvm_stat/recording_list.h"

/* Writing */

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_name_of(const struct written_name *name, const struct sample_row *row)
{
	return strcmp(name->name, row->name) == 0 && is_same_text(name->parent, row->parent) &&
	       name->is_flag == row->is_flag && name->kind == row->kind && name->unit == row->unit;
}

int recording_names_find(struct written_names *names, const struct sample_row *row, uint32_t hint,
			 uint32_t *ret_number)
{
	struct written_name *grown;
	uint32_t i, at = names->count;

	for (i = 0; i < names->count; i++) {
		at = (hint + i) % names->count;
		if (is_name_of(&names->list[at], row))
			break;
	}
	if (i == names->count) {
		if (names->count == RECORDING_NAMES_MAX)
			return -E2BIG;
		grown = reallocarray(names->list, names->count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		names->list = grown;
		at = names->count++;
		grown[at] = (struct written_name){.name = row->name,
						  .parent = row->parent,
						  .is_flag = row->is_flag,
						  .kind = row->kind,
						  .unit = row->unit};
	}
	names->list[at].threads |= sample_thread_is_one(&row->thread);
	*ret_number = at;
	return 0;
}

void recording_names_write(struct json *json, FILE *stream, struct written_names *names)
{
	for (; names->told < names->count; names->told++) {
		const struct written_name *name = &names->list[names->told];
		struct json_object *object = json_object_new_object();

		json_put_foreign(json, object, "name", name->name);
		if (name->parent)
			json_put_foreign(json, object, "parent", name->parent);
		if (name->is_flag)
			json_put_bool(json, object, "flag", true);
		json_put_text(json, object, "kind", json_kind_names[name->kind]);
		json_put_text(json, object, "unit", json_unit_names[name->unit]);
		recording_list_write_object(json, stream, RECORDING_NAMES, object);
	}
}

/* Reading */

static int compare_names(const void *a, const void *b)
{
	const struct recorded_name *left = a, *right = b;
	int r = strcmp(left->name, right->name);

	if (r == 0)
		r = strcmp(left->parent ? left->parent : "", right->parent ? right->parent : "");
	if (r == 0)
		r = (int)left->is_flag - (int)right->is_flag;
	if (r == 0)
		r = (int)left->kind - (int)right->kind;
	return r ? r : (int)left->unit - (int)right->unit;
}

static void free_name(struct recorded_name *name)
{
	if (name) {
		free(name->name);
		free(name->parent);
	}
	free(name);
}

/* Adds a name that is not there yet. Returns 0 or -errno. */
static int add_name(struct recorded_names *names, struct recorded_name *name, const char **ret_why)
{
	struct recorded_name **all;

	if (names->count == RECORDING_NAMES_MAX)
		return recording_damage(ret_why, "there are too many names");
	all = recording_list_grow(names->all, names->count, sizeof(*all));
	if (!all)
		return -ENOMEM;
	names->all = all;
	if (!tsearch(name, &names->tree, compare_names))
		return -ENOMEM;
	name->index = names->count;
	all[names->count++] = name;
	return 0;
}

/* Finds or adds *name, which is taken over; it becomes the one that is kept. */
static int keep_name(struct recorded_names *names, struct recorded_name **name,
		     const char **ret_why)
{
	struct recorded_name **found = tfind(*name, &names->tree, compare_names);
	int r;

	if (found) {
		free_name(*name);
		*name = *found;
		return 0;
	}
	r = add_name(names, *name, ret_why);
	if (r < 0)
		free_name(*name);
	return r;
}

static bool is_name(const char *text)
{
	return strlen(text) <= RECORDING_CLEAN_TEXT_MAX;
}

static int take_name(struct json_object *object, void *data, const char **ret_why)
{
	struct recorded_names *names = data;
	const char *text = json_get_text(object, "name"), *parent = json_get_text(object, "parent");
	int kind = json_get_word(object, "kind", json_kind_names), r;
	int unit = json_get_word(object, "unit", json_unit_names);
	struct recorded_name *name, **ids;

	if (!text || !*text || !is_name(text) || kind < 0 || unit < 0 ||
	    (parent && !is_name(parent)))
		return recording_damage(ret_why, "a name is none");
	if (names->id_count == RECORDING_NAMES_MAX)
		return recording_damage(ret_why, "there are too many names");
	ids = recording_list_grow(names->ids, names->id_count, sizeof(*ids));
	name = calloc(1, sizeof(*name));
	if (ids)
		names->ids = ids;
	if (name) {
		*name = (struct recorded_name){.name = text_clean(text),
					       .parent = parent ? text_clean(parent) : NULL,
					       .is_flag = json_get_bool(object, "flag"),
					       .kind = (enum field_kind)kind,
					       .unit = (enum field_unit)unit};
	}
	if (!ids || !name || !name->name || (parent && !name->parent)) {
		free_name(name);
		return -ENOMEM;
	}
	r = keep_name(names, &name, ret_why);
	if (r == 0)
		ids[names->id_count++] = name;
	return r;
}

int recording_names_take(struct recorded_names *names, struct json_object *list,
			 const char **ret_why)
{
	return recording_list_take_objects(list, take_name, names, ret_why);
}

static void keep_node(void *node)
{
	(void)node;
}

void recording_names_done(struct recorded_names *names)
{
	size_t i;

	tdestroy(names->tree, keep_node);
	for (i = 0; i < names->count; i++)
		free_name(names->all[i]);
	free(names->all);
	free(names->ids);
	*names = (struct recorded_names){0};
}
