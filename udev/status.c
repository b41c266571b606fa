/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/status.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "host/account.h"
#include "host/device_access.h"
#include "host/text.h"
#include "udev/node_set.h"

enum column { NODE, NUMBERS, OWNER, GROUP, MODE, ACL, AGREES, RULE, ACCESS, COLUMN_MAX };

static const char *const titles[COLUMN_MAX] = {"NODE", "NUMBERS", "OWNER", "GROUP", "MODE",
					       "ACL",  "AGREES",  "RULE",  "ACCESS"};

struct row {
	char *cells[COLUMN_MAX];
	char *why; /* what is to be said below the table, or NULL */
};

static void row_done(struct row *row)
{
	size_t i;

	for (i = 0; i < COLUMN_MAX; i++)
		free(row->cells[i]);
	free(row->why);
	*row = (struct row){0};
}

static const char *permission_text(unsigned int permissions, char *buf)
{
	buf[0] = permissions & 4 ? 'r' : '-';
	buf[1] = permissions & 2 ? 'w' : '-';
	buf[2] = permissions & 1 ? 'x' : '-';
	buf[3] = '\0';
	return buf;
}

/* "u:NAME:rw-" or "g:NAME:rw-", to be freed. */
static char *entry_text(const struct host_root *root, const struct device_acl_entry *entry)
{
	cleanup_free char *name = entry->is_group ? account_group_name(root, entry->id)
						  : account_user_name(root, entry->id);
	char permissions[4];

	return name ? text_format("%c:%s:%s", entry->is_group ? 'g' : 'u', name,
				  permission_text(entry->permissions, permissions))
		    : NULL;
}

/* The entries of an ACL that the mode does not show; "-" without. */
static char *acl_text(const struct host_root *root, const struct device_acl *acl)
{
	char permissions[2][4];
	char *text;
	size_t i;

	if (!acl->is_known)
		return strdup("unknown");
	if (!acl->is_extended)
		return strdup("-");
	text = text_format("g::%s,m::%s", permission_text(acl->group, permissions[0]),
			   permission_text(acl->mask, permissions[1]));
	for (i = 0; i < acl->count && text; i++) {
		cleanup_free char *entry = entry_text(root, &acl->entries[i]);
		char *longer = entry ? text_format("%s,%s", text, entry) : NULL;

		free(text);
		text = longer;
	}
	return text;
}

/* The rule that decided, NULL where that is not known: another may have come behind ours. */
static const char *decided_by(const struct node_state *state)
{
	return state->agrees ? state->rule : NULL;
}

static int fill_node(const struct host_root *root, const struct node_state *state, struct row *row)
{
	const struct device_node *node = &state->node;
	const char *rule = decided_by(state);

	row->cells[NUMBERS] = S_ISCHR(node->st.st_mode)
				      ? text_format("%u:%u", major(node->st.st_rdev),
						    minor(node->st.st_rdev))
				      : strdup("none");
	row->cells[OWNER] = account_user_name(root, node->st.st_uid);
	row->cells[GROUP] = account_group_name(root, node->st.st_gid);
	row->cells[MODE] = text_format("%04o", node->st.st_mode & 07777);
	row->cells[ACL] = acl_text(root, &node->acl);
	row->cells[AGREES] = strdup(state->agrees ? "yes" : "no");
	row->cells[RULE] = strdup(rule ? rule : "unknown");
	return 0;
}

static int fill_row(const struct host_root *root, const struct node_state *state, struct row *row)
{
	struct device_verdict verdict = device_access_probe(root, &state->node);
	size_t i;

	if (!state->node.error)
		fill_node(root, state, row);
	row->cells[NODE] = strdup(state->node.kind->path);
	row->cells[ACCESS] = strdup(device_access_name(verdict.access));
	if (verdict.access != DEVICE_ACCESS_YES && verdict.access != DEVICE_ACCESS_UNKNOWN) {
		row->why = device_access_describe(root, &state->node, &verdict);
		if (!row->why)
			return -ENOMEM;
	}
	for (i = 0; i < COLUMN_MAX; i++) {
		if (!row->cells[i])
			row->cells[i] = state->node.error ? strdup("-") : NULL;
		if (!row->cells[i])
			return -ENOMEM;
	}
	return 0;
}

