/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/lint_set.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "host/text.h"
#include "units/key.h"

static const char *const unit_types[] = {"service",   "socket", "target", "timer",
					 "path",      "mount",  "swap",   "slice",
					 "automount", "scope",  "device"};

/* Keys beside the sets of [Unit] and [Install] that name units. */
static const struct {
	const char *section, *key;
} name_keys[] = {
	{"Service", "Sockets"},
	{"Socket", "Service"},
	{"Timer", "Unit"},
	{"Path", "Unit"},
};

/* The kinds of addresses that are in the file system or the abstract name space. */
static const char *const address_keys[] = {"ListenStream", "ListenDatagram",
					   "ListenSequentialPacket", "ListenFIFO",
					   "ListenMessageQueue"};

static bool names_units(const char *section, const char *key)
{
	size_t i;

	for (i = 0; i < array_size(name_keys); i++) {
		if (strcmp(name_keys[i].section, section) == 0 &&
		    strcmp(name_keys[i].key, key) == 0)
			return true;
	}
	return key_is_set(section, key) && strcmp(key, "Documentation") != 0 &&
	       strcmp(key, "RequiresMountsFor") != 0 && strcmp(key, "WantsMountsFor") != 0;
}

/* Directories of the system's manager, not of a user's. */
static const struct {
	char specifier;
	const char *value;
} directories[] = {
	{'C', "/var/cache"}, {'E', "/etc"}, {'h', "/root"}, {'L', "/var/log"},
	{'S', "/var/lib"},   {'t', "/run"}, {'T', "/tmp"},  {'V', "/var/tmp"},
};

/* Writes a part of the unit's name. Returns whether there is one: a template has no instance. */
static bool put_name(FILE *stream, const struct lint_unit *unit, char specifier)
{
	size_t all = strlen(unit->name), name = all - strlen(unit->type) - 1;
	size_t prefix = strcspn(unit->name, "@");

	switch (specifier) {
	case 'n':
		fwrite(unit->name, 1, all, stream);
		return true;
	case 'N':
		fwrite(unit->name, 1, name, stream);
		return true;
	case 'p':
		fwrite(unit->name, 1, prefix < name ? prefix : name, stream);
		return true;
	case 'i':
		if (prefix + 1 >= name)
			return false;
		fwrite(unit->name + prefix + 1, 1, name - prefix - 1, stream);
		return true;
	default:
		return false;
	}
}

/* Writes the value of a specifier of names and paths. Returns whether it is one that is known. */
static bool put_specifier(FILE *stream, const struct lint_unit *unit, char specifier)
{
	size_t i;

	if (specifier == '%') {
		putc('%', stream);
		return true;
	}
	for (i = 0; i < array_size(directories); i++) {
		if (directories[i].specifier == specifier) {
			fputs(directories[i].value, stream);
			return true;
		}
	}
	return put_name(stream, unit, specifier);
}

/* Replaces the specifiers that are known. Returns memory to be freed, or NULL without memory. */
static char *expand(const struct lint_unit *unit, const char *text)
{
	char *expanded = NULL;
	size_t size;
	FILE *stream = open_memstream(&expanded, &size);

	if (!stream)
		return NULL;
	for (; *text; text++) {
		if (*text == '%' && text[1] && put_specifier(stream, unit, text[1]))
			text++;
		else
			putc(*text, stream);
	}
	if (fclose(stream) == 0)
		return expanded;
	free(expanded);
	return NULL;
}

/* Room for one more in arrays that have room for powers of two. */
static void *grow(void *items, size_t count, size_t size)
{
	if (count & (count - 1))
		return items;
	return reallocarray(items, count ? count * 2 : 1, size);
}

static int add_name(struct lint_unit *unit, const char *key, char *word,
		    const struct unit_line *line)
{
	struct lint_name *names = grow(unit->names, unit->name_count, sizeof(*names));
	struct lint_name name = {.key = key, .name = word, .line = line};

	if (!names)
		return -ENOMEM;
	unit->names = names;
	if (strchr(word, '%')) {
		name.name = expand(unit, word);
		name.owned = true;
		if (!name.name)
			return -ENOMEM;
	}
	names[unit->name_count++] = name;
	return 0;
}

static int add_names(struct lint_unit *unit, const struct assignment *assignment,
		     const struct unit_line *line)
{
	char *rest = assignment->value, *word;
	int r = 0;

	while (r == 0 && (word = assignment_next_word(&rest)))
		r = add_name(unit, assignment->key, word, line);
	return r;
}

