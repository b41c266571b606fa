/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file, against a second reader that takes it apart byte by byte: the program
 * accepts what that one accepts, with the same value, and nothing else.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <unistd.h>

#include "host/config.h"
#include "tests/unit/tree.h"

#define FILE_MAX 65536

static struct tree tree;

static void remove_tree(void)
{
	tree_remove(&tree);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	tree_make(&tree);
	promise(atexit(remove_tree) == 0);
	return 0;
}

/* A piece of the file. */
struct span {
	const uint8_t *start, *end;
};

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct span trim(struct span span)
{
	while (span.start < span.end && is_blank(*span.start))
		span.start++;
	while (span.start < span.end && is_blank(span.end[-1]))
		span.end--;
	return span;
}

static bool is_text(struct span span, const char *text)
{
	size_t length = strlen(text);

	return (size_t)(span.end - span.start) == length && memcmp(span.start, text, length) == 0;
}

/* What a file sets, -1: nothing. */
struct settings {
	int accel, modules;
};

/* Takes the next of the words in `span`, which lasts until `end`. */
static bool next_word(struct span *span, const uint8_t *end)
{
	span->start = span->end;
	while (span->start < end && is_blank(*span->start))
		span->start++;
	span->end = span->start;
	while (span->end < end && !is_blank(*span->end))
		span->end++;
	return span->start < span->end;
}

static bool read_modules(struct span value, int *ret_modules)
{
	static const enum config_module all[] = {CONFIG_VHOST_NET, CONFIG_VHOST_VSOCK, CONFIG_TUN};
	struct span word = {value.start, value.start};
	int modules = 0;

	while (next_word(&word, value.end)) {
		int found = 0;

		for (size_t i = 0; i < array_size(all); i++)
			if (is_text(word, config_module_name(all[i])))
				found = all[i];
		if (!found || (modules & found))
			return false;
		modules |= found;
	}
	*ret_modules = modules;
	return true;
}

static bool read_accel(struct span value, int *ret_accel)
{
	for (int policy = ACCEL_REQUIRE; policy <= ACCEL_OFF; policy++) {
		if (is_text(value, accel_policy_name((enum accel_policy)policy))) {
			*ret_accel = policy;
			return true;
		}
	}
	return false;
}

/* Whether the line is good after what the lines before it have set. */
static bool read_line(struct span line, struct settings *settings)
{
	struct span key, value;
	const uint8_t *equals;

	if (memchr(line.start, '\0', (size_t)(line.end - line.start)))
		return false;
	line = trim(line);
	if (line.start == line.end || *line.start == '#')
		return true;
	equals = memchr(line.start, '=', (size_t)(line.end - line.start));
	if (!equals)
		return false;
	key = trim((struct span){line.start, equals});
	value = trim((struct span){equals + 1, line.end});
	if (is_text(key, "accel"))
		return settings->accel < 0 && read_accel(value, &settings->accel);
	if (is_text(key, "modules"))
		return settings->modules < 0 && read_modules(value, &settings->modules);
	return false;
}

/* Likewise for the whole file; *ret_line is the number of its first bad line. */
static bool read_text(const uint8_t *data, size_t size, struct settings *settings, int *ret_line)
{
	const uint8_t *end = data + size;

	*ret_line = 0;
	if (size > FILE_MAX)
		return false;
	while (data < end) {
		const uint8_t *newline = memchr(data, '\n', (size_t)(end - data));
		struct span line = {data, newline ? newline : end};

		++*ret_line;
		if (!read_line(line, settings))
			return false;
		data = line.end + (newline ? 1 : 0);
	}
	return true;
}

/* "FILE:LINE: what", where the line is the first bad one, or "FILE: what". */
static void check_why(const char *why, int result, int line)
{
	char start[64];

	if (result == -EFBIG)
		snprintf(start, sizeof(start), CONFIG_FILE ": ");
	else
		snprintf(start, sizeof(start), CONFIG_FILE ":%d: ", line);
	promise(why && strncmp(why, start, strlen(start)) == 0 && why[strlen(start)]);
	promise(!strchr(why, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings = {.accel = -1, .modules = -1};
	struct config config;
	char *why = NULL;
	int line;
	bool good = read_text(data, size, &settings, &line);
	int r;

	tree_write(&tree, CONFIG_FILE, 0644, data, size);
	r = config_read(&tree.root, &config, &why);
	promise((r == 0) == good);
	if (r == 0) {
		promise(!why);
		promise((int)config.accel == (settings.accel < 0 ? ACCEL_REQUIRE : settings.accel));
		promise(!config.accel_source == (settings.accel < 0));
		promise((int)config.modules ==
			(settings.modules < 0 ? CONFIG_VHOST_NET : settings.modules));
		promise(!config.modules_source == (settings.modules < 0));
	} else {
		promise(r == -EBADMSG || r == -EFBIG);
		check_why(why, r, line);
	}
	free(why);
	return 0;
}