static int widest(const struct row *rows, size_t column)
{
	int width = text_width(titles[column]);
	size_t i;

	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		int w = text_width(rows[i].cells[column]);

		width = w > width ? w : width;
	}
	return width;
}

static void print_cells(const struct row *rows, const char *const *cells)
{
	size_t i;

	for (i = 0; i < COLUMN_MAX; i++) {
		bool last = i + 1 == COLUMN_MAX;

		printf("%s%*s", cells[i], last ? 0 : widest(rows, i) + 2 - text_width(cells[i]),
		       "");
	}
	putchar('\n');
}

/* Names come from files that may be another machine's. */
static int clean_row(struct row *row)
{
	size_t i;

	for (i = 0; i < COLUMN_MAX; i++) {
		char *clean = text_clean(row->cells[i]);

		if (!clean)
			return -ENOMEM;
		free(row->cells[i]);
		row->cells[i] = clean;
	}
	if (row->why) {
		char *clean = text_clean(row->why);

		if (!clean)
			return -ENOMEM;
		free(row->why);
		row->why = clean;
	}
	return 0;
}

static void print_rows(const struct node_set *set, const struct row *rows)
{
	size_t i;

	printf("policy: root:%s %04o%s\n", POLICY_GROUP, set->policy.mode,
	       set->policy.mode == 0660 ? " and uaccess" : "");
	if (!set->policy.has_group)
		printf("policy: there is no group %s; run \"systemd-sysusers\" as root\n",
		       POLICY_GROUP);
	putchar('\n');
	print_cells(rows, titles);
	for (i = 0; i < DEVICE_NODE_MAX; i++)
		print_cells(rows, (const char *const *)rows[i].cells);
	for (i = 0; i < DEVICE_NODE_MAX; i++) {
		if (rows[i].why)
			printf("\n%s: %s\n", rows[i].cells[NODE], rows[i].why);
	}
}

static int print_table(const struct host_root *root, const struct node_set *set)
{
	struct row rows[DEVICE_NODE_MAX] = {0};
	size_t i;
	int r = 0;

	for (i = 0; i < DEVICE_NODE_MAX && r == 0; i++) {
		r = fill_row(root, &set->nodes[i], &rows[i]);
		if (r == 0)
			r = clean_row(&rows[i]);
	}
	if (r == 0)
		print_rows(set, rows);
	for (i = 0; i < DEVICE_NODE_MAX; i++)
		row_done(&rows[i]);
	return r;
}

/* Adds a member; json-c takes `value`, also when it fails. NULL is null. */
static void add(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add(object, key, value);
}

/* Cleaned: names of another machine's files may be no UTF-8, which json-c would pass on. */
static struct json_object *json_text(const char *text)
{
	cleanup_free char *clean = text ? text_clean(text) : NULL;

	return clean ? json_object_new_string(clean) : NULL;
}

static struct json_object *json_mode(mode_t mode)
{
	char text[8];

	snprintf(text, sizeof(text), "%04o", mode & 07777);
	return json_object_new_string(text);
}

static struct json_object *json_permissions(unsigned int permissions)
{
	char text[4];

	return json_object_new_string(permission_text(permissions, text));
}

static struct json_object *json_acl(const struct host_root *root, const struct device_acl *acl)
{
	struct json_object *object, *entries;
	size_t i;

