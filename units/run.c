/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/run.h"

#include <errno.h>
#include <string.h>

#include "host/message.h"
#include "host/stdout.h"
#include "units/lint.h"
#include "units/lint_output.h"
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

static int read_unit(const struct options *options, struct sources *sources, size_t i,
		     struct unit *ret_unit, char **ret_why)
{
	struct source *source;
	int r = source_read(sources, options->files[i], &source, ret_why);

	return r == 0 ? unit_parse(source, options->rules, ret_unit, ret_why) : r;
}

/* Reads BASE and puts each EXTRA behind it. The unit is to be freed. */
static int merge_files(const struct options *options, struct sources *sources,
		       struct unit *ret_unit, char **ret_why)
{
	size_t i;
	int r = read_unit(options, sources, 0, ret_unit, ret_why);

	if (r < 0)
		return r;
	for (i = 1; r == 0 && i < options->file_count; i++) {
		struct unit extra;

		r = read_unit(options, sources, i, &extra, ret_why);
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
	size_t i;
	int r = 0;

	*ret_why = NULL;
	if (options->definition_count)
		r = substitute_unit(unit, options->definitions, options->definition_count, ret_why);
	for (i = 0; r == 0 && i < options->definition_count; i++) {
		if (options->definitions[i].used)
			continue;
		r = -EINVAL;
		if (asprintf(ret_why, "-D %s=%s: there is no @%s@ in the unit",
			     options->definitions[i].name, options->definitions[i].value,
			     options->definitions[i].name) < 0)
			*ret_why = NULL;
	}
	if (r == 0 && options->override)
		r = reduce_overridden(unit);
	if (r == 0 && options->dedup)
		r = reduce_repeated(unit);
	return r;
}

static void print_unit(FILE *stream, const void *data)
{
	unit_write(data, stream);
}

/* The rule comes first: a build that has the file has the rule, too. */
static int put_out(const struct options *options, const struct unit *unit)
{
	int r = 0;

	if (!options->output) {
		unit_write(unit, stdout);
		return 0;
	}
	if (options->depfile)
		r = output_file_write_rule(options->depfile, options->output, options->files,
					   options->file_count);
	if (r < 0) {
		message_error("cannot write %s: %s", options->depfile,
			      r == -EINVAL
				      ? "the path of a file has a character that make cannot take"
				      : strerror(-r));
		return STATUS_FAILED;
	}
	r = output_file_write(options->output, print_unit, unit);
	if (r < 0) {
		message_error("cannot write %s: %s", options->output,
			      r == -ENOTSUP ? "not a regular file" : strerror(-r));
		return STATUS_FAILED;
	}
	return 0;
}

static int merge(const struct options *options, struct sources *sources)
{
	cleanup_free char *why = NULL;
	struct unit unit;
	int r = merge_files(options, sources, &unit, &why);
	int status;

	if (r < 0)
		return fail(why);
	r = work_over(options, &unit, &why);
	status = r < 0 ? fail(why) : put_out(options, &unit);
	unit_free(&unit);
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
	status = options.lint ? lint_files(&options, &sources) : merge(&options, &sources);
	sources_free(&sources);
	options_free(&options);
	return stdout_close(status);
}
