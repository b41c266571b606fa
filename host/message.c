/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/message.h"

#include <stdarg.h>
#include <string.h>

#include "host/text.h"

static const char *program_name = "qemu-kvm-tools";
static void (*message_sink)(const char *text, void *data);
static void *message_sink_data;

void message_set_program(const char *argv0, const char *fallback)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0;
	static char *clean;

	free(clean);

	/* Kept until the end of the program; whoever starts us can put anything into argv[0]. */
	clean = name && *name ? text_clean(name) : NULL;
	program_name = clean ? clean : fallback;
}

const char *message_program(void)
{
	return program_name;
}

void message_set_sink(void (*sink)(const char *text, void *data), void *data)
{
	message_sink = sink;
	message_sink_data = data;
}

static void print_message(const char *level, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void print_message(const char *level, const char *format, va_list args)
{
	cleanup_free char *clean = text_format_clean(format, args);
	cleanup_free char *line = NULL;
	const char *message = "out of memory";

	if (clean && asprintf(&line, "%s%s", level, clean) >= 0)
		message = line;
	else
		line = NULL;
	if (message_sink)
		message_sink(message, message_sink_data);
	else
		fprintf(stderr, "%s: %s\n", program_name, message);
}

void message_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message("", format, args);
	va_end(args);
}

void message_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message("warning: ", format, args);
	va_end(args);
}

int message_try_help(void)
{
	fprintf(stderr, "Try '%s --help' for more information.\n", program_name);
	return 2;
}