/* As systemd simplifies paths: no double slashes, none at the end, no /var/run. */
static void simplify(char *path)
{
	char *in = path, *out = path;

	if (*path != '/')
		return;
	if (strncmp(path, "/var/run/", 9) == 0)
		in += 4;
	for (; *in; in++) {
		if (*in != '/' || (in[1] != '/' && in[1] != '\0'))
			*out++ = *in;
	}
	*out = '\0';
}

/* A file is of one socket, of whatever kind; abstract names and queues are apart by kind. */
static const char *address_space(const char *key, const char *path)
{
	return *path == '/' && strcmp(key, "ListenMessageQueue") != 0 ? "" : key;
}

static int add_address(struct lint_unit *unit, const struct assignment *assignment,
		       const struct unit_line *line)
{
	struct lint_address *addresses = grow(unit->addresses, unit->address_count,
					      sizeof(*addresses));
	char *path;

	if (!addresses)
		return -ENOMEM;
	unit->addresses = addresses;
	path = expand(unit, assignment->value);
	if (!path)
		return -ENOMEM;
	if (*path != '/' && *path != '@') { /* a port, or an address of a network */
		free(path);
		return 0;
	}
	simplify(path);
	addresses[unit->address_count++] =
		(struct lint_address){.kind = assignment->key,
				      .space = address_space(assignment->key, path),
				      .path = path,
				      .line = line,
				      .unit = unit};
	return 0;
}

static bool is_address_key(const char *key)
{
	size_t i;

	for (i = 0; i < array_size(address_keys); i++) {
		if (strcmp(key, address_keys[i]) == 0)
			return true;
	}
	return false;
}

static void clear_addresses(struct lint_unit *unit)
{
	while (unit->address_count > 0)
		free(unit->addresses[--unit->address_count].path);
	free(unit->addresses);
	unit->addresses = NULL;
}

/* Forgets the names of the key, as systemd does when it is set to nothing. */
static void clear_names(struct lint_unit *unit, const char *key)
{
	size_t count = 0, i;

	for (i = 0; i < unit->name_count; i++) {
		if (strcmp(unit->names[i].key, key) != 0)
			unit->names[count++] = unit->names[i];
		else if (unit->names[i].owned)
			free((char *)unit->names[i].name);
	}
	unit->name_count = count;
}

static int index_assignment(struct lint_unit *unit, const struct unit_section *section,
			    const struct assignment *assignment)
{
	const struct unit_line *line = &section->lines[assignment->first];

	if (!assignment->value)
		return 0;
	if (names_units(section->name, assignment->key)) {
		/* Dependencies cannot be taken back, and Also= is not either. */
		if (!*assignment->value && strcmp(section->name, "Install") == 0 &&
		    strcmp(assignment->key, "Also") != 0)
			clear_names(unit, assignment->key);
		return add_names(unit, assignment, line);
	}
	if (strcmp(section->name, "Socket") != 0 || strncmp(assignment->key, "Listen", 6) != 0)
		return 0;
	if (!*assignment->value)
		clear_addresses(unit);
	else if (is_address_key(assignment->key))
		return add_address(unit, assignment, line);
	return 0;
}

static int compare_lines(const struct unit_line *a, const struct unit_line *b)
{
	return (a->number > b->number) - (a->number < b->number);
}

static int compare_key_and_name(const struct lint_name *a, const char *key, const char *name)
{
	int order = strcmp(a->key, key);

	return order || !name ? order : strcmp(a->name, name);
}

static int compare_names(const void *a, const void *b)
{
	const struct lint_name *left = a, *right = b;
	int order = compare_key_and_name(left, right->key, right->name);

	return order ? order : compare_lines(left->line, right->line);
}

static bool is_type(const struct lint_unit *unit, const char *type)
{
	return strcmp(unit->type, type) == 0;
}

/* The unit that a key names, of which the last assignment counts, or of Unit= the first one. */
static const char *single_name(const struct lint_unit *unit, const char *key, bool first)
{
	const struct lint_name *found = NULL;
	size_t i;

	for (i = 0; i < unit->name_count; i++) {
		if (strcmp(unit->names[i].key, key) == 0 && !(found && first))
			found = &unit->names[i];
	}
	return found ? found->name : NULL;
}

