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

/* The policy that a line sets, -1: none, -2: it is bad. */
static int read_line(struct span line)
{
	struct span key, value;
	const uint8_t *equals;
	int policy;

	if (memchr(line.start, '\0', (size_t)(line.end - line.start)))
		return -2;
	line = trim(line);
	if (line.start == line.end || *line.start == '#')
		return -1;
	equals = memchr(line.start, '=', (size_t)(line.end - line.start));
	if (!equals)
		return -2;
	key = trim((struct span){line.start, equals});
	value = trim((struct span){equals + 1, line.end});
	for (policy = ACCEL_REQUIRE; is_text(key, "accel") && policy <= ACCEL_OFF; policy++) {
		if (is_text(value, accel_policy_name((enum accel_policy)policy)))
			return policy;
	}
	return -2;
}

/* Likewise for the whole file; *ret_line is the number of its first bad line. */
static int read_text(const uint8_t *data, size_t size, int *ret_line)
{
	const uint8_t *end = data + size;
	int found = -1;

	*ret_line = 0;
	if (size > FILE_MAX)
		return -2;
	while (data < end) {
		const uint8_t *newline = memchr(data, '\n', (size_t)(end - data));
		struct span line = {data, newline ? newline : end};
		int policy;

		++*ret_line;
		policy = read_line(line);
		if (policy == -2 || (policy >= 0 && found >= 0))
			return -2;
		if (policy >= 0)
			found = policy;
		data = line.end + (newline ? 1 : 0);
	}
	return found;
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
	struct config config;
	char *why = NULL;
	int line, expected = read_text(data, size, &line);
	int r;

	tree_write(&tree, CONFIG_FILE, 0644, data, size);
	r = config_read(&tree.root, &config, &why);
	promise((r == 0) == (expected != -2));
	if (r == 0) {
		promise(!why);
		promise((int)config.accel == (expected < 0 ? ACCEL_REQUIRE : expected));
		promise(!config.accel_source == (expected < 0));
	} else {
		promise(r == -EBADMSG || r == -EFBIG);
		check_why(why, r, line);
	}
	free(why);
	return 0;
}