	if (!acl->is_known || !acl->is_extended)
		return NULL;
	object = json_object_new_object();
	entries = json_object_new_array();
	add(object, "group", json_permissions(acl->group));
	add(object, "mask", json_permissions(acl->mask));
	for (i = 0; i < acl->count; i++) {
		const struct device_acl_entry *entry = &acl->entries[i];
		cleanup_free char *name = entry->is_group ? account_group_name(root, entry->id)
							  : account_user_name(root, entry->id);
		struct json_object *item = json_object_new_object();

		add(item, "type", json_text(entry->is_group ? "group" : "user"));
		add(item, "id", json_object_new_int64(entry->id));
		add(item, "name", json_text(name));
		add(item, "permissions", json_permissions(entry->permissions));
		json_object_array_add(entries, item);
	}
	add(object, "entries", entries);
	return object;
}

static void add_node(const struct host_root *root, const struct node_state *state,
		     struct json_object *object)
{
	const struct device_node *node = &state->node;
	cleanup_free char *owner = account_user_name(root, node->st.st_uid);
	cleanup_free char *group = account_group_name(root, node->st.st_gid);

	if (S_ISCHR(node->st.st_mode)) {
		add(object, "major", json_object_new_int64(major(node->st.st_rdev)));
		add(object, "minor", json_object_new_int64(minor(node->st.st_rdev)));
	}
	add(object, "uid", json_object_new_int64(node->st.st_uid));
	add(object, "owner", json_text(owner));
	add(object, "gid", json_object_new_int64(node->st.st_gid));
	add(object, "group", json_text(group));
	add(object, "mode", json_mode(node->st.st_mode));
	add(object, "acl_known", json_object_new_boolean(node->acl.is_known));
	add(object, "acl", json_acl(root, &node->acl));
	add(object, "bind_mounted", json_object_new_boolean(node->is_borrowed));
}

static struct json_object *json_node(const struct host_root *root, const struct node_state *state)
{
	struct json_object *object = json_object_new_object();
	struct device_verdict verdict = device_access_probe(root, &state->node);
	cleanup_free char *why = NULL;

	if (verdict.access != DEVICE_ACCESS_YES && verdict.access != DEVICE_ACCESS_UNKNOWN)
		why = device_access_describe(root, &state->node, &verdict);
	add(object, "node", json_text(state->node.kind->path));
	add(object, "exists", json_object_new_boolean(state->node.error != -ENOENT));
	add(object, "device", json_object_new_boolean(state->node.has_device));
	if (!state->node.error)
		add_node(root, state, object);
	add(object, "agrees", state->node.error ? NULL : json_object_new_boolean(state->agrees));
	add(object, "rule", json_text(decided_by(state)));
	add(object, "rule_applied", json_text(state->rule));
	add(object, "udev_record", json_object_new_boolean(state->has_record));
	add(object, "uaccess", json_object_new_boolean(state->is_uaccess));
	add(object, "access", json_text(device_access_name(verdict.access)));
	add(object, "why", json_text(why));
	return object;
}

static int print_json(const struct host_root *root, const struct node_set *set)
{
	struct json_object *document = json_object_new_object();
	struct json_object *policy = json_object_new_object();
	struct json_object *nodes = json_object_new_array();
	const char *text;
	size_t i;

	add(policy, "owner", json_text("root"));
	add(policy, "group", json_text(POLICY_GROUP));
	add(policy, "gid", set->policy.has_group ? json_object_new_int64(set->policy.gid) : NULL);
	add(policy, "mode", json_mode(set->policy.mode));
	add(policy, "uaccess", json_object_new_boolean(set->policy.mode == 0660));
	add(document, "policy", policy);
	for (i = 0; i < DEVICE_NODE_MAX; i++)
		json_object_array_add(nodes, json_node(root, &set->nodes[i]));
	add(document, "nodes", nodes);
	text = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PRETTY |
								JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text)
		puts(text);
	json_object_put(document);
	return text ? 0 : -ENOMEM;
}

int status_print(const struct host_root *root, bool json)
{
	struct node_set set;
	int r = node_set_read(root, &set);

	if (r < 0)
		return r;
	r = json ? print_json(root, &set) : print_table(root, &set);
	node_set_done(&set);
	return r;
}
