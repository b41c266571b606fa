/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/run.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "check/checks.h"
#include "check/options.h"
#include "check/output.h"
#include "check/report.h"
#include "host/message.h"
#include "host/stdout.h"

/* https://no-color.org: any value but the empty one says no. */
static bool wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term &&
	       strcmp(term, "dumb") != 0;
}

/* Nobody else reads it, and no file or link of somebody else is written to. */
static int write_report_file(const struct options *options, const struct host_root *root,
			     const struct result *results)
{
	int fd = open(options->report, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *stream;
	int r;

	if (fd < 0)
		return -errno;
	stream = fdopen(fd, "we");
	if (!stream) {
		r = -errno;
		close(fd);
	} else {
		r = report_write(stream, root, results, check_count, options->with_guests);
		if (r == 0 && (fflush(stream) != 0 || ferror(stream)))
			r = errno ? -errno : -EIO;
		if (fclose(stream) != 0 && r == 0)
			r = -errno;
	}
	if (r < 0)
		unlink(options->report); /* half a report misleads */
	return r;
}

static int print(const struct options *options, const struct host_root *root,
		 const struct result *results)
{
	bool usable = results_are_usable(results);
	int r = 0;

	if (options->report && strcmp(options->report, "-") != 0) {
		r = write_report_file(options, root, results);
		if (r == -EEXIST)
			message_error("cannot write %s: it is there already; name another file",
				      options->report);
		else if (r < 0)
			message_error("cannot write %s: %s", options->report, strerror(-r));
		return r < 0 ? 1 : !usable;
	}
	if (options->report)
		r = report_write(stdout, root, results, check_count, options->with_guests);
	else if (options->json)
		r = output_json(stdout, results, check_count, usable);
	else if (!options->quiet)
		r = output_text(stdout, results, check_count, wants_colour());
	if (r < 0)
		message_error("%s", strerror(-r));
	return r < 0 ? 1 : !usable;
}

static int run(const struct options *options)
{
	struct result *results = NULL;
	struct host_root root;
	int r = host_root_open(options->sysroot, &root);
	int status = 1;

	if (r < 0) {
		message_error("cannot open %s: %s", options->sysroot ? options->sysroot : "/",
			      strerror(-r));
		return 1;
	}
	results = calloc(check_count, sizeof(*results));
	r = results ? checks_run(&root, results) : -ENOMEM;
	if (r < 0)
		message_error("%s", strerror(-r));
	else
		status = print(options, &root, results);
	if (results)
		results_free(results, check_count);
	free(results);
	host_root_close(&root);
	return status;
}

int kvm_check_run(int argc, char *argv[])
{
	struct options options;
	int status;

	message_set_program(argc > 0 ? argv[0] : NULL, "kvm-check");
	if (options_parse(argc, argv, &options, &status))
		status = run(&options);
	return stdout_close(status);
}
