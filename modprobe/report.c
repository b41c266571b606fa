/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/report.h"

#include <errno.h>
#include <string.h>

#include "host/message.h"
#include "host/text.h"
#include "modprobe/json.h"

/* "load kvm_intel nested=1", or why it is not done. */
static void print_inserted(const struct inserted *inserted)
{
	cleanup_free char *options = text_clean(inserted->options);
	cleanup_free char *command = inserted->command ? text_clean(inserted->command) : NULL;

	if (inserted->command)
		printf("not %s: modprobe.d has a command in its place: %s\n", inserted->name,
		       command ? command : "");
	else
		printf("load %s%s%s\n", inserted->name, *inserted->options ? " " : "",
		       options ? options : "");
}

static void print_verdict(const struct options *options, const struct verdict *verdict)
{
	bool is_told = options->mode == MODE_CHECK || options->verbose;
	size_t i;

	if (options->mode == MODE_DRY_RUN || options->verbose) {
		for (i = 0; i < verdict->inserted_count; i++)
			print_inserted(&verdict->inserted[i]);
	}
	if (is_told && verdict->outcome != OUTCOME_LOADABLE)
		printf("%s: %s\n", verdict->module, outcome_name(verdict->outcome));
}

static int add_inserted(struct json_object *list, const struct inserted *inserted)
{
	cleanup_json struct json_object *object = json_object_new_object();
	int r = object ? 0 : -ENOMEM;

	if (r == 0)
		r = json_put_text(object, "name", inserted->name);
	if (r == 0)
		r = json_put_text(object, "options", inserted->options);
	if (r == 0 && inserted->command)
		r = json_put_text(object, "command", inserted->command);
	return r == 0 ? json_put(list, NULL, json_object_get(object)) : r;
}

static int add_reason(struct json_object *object, const struct verdict *verdict)
{
	int r = json_put_text(object, "message", verdict->message ? verdict->message : "");

	if (r == 0 && verdict->line.file)
		r = json_put_text(object, "file", verdict->line.file);
	if (r == 0 && verdict->line.number)
		r = json_put(object, "line", json_object_new_int(verdict->line.number));
	return r;
}

static int add_verdict(struct json_object *list, const struct verdict *verdict)
{
	cleanup_json struct json_object *object = json_object_new_object();
	cleanup_json struct json_object *inserted = json_object_new_array();
	int r = object && inserted ? 0 : -ENOMEM;
	size_t i;

	if (r == 0)
		r = json_put_text(object, "module", verdict->module);
	if (r == 0)
		r = json_put_text(object, "outcome", outcome_name(verdict->outcome));
	if (r == 0 && verdict->message)
		r = add_reason(object, verdict);
	for (i = 0; r == 0 && i < verdict->inserted_count; i++)
		r = add_inserted(inserted, &verdict->inserted[i]);
	if (r == 0)
		r = json_put(object, "loads", json_object_get(inserted));
	return r == 0 ? json_put(list, NULL, json_object_get(object)) : r;
}

static int print_json(const struct options *options, const struct work *work, int status)
{
	cleanup_json struct json_object *object = json_object_new_object();
	cleanup_json struct json_object *list = json_object_new_array();
	int r = object && list ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; r == 0 && i < work->count; i++)
		r = add_verdict(list, &work->verdicts[i]);
	if (r == 0)
		r = json_put_text(object, "mode", mode_name(options->mode));
	if (r == 0)
		r = json_put(object, "status", json_object_new_int(status));
	if (r == 0)
		r = json_put(object, "modules", json_object_get(list));
	return r == 0 ? json_print(object) : r;
}

int report_work(const struct options *options, const struct work *work, int status)
{
	size_t i;

	if (options->json)
		return print_json(options, work, status);
	for (i = 0; i < work->count; i++) {
		const struct verdict *verdict = &work->verdicts[i];
		cleanup_free char *clean = NULL;

		print_verdict(options, verdict);
		if (!verdict->message)
			continue;
		/* A run that ends with success says nothing on stderr. */
		clean = text_clean(verdict->message);
		if (status != 0)
			message_error("%s", verdict->message);
		else
			puts(clean ? clean : "out of memory");
	}
	return 0;
}