/* Finds what the unit starts: what it names, or the service of its own name. */
static int find_activated(struct lint_unit *unit)
{
	bool socket = is_type(unit, "socket");
	const char *name;

	if (!socket && !is_type(unit, "timer") && !is_type(unit, "path"))
		return 0;
	name = single_name(unit, socket ? "Service" : "Unit", !socket);
	if (socket && lint_is_true(unit, "Socket", "Accept", false))
		/* An instance for each connection. */
		unit->activates = text_format("%.*s@.service", (int)strcspn(unit->name, "@."),
					      unit->name);
	else if (name)
		unit->activates = strdup(name);
	else
		unit->activates = text_format("%.*sservice", (int)(unit->type - unit->name),
					      unit->name);
	return unit->activates ? 0 : -ENOMEM;
}

static int index_unit(struct lint_unit *unit)
{
	size_t i, j;
	int r = 0;

	for (i = 0; r == 0 && i < unit->unit.section_count; i++) {
		const struct unit_section *section = &unit->unit.sections[i];

		r = assignments_read(section, &unit->assignments[i]);
		for (j = 0; r == 0 && j < unit->assignments[i].count; j++)
			r = index_assignment(unit, section, &unit->assignments[i].items[j]);
	}
	if (r == 0)
		r = find_activated(unit);
	unit->default_dependencies = lint_is_true(unit, "Unit", "DefaultDependencies", true);
	return r;
}

static void free_unit(struct lint_unit *unit)
{
	size_t i;

	if (!unit)
		return;
	for (i = 0; i < unit->name_count; i++) {
		if (unit->names[i].owned)
			free((char *)unit->names[i].name);
	}
	free(unit->names);
	clear_addresses(unit);
	free(unit->activates);
	free(unit->link_to);
	for (i = 0; i < UNIT_SECTIONS_MAX; i++)
		assignments_free(&unit->assignments[i]);
	unit_free(&unit->unit);
	free(unit);
}

/* The name of a unit that the path ends with, NULL when it is none; *ret_type is a part of it. */
static const char *unit_name(const char *path, const char **ret_type)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');
	size_t i;

	if (!dot || dot == name)
		return NULL;
	for (i = 0; i < array_size(unit_types); i++) {
		if (strcmp(dot + 1, unit_types[i]) == 0) {
			*ret_type = dot + 1;
			return name;
		}
	}
	return NULL;
}

/*
 * Looks whether the path is a link, as they are made for aliases and for masked units. Returns 1
 * for the latter, 0 or -ENOMEM. Links that lead nowhere are for others to complain about.
 */
static int follow(const char *path, struct lint_unit *unit)
{
	cleanup_free char *target = NULL;
	const char *name, *type;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	target = realpath(path, NULL);
	if (!target)
		return errno == ENOMEM ? -ENOMEM : 0;
	if (strcmp(target, "/dev/null") == 0)
		return 1;
	name = unit_name(target, &type);
	if (!name || strcmp(name, unit->name) == 0)
		return 0;
	unit->link_to = strdup(name);
	return unit->link_to ? 0 : -ENOMEM;
}

/* Returns 0, 1 for a unit that is masked, or -errno. */
static int read_unit(struct sources *sources, const char *path, struct lint_unit *unit,
		     char **ret_why)
{
	struct source *source = NULL;
	int r;

	unit->name = unit_name(path, &unit->type);
	if (!unit->name) {
		*ret_why = text_format("%s: not the name of a unit", path);
		return *ret_why ? -EINVAL : -ENOMEM;
	}
	r = follow(path, unit);
	if (r != 0)
		return r;
	r = source_read(sources, path, SOURCE_FILE_MAX, &source, ret_why);
	if (r == 0)
		r = unit_parse(source, UNIT_RULES_SYSTEMD, &unit->unit, ret_why);
	unit->source = source;
	return r == 0 ? index_unit(unit) : r;
}

