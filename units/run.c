/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/run.h"

#include <errno.h>
#include <string.h>

#include "host/message.h"
#include "host/stdout.h"
#include "units/lint.h"
#include "units/lint_output.h"
#include "units/list.h"
#include "units/merge.h"
#include "units/options.h"
#include "units/output_file.h"
#include "units/reduce.h"
#include "units/substitute.h"

#define STATUS_FAILED   1
#define STATUS_FINDINGS 3

/* Says why; out of memory there is no text. */
static int fail(const char *why)
{
	message_error("%s", why ? why : "out of memory");
	return STATUS_FAILED;
}

static int read_unit(const struct options *options, struct sources *sources, const char *path,
		     struct unit *ret_unit, char **ret_why)
{
	struct source *source;
	int r = source_read(sources, path, SOURCE_FILE_MAX, &source, ret_why);

	return r == 0 ? unit_parse(source, options->rules, ret_unit, ret_why) : r;
}

/* Reads BASE and puts each EXTRA behind it. The unit is to be freed. */
static int merge_files(const struct options *options, struct sources *sources, char *const *files,
		       size_t count, struct unit *ret_unit, char **ret_why)
{
	size_t i;
	int r = read_unit(options, sources, files[0], ret_unit, ret_why);

	if (r < 0)
		return r;
	for (i = 1; r == 0 && i < count; i++) {
		struct unit extra;

		r = read_unit(options, sources, files[i], &extra, ret_why);
		if (r < 0)
			break;
		r = merge_unit(ret_unit, &extra, ret_why);
		unit_free(&extra);
	}
	if (r < 0)
		unit_free(ret_unit);
	return r;
}

/* Does to the unit what options say. */
static int work_over(const struct options *options, struct unit *unit, char **ret_why)
{
	int r = 0;

	*ret_why = NULL;
	if (options->definition_count)
		r = substitute_unit(unit, options->definitions, options->definition_count, ret_why);
	if (r == 0 && options->override)
		r = reduce_overridden(unit);
	if (r == 0 && options->dedup)
		r = reduce_repeated(unit);
	return r;
}

/* Reads, merges and works over. The unit is to be freed. */
static int make_unit(const struct options *options, struct sources *sources, char *const *files,
		     size_t count, struct unit *ret_unit)
{
	cleanup_free char *why = NULL;
	int r = merge_files(options, sources, files, count, ret_unit, &why);

	if (r < 0)
		return fail(why);
	r = work_over(options, ret_unit, &why);
	if (r == 0)
		return 0;
	unit_free(ret_unit);
	return fail(why);
}

/* Complains about a definition that no unit needed: its name may be misspelt. */
static int check_definitions(const struct options *options)
{
	size_t i;

	for (i = 0; i < options->definition_count; i++) {
		const struct definition *definition = &options->definitions[i];

		if (definition->used)
			continue;
		message_error("-D %s=%s: there is no @%s@ in the unit%s", definition->name,
			      definition->value, definition->name, options->list ? "s" : "");
		return STATUS_FAILED;
	}
	return 0;
}

static void print_unit(FILE *stream, const void *data)
{
	unit_write(data, stream);
}

static int write_file(const char *path, const struct unit *unit)
{
	int r = output_file_write(path, print_unit, unit);

	if (r == 0)
		return 0;
	message_error("cannot write %s: %s", path,
		      r == -ENOTSUP ? "not a regular file" : strerror(-r));
	return STATUS_FAILED;
}

static int write_rule(const struct options *options)
{
	int r = output_file_write_rule(options->depfile, options->output, options->files,
				       options->file_count);

	if (r == 0)
		return 0;
	message_error("cannot write %s: %s", options->depfile,
		      r == -EINVAL    ? "the path of a file has a character that make cannot take"
		      : r == -ENOTSUP ? "not a regular file"
				      : strerror(-r));
	return STATUS_FAILED;
}

/* The rule comes first: a build that has the file has the rule, too. */
static int put_out(const struct options *options, const struct unit *unit)
{
	if (!options->output) {
		unit_write(unit, stdout);
		return 0;
	}
	if (options->depfile && write_rule(options) != 0)
		return STATUS_FAILED;
	return write_file(options->output, unit);
}

static int merge(const struct options *options, struct sources *sources)
{
	struct unit unit;
	int status = make_unit(options, sources, options->files, options->file_count, &unit);

	if (status != 0)
		return status;
	status = check_definitions(options);
	if (status == 0)
		status = put_out(options, &unit);
	unit_free(&unit);
	return status;
}

static int merge_listed(const struct options *options, const struct list_unit *listed, bool write)
{
	struct sources sources = {0};
	struct unit unit;
	int status = make_unit(options, &sources, listed->files, listed->file_count, &unit);

	if (status == 0) {
		if (write)
			status = write_file(listed->output, &unit);
		unit_free(&unit);
	}
	sources_free(&sources);
	return status;
}

static int merge_each(const struct options *options, const struct list *list, bool write)
{
	size_t i;
	int status = 0;

	for (i = 0; status == 0 && i < list->count; i++)
		status = merge_listed(options, &list->units[i], write);
	return status;
}

/*
 * Merges everything once before anything is written: units that were new although the run failed
 * would let make think that all is done. Twice the work is less than the memory for all units.
 */
static int merge_list(const struct options *options, struct sources *sources)
{
	cleanup_free char *why = NULL;
	struct list list;
	int status;

	if (list_read(sources, options->list, &list, &why) < 0)
		return fail(why);
	status = merge_each(options, &list, false);
	if (status == 0)
		status = check_definitions(options);
	if (status == 0)
		status = merge_each(options, &list, true);
	list_free(&list);
	return status;
}

static int print_findings(const struct options *options, const struct lint *lint)
{
	int r = options->json ? lint_output_json(lint) : lint_output_text(lint);

	if (r < 0)
		return fail(NULL);
	return lint->total ? STATUS_FINDINGS : 0;
}

static int lint_files(const struct options *options, struct sources *sources)
{
	cleanup_free char *why = NULL;
	struct lint_set set;
	struct lint lint;
	int status = STATUS_FAILED;

	if (lint_set_read(sources, options->files, options->file_count, &set, &why) < 0)
		return fail(why);
	set.external = options->external;
	set.external_count = options->external_count;
	if (lint_run(&set, &lint) < 0) {
		fail(NULL);
	} else {
		status = print_findings(options, &lint);
		lint_free(&lint);
	}
	lint_set_free(&set);
	return status;
}

int systemd_unit_merge_run(int argc, char *argv[])
{
	struct options options;
	struct sources sources = {0};
	int status = 0;

	message_set_program(argc > 0 ? argv[0] : NULL, "systemd-unit-merge");
	if (options_parse(argc, argv, &options, &status) == 0)
		return stdout_close(status);
	if (options.lint)
		status = lint_files(&options, &sources);
	else if (options.list)
		status = merge_list(&options, &sources);
	else
		status = merge(&options, &sources);
	sources_free(&sources);
	options_free(&options);
	return stdout_close(status);
}
