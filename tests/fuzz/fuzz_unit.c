/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two templates, merged, worked over and linted: lines of the result are lines of the inputs, what
 * is printed is read the same again, and doing a thing twice changes nothing more. Or a list of
 * units. The first byte says what is done, the two files are apart by "\n---\n".
 */
#include "tests/fuzz/fuzz.h"

#include "units/lint.h"
#include "units/list.h"
#include "units/merge.h"
#include "units/reduce.h"
#include "units/substitute.h"

#define APART "\n---\n"

static char *print(const struct unit *unit)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	promise(stream);
	unit_write(unit, stream);
	promise(fclose(stream) == 0 && strlen(text) == size);
	return text;
}

/* Whether the bytes are a unit; why not is said with a path and, in most cases, a line. */
static bool parse(struct sources *sources, const void *data, size_t size, enum unit_rules rules,
		  struct unit *unit)
{
	struct source *source;
	char *why = NULL;
	int r = source_take(sources, "path", data, size, &source, &why);

	if (r == 0)
		r = unit_parse(source, rules, unit, &why);
	promise((r < 0) == (why != NULL));
	promise(!why || (strncmp(why, "path:", 5) == 0 && !strchr(why, '\n')));
	free(why);
	return r == 0;
}

static size_t count_lines(const struct unit *unit)
{
	size_t count = 0, i, j;

	for (i = 0; i < unit->section_count; i++) {
		for (j = 0; j < unit->sections[i].count; j++)
			count += unit->sections[i].lines[j].text != NULL;
	}
	return count;
}

/* What is printed is what is read. */
static void check_print(struct sources *sources, const struct unit *unit)
{
	char *text = print(unit), *again;
	struct unit read;

	promise(parse(sources, text, strlen(text), UNIT_RULES_SYSTEMD, &read));
	again = print(&read);
	promise(strcmp(text, again) == 0 && count_lines(&read) == count_lines(unit));
	unit_free(&read);
	free(again);
	free(text);
}

/* Takes lines away, and does so once only. */
static void check_reduce(struct unit *unit, int (*reduce)(struct unit *unit))
{
	size_t before = count_lines(unit), after;

	promise(reduce(unit) == 0);
	after = count_lines(unit);
	promise(after <= before);
	promise(reduce(unit) == 0);
	promise(count_lines(unit) == after);
}

static void check_substitute(struct unit *unit)
{
	struct definition definitions[] = {
		{"a", "", false}, {"b", "@a@", false}, {"c", "[x", false}};
	char *why = NULL;
	int r = substitute_unit(unit, definitions, array_size(definitions), &why);

	promise((r < 0) == (why != NULL));
	free(why);
}

static void work_over(struct sources *sources, struct unit *unit, uint8_t what, bool systemd)
{
	if (what & 2)
		check_substitute(unit);
	if (what & 4)
		check_reduce(unit, reduce_overridden);
	if (what & 8)
		check_reduce(unit, reduce_repeated);
	/* By libvirt's rules other lines may come of it; a value can make a line blank. */
	if (systemd && !(what & 2))
		check_print(sources, unit);
	free(print(unit));
}

static void merge(const uint8_t *data, size_t size, uint8_t what)
{
	enum unit_rules rules = what & 1 ? UNIT_RULES_LIBVIRT : UNIT_RULES_SYSTEMD;
	const uint8_t *apart = memmem(data, size, APART, strlen(APART));
	size_t first = apart ? (size_t)(apart - data) : size;
	size_t second = apart ? size - first - strlen(APART) : 0;
	struct sources sources = {0};
	struct unit base, extra;

	if (parse(&sources, data, first, rules, &base)) {
		if (parse(&sources, data + size - second, second, rules, &extra)) {
			size_t count = count_lines(&base) + count_lines(&extra);
			char *why;

			if (merge_unit(&base, &extra, &why) == 0)
				promise(count_lines(&base) == count);
			else
				free(why);
			unit_free(&extra);
		}
		work_over(&sources, &base, what, rules == UNIT_RULES_SYSTEMD);
		unit_free(&base);
	}
	sources_free(&sources);
}

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "w");

	promise(file);
	promise(fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static char *paths[3];

static void lint(const uint8_t *data, size_t size)
{
	const uint8_t *apart = memmem(data, size, APART, strlen(APART));
	size_t first = apart ? (size_t)(apart - data) : size;
	size_t second = apart ? size - first - strlen(APART) : 0;
	struct sources sources = {0};
	struct lint_set set;
	struct lint found;
	char *why = NULL;

	write_file(paths[0], data, first);
	write_file(paths[1], data + size - second, second);
	write_file(paths[2], data, first);
	if (lint_set_read(&sources, paths, array_size(paths), &set, &why) == 0) {
		promise(lint_run(&set, &found) == 0);
		promise(found.count <= found.total);
		lint_free(&found);
		lint_set_free(&set);
	} else {
		promise(why);
	}
	free(why);
	sources_free(&sources);
}

/* All paths of a list are there, and are text. */
static void list(const uint8_t *data, size_t size)
{
	struct sources sources = {0};
	struct list list;
	char *why = NULL;
	size_t i, j;

	write_file(paths[0], data, size);
	if (list_read(&sources, paths[0], &list, &why) == 0) {
		for (i = 0; i < list.count; i++) {
			const struct list_unit *unit = &list.units[i];

			promise(*unit->output && unit->file_count > 0);
			for (j = 0; j < unit->file_count; j++)
				promise(*unit->files[j] && !strpbrk(unit->files[j], "\t\n"));
		}
		list_free(&list);
	} else {
		promise(why);
	}
	free(why);
	sources_free(&sources);
}

static char directory[] = "/tmp/fuzz-unit-XXXXXX";

static void remove_files(void)
{
	size_t i;

	for (i = 0; i < array_size(paths); i++) {
		remove(paths[i]);
		free(paths[i]);
	}
	remove(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const names[] = {"a.socket", "a@.service", "a.service"};
	size_t i;

	(void)argc;
	(void)argv;
	promise(mkdtemp(directory));
	for (i = 0; i < array_size(names); i++)
		promise(asprintf(&paths[i], "%s/%s", directory, names[i]) > 0);
	promise(atexit(remove_files) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (*data & 32)
		list(data + 1, size - 1);
	else if (*data & 16)
		lint(data + 1, size - 1);
	else
		merge(data + 1, size - 1, *data);
	return 0;
}