static int compare_units(const void *a, const void *b)
{
	const struct lint_unit *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

/* Sorts the units and refuses one that is there twice. */
static int sort_units(struct lint_set *set, char **ret_why)
{
	size_t i;

	qsort(set->units, set->count, sizeof(struct lint_unit *), compare_units);
	for (i = 1; i < set->count; i++) {
		if (compare_units(&set->units[i - 1], &set->units[i]) != 0)
			continue;
		*ret_why = text_format("%s: the set has a unit of that name: %s",
				       set->units[i]->source->path,
				       set->units[i - 1]->source->path);
		return *ret_why ? -EEXIST : -ENOMEM;
	}
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	const struct lint_address *const *left = a, *const *right = b;
	int order = strcmp((*left)->space, (*right)->space);

	if (!order)
		order = strcmp((*left)->path, (*right)->path);
	if (!order)
		order = strcmp((*left)->unit->name, (*right)->unit->name);
	return order ? order : compare_lines((*left)->line, (*right)->line);
}

static int index_addresses(struct lint_set *set)
{
	size_t count = 0, i, j;

	for (i = 0; i < set->count; i++)
		count += set->units[i]->address_count;
	set->addresses = calloc(count + 1, sizeof(const struct lint_address *));
	if (!set->addresses)
		return -ENOMEM;
	for (i = 0; i < set->count; i++) {
		for (j = 0; j < set->units[i]->address_count; j++)
			set->addresses[set->address_count++] = &set->units[i]->addresses[j];
	}
	qsort(set->addresses, count, sizeof(const struct lint_address *), compare_addresses);
	return 0;
}

static int compare_with_unit(const void *key, const void *item)
{
	return strcmp(key, (*(const struct lint_unit *const *)item)->name);
}

static const struct lint_unit *find_exactly(const struct lint_set *set, const char *name)
{
	struct lint_unit **found = bsearch(name, set->units, set->count, sizeof(struct lint_unit *),
					   compare_with_unit);

	return found ? *found : NULL;
}

static int compare_with_alias(const void *key, const void *item)
{
	return strcmp(key, ((const struct lint_alias *)item)->name);
}

/* The unit of that alias, NULL when it is none, or the name of a unit itself. */
static const struct lint_unit *find_alias(const struct lint_set *set, const char *name)
{
	const struct lint_alias *found;

	if (!set->alias_count || find_exactly(set, name))
		return NULL;
	found = bsearch(name, set->aliases, set->alias_count, sizeof(*set->aliases),
			compare_with_alias);
	return found ? found->unit : NULL;
}

static int compare_aliases(const void *a, const void *b)
{
	const struct lint_alias *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static int add_alias(struct lint_set *set, const char *name, const struct lint_unit *unit)
{
	struct lint_alias *aliases = grow(set->aliases, set->alias_count, sizeof(*aliases));

	if (!aliases)
		return -ENOMEM;
	aliases[set->alias_count++] = (struct lint_alias){name, unit};
	set->aliases = aliases;
	return 0;
}

/* Makes aliases of the links to other units of the set, which are these units once more. */
static int merge_links(struct lint_set *set)
{
	size_t count = 0, i;

	for (i = 0; i < set->count; i++) {
		struct lint_unit *unit = set->units[i];
		const struct lint_unit *original = unit->link_to ? find_exactly(set, unit->link_to)
								 : NULL;

		unit->merged = original && !original->link_to;
		if (unit->merged && add_alias(set, unit->name, original) < 0)
			return -ENOMEM;
	}
	for (i = 0; i < set->count; i++) {
		if (set->units[i]->merged)
			free_unit(set->units[i]);
		else
			set->units[count++] = set->units[i];
	}
	set->count = count;
	return 0;
}

/* Adds what units say of themselves. */
static int add_own_aliases(struct lint_set *set)
{
	size_t i, j;
	int r = 0;

	for (i = 0; r == 0 && i < set->count; i++) {
		const struct lint_unit *unit = set->units[i];

		for (j = 0; r == 0 && j < unit->name_count; j++) {
			if (strcmp(unit->names[j].key, "Alias") == 0)
				r = add_alias(set, unit->names[j].name, unit);
		}
	}
	if (set->alias_count)
		qsort(set->aliases, set->alias_count, sizeof(*set->aliases), compare_aliases);
	return r;
}

/* Has all units call each other by their own names, and sorts these. */
static int settle_names(struct lint_set *set)
{
	size_t i, j;

	for (i = 0; i < set->count; i++) {
		struct lint_unit *unit = set->units[i];
		const struct lint_unit *activated = unit->activates
							    ? find_alias(set, unit->activates)
							    : NULL;

		if (activated) {
			free(unit->activates);
			unit->activates = strdup(activated->name);
			if (!unit->activates)
				return -ENOMEM;
		}
		for (j = 0; j < unit->name_count; j++) {
			struct lint_name *name = &unit->names[j];
			const struct lint_unit *other = find_alias(set, name->name);

			if (!other || strcmp(name->key, "Alias") == 0)
				continue;
			if (name->owned)
				free((char *)name->name);
			name->name = other->name;
			name->owned = false;
		}
		if (unit->name_count)
			qsort(unit->names, unit->name_count, sizeof(*unit->names), compare_names);
	}
	return 0;
}

static int index_set(struct lint_set *set, char **ret_why)
{
	int r = sort_units(set, ret_why);

	if (r == 0)
		r = merge_links(set);
	if (r == 0)
		r = add_own_aliases(set);
	if (r == 0)
		r = settle_names(set);
	return r == 0 ? index_addresses(set) : r;
}

int lint_set_read(struct sources *sources, char *const *paths, size_t count,
		  struct lint_set *ret_set, char **ret_why)
{
	struct lint_set set = {.units = calloc(count, sizeof(struct lint_unit *))};
	size_t i;
	int r = set.units ? 0 : -ENOMEM;

	*ret_why = NULL;
	for (i = 0; r >= 0 && i < count; i++) {
		struct lint_unit *unit = calloc(1, sizeof(*unit));

		r = unit ? read_unit(sources, paths[i], unit, ret_why) : -ENOMEM;
		if (r == 0)
			set.units[set.count++] = unit;
		else
			free_unit(unit);
	}
	if (r >= 0)
		r = index_set(&set, ret_why);
	if (r < 0)
		lint_set_free(&set);
	else
		*ret_set = set;
	return r;
}

void lint_set_free(struct lint_set *set)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		free_unit(set->units[i]);
	free(set->units);
	free(set->aliases);
	free(set->addresses);
	*set = (struct lint_set){0};
}

static const struct lint_unit *find(const struct lint_set *set, const char *name)
{
	const struct lint_unit *unit = find_exactly(set, name);

	return unit ? unit : find_alias(set, name);
}

const struct lint_unit *lint_set_find(const struct lint_set *set, const char *name)
{
	const char *at = strchr(name, '@'), *dot = strrchr(name, '.');
	const struct lint_unit *unit = find(set, name);
	char template[256];

	if (unit || !at || !dot || dot < at)
		return unit;
	/* Names of units are shorter than this. */
	if (snprintf(template, sizeof(template), "%.*s%s", (int)(at + 1 - name), name, dot) >=
	    (int)sizeof(template))
		return NULL;
	return find(set, template);
}

/* The index of the first name that is not before the key and, when given, the name. */
static size_t lower_bound(const struct lint_unit *unit, const char *key, const char *name)
{
	size_t low = 0, high = unit->name_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_key_and_name(&unit->names[middle], key, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct lint_name *lint_names(const struct lint_unit *unit, const char *key, size_t *ret_count)
{
	size_t first = lower_bound(unit, key, NULL), i = first;

	while (i < unit->name_count && strcmp(unit->names[i].key, key) == 0)
		i++;
	*ret_count = i - first;
	return i > first ? &unit->names[first] : NULL;
}

bool lint_has(const struct lint_unit *unit, const char *key, const char *name)
{
	size_t i = lower_bound(unit, key, name);

	return i < unit->name_count && compare_key_and_name(&unit->names[i], key, name) == 0;
}

const struct assignment *lint_setting(const struct lint_unit *unit, const char *section,
				      const char *key)
{
	size_t i, j;

	for (i = 0; i < unit->unit.section_count; i++) {
		const struct assignments *assignments = &unit->assignments[i];

		if (strcmp(unit->unit.sections[i].name, section) != 0)
			continue;
		for (j = assignments->count; j > 0; j--) {
			const struct assignment *assignment = &assignments->items[j - 1];

			if (assignment->value && strcmp(assignment->key, key) == 0)
				return assignment;
		}
	}
	return NULL;
}

bool lint_is_true(const struct lint_unit *unit, const char *section, const char *key, bool fallback)
{
	static const char *const words[] = {"yes", "y", "true", "t", "on", "1"};
	const struct assignment *assignment = lint_setting(unit, section, key);
	size_t i;

	if (!assignment || !*assignment->value)
		return fallback;
	for (i = 0; i < array_size(words); i++) {
		if (strcasecmp(assignment->value, words[i]) == 0)
			return true;
	}
	return false;
}

const struct unit_line *lint_section_line(const struct lint_unit *unit, const char *section)
{
	size_t i;

	for (i = 0; i < unit->unit.section_count; i++) {
		const struct unit_section *candidate = &unit->unit.sections[i];

		if (candidate->count && strcmp(candidate->name, section) == 0)
			return &candidate->lines[0];
	}
	return NULL;
}
