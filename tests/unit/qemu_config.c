/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expectations are what QEMU 7.2 does with such a file. Where QEMU refuses the file it does
 * not matter what is read, as long as nothing is read that stands behind.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "qemu-kvm/qemu_config.h"
#include "tests/unit/tree.h"

#define CONFIG  "qemu.conf"
#define X10     "xxxxxxxxxx"
#define X60     X10 X10 X10 X10 X10 X10
#define MACHINE "[machine]\n"

static struct tree tree;

static int setup(void **state)
{
	(void)state;
	tree_make(&tree);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

/* What was found, as text: "group{key=value;...}" after each other. */
struct found {
	FILE *stream;
	char *text;
	size_t length;
	int left; /* groups to take; the one after those fails */
};

static int take(const char *group, const struct keyvals *settings, void *data)
{
	struct found *found = data;
	size_t i;

	if (found->left-- == 0)
		return -ECANCELED;
	fprintf(found->stream, "%s{", group);
	for (i = 0; i < settings->count; i++) {
		assert_non_null(settings->items[i].value);
		fprintf(found->stream, "%s=%s;", settings->items[i].key, settings->items[i].value);
	}
	putc('}', found->stream);
	return 0;
}

/* Returns what was found, to be freed. */
static char *read_config(const char *path, int groups, int result)
{
	struct found found = {.left = groups};
	cleanup_close int node = openat(tree.root.fd, path, O_PATH | O_CLOEXEC);
	int r;

	assert_row(node >= 0, path);
	found.stream = open_memstream(&found.text, &found.length);
	assert_non_null(found.stream);
	r = qemu_config_read(node, take, &found);
	if (r != result)
		fail_msg("%s: %d instead of %d", path, r, result);
	/* The node is ours. */
	assert_true(fcntl(node, F_GETFD) >= 0);
	assert_int_equal(fclose(found.stream), 0);
	return found.text;
}

static void assert_read(const char *data, size_t length, const char *expected)
{
	char *text;

	tree_write(&tree, CONFIG, 0644, data, length);
	text = read_config(CONFIG, -1, 0);
	if (strcmp(text, expected) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", data, text, expected);
	free(text);
}

static void test_read(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"\n\n", ""},
		{"# [machine]\n", ""},
		{MACHINE, "machine{}"},
		{MACHINE "accel = \"kvm\"\n", "machine{accel=kvm;}"},
		{MACHINE "accel = \"kvm\"", "machine{accel=kvm;}"},
		{"[machine]", "machine{}"},
		{"\n# c\n\n" MACHINE "\n#accel = \"tcg\"\naccel = \"kvm\"\n#\n",
		 "machine{accel=kvm;}"},
		/* Groups. */
		{"[accel \"a\"]\naccel = \"kvm\"\n", "accel{accel=kvm;}"},
		{"[device \"with space, ] and all\"]\ndriver = \"x\"\n", "device{driver=x;}"},
		{MACHINE "accel = \"tcg\"\n" MACHINE "accel = \"kvm\"\n",
		 "machine{accel=tcg;}machine{accel=kvm;}"},
		{"[accel]\n[accel]\n", "accel{}accel{}"},
		{"[machine] # and more\naccel = \"kvm\"\n", "machine{accel=kvm;}"},
		{"[accel \"a\"] # and more\n", "accel{}"},
		{"[accel \"a\"\naccel = \"kvm\"\n", "accel{accel=kvm;}"},
		{"[ accel \"a\"]\naccel = \"kvm\"\n", "accel{accel=kvm;}"},
		{"[accel\t\"a\"]\n", "accel{}"},
		{"[smp-opts]\ncpus = \"2\"\n", "smp-opts{cpus=2;}"},
		{"[accel", "accel{}"},
		{"[Machine]\n", "Machine{}"},
		/* Space around the parts of a setting, and what stands behind it. */
		{MACHINE "accel =\"kvm\"\n", "machine{accel=kvm;}"},
		{MACHINE "\taccel\t=\t\"kvm\"\t\n", "machine{accel=kvm;}"},
		{MACHINE "\vaccel\f=\v\"kvm\"\n", "machine{accel=kvm;}"},
		{MACHINE "accel = \"kvm\" junk\n", "machine{accel=kvm;}"},
		{MACHINE "accel = \"kvm\" accel = \"tcg\"\n", "machine{accel=kvm;}"},
		{MACHINE "accel=\"kvm\"\n", "machine{accel=\"kvm\"=;}"},
		{"[machine]\r\naccel = \"kvm\"\r\n", "machine{accel=kvm;}"},
		/* Values: what stands in double quotes, else nothing. */
		{MACHINE "accel = \"kvm:tcg\"\n", "machine{accel=kvm:tcg;}"},
		{MACHINE "a = \" b,,c=d \"\n", "machine{a= b,,c=d ;}"},
		{MACHINE "accel = \"\"\n", "machine{accel=;}"},
		{MACHINE "accel\n", "machine{accel=;}"},
		{MACHINE "accel =\n", "machine{accel=;}"},
		{MACHINE "accel = kvm\n", "machine{accel=;}"},
		{MACHINE "accel = 'kvm'\n", "machine{accel=;}"},
		{MACHINE "accel = = \"kvm\"\n", "machine{accel=;}"},
		{MACHINE "accel x = \"kvm\"\n", "machine{accel=;}"},
		{MACHINE "accel = \"kv\\\"m\"\n", "machine{accel=kv\\;}"},
		{MACHINE "accel = \"kvm", "machine{accel=kvm;}"},
		{MACHINE "accel = \"kvm\n", "machine{accel=kvm\n;}"},
		/* Several times: all of them, in order. */
		{MACHINE "accel = \"tcg\"\naccel = \"kvm\"\n", "machine{accel=tcg;accel=kvm;}"},
		{MACHINE "accel = \"tcg\"\naccel = \"\"\n", "machine{accel=tcg;accel=;}"},
		/* Comments begin in the first column; there they may hold anything. */
		{MACHINE "#\"\n# accel = \"kvm\"\n", "machine{}"},
		{MACHINE " # accel = \"kvm\"\n", "machine{#=;}"},
		{MACHINE "; accel = \"kvm\"\n", "machine{;=;}"},
		{MACHINE "a = \"#\"\n", "machine{a=#;}"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_read(rows[i][0], strlen(rows[i][0]), rows[i][1]);
}

/* For QEMU, too, a line ends at a NUL byte. */
static void test_nul(void **state)
{
	static const struct {
		const char *data;
		size_t length;
		const char *expected;
	} rows[] = {
#define BYTES(data) data, sizeof(data) - 1
		{BYTES(MACHINE "accel = \"kvm\"\0junk\n"), "machine{accel=kvm;}"},
		{BYTES("[machine]\0\naccel = \"kvm\"\n"), "machine{accel=kvm;}"},
		{BYTES(MACHINE "accel = \"k\0vm\"\n"), "machine{accel=k;}"},
		{BYTES(MACHINE "\0accel = \"kvm\"\n"), "machine{}"},
		{BYTES("\0[machine]\naccel = \"kvm\"\n"), ""},
#undef BYTES
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_read(rows[i].data, rows[i].length, rows[i].expected);
}

/* QEMU ends with an error at these; what we make of them must at least be no other's setting. */
static void test_refused_by_qemu(void **state)
{
	static const char *const rows[] = {
		"accel = \"kvm\"\n",
		" [machine]\naccel = \"kvm\"\n",
		"[]\naccel = \"kvm\"\n",
		"[",
		"[ machine]\naccel = \"kvm\"\n",
		"[machine ]\naccel = \"kvm\"\n",
		"[machine\naccel = \"kvm\"\n",
		"\xef\xbb\xbf[machine]\naccel = \"kvm\"\n",
		"[accelerators]\naccel = \"kvm\"\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		char *text;

		tree_put(&tree, CONFIG, rows[i]);
		text = read_config(CONFIG, -1, 0);
		assert_row(strncmp(text, "machine{", 8) && strncmp(text, "accel{", 6), rows[i]);
		free(text);
	}
}

/* The sizes of QEMU's buffers: what is longer goes on in the next one. */
static void test_long_lines(void **state)
{
	static const struct {
		int spaces; /* in the first line, in front of "accel" */
		const char *expected;
	} rows[] = {
		{1009, "machine{accel=kvm;}"}, /* 1023 with the newline */
		{1010, "machine{accel=kvm;}"}, /* the newline is a line of its own */
		{1011, "machine{accel=kvm;\"=;}"}, {1012, "machine{accel=kv;m\"=;}"},
		{1022, "machine{a=;ccel=kvm;}"},
	};
	char data[4096];
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		int length = snprintf(data, sizeof(data), MACHINE "%*saccel = \"kvm\"\n",
				      rows[i].spaces, "");

		assert_read(data, (size_t)length, rows[i].expected);
	}
}

static void test_long_comment(void **state)
{
	static const char accel[] = "accel = \"kvm\"\n";
	char data[4096] = MACHINE "#";
	size_t start = sizeof(MACHINE); /* behind the '#' */

	(void)state;
	memset(data + start, 'x', 1022);
	memcpy(data + start + 1022, accel, sizeof(accel));
	assert_read(data, strlen(data), "machine{accel=kvm;}");
	memset(data + start, 'x', 1021);
	memcpy(data + start + 1021, accel, sizeof(accel));
	assert_read(data, strlen(data), "machine{ccel=kvm;}");
}

/* Names are cut after 63 characters, and a value where its line is. */
static void test_long_parts(void **state)
{
	static const char *const rows[][2] = {
		{MACHINE X60 "xxxxx = \"a\"\nb = \"c\"\n", "machine{" X60 "xxx=;b=c;}"},
		{"[" X60 "xxxxx]\n", X60 "xxx{}"},
		{"[" X60 "xxxxx \"id\"]\n", X60 "xxx{}"},
	};
	char data[2048], expected[2048];
	char value[1024];
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_read(rows[i][0], strlen(rows[i][0]), rows[i][1]);
	/* "graphics = \"" is 12: 1011 bytes of the value are in the line, one goes on in the next. */
	memset(value, 'v', sizeof(value));
	snprintf(data, sizeof(data), MACHINE "graphics = \"%.1012s\"\nb = \"c\"\n", value);
	snprintf(expected, sizeof(expected), "machine{graphics=%.1011s;v\"=;b=c;}", value);
	assert_read(data, strlen(data), expected);
}

static void test_many(void **state)
{
	char *data = NULL, *expected = NULL;
	size_t length;
	FILE *stream = open_memstream(&data, &length);
	FILE *wanted = open_memstream(&expected, &length);
	int i;

	(void)state;
	assert_true(stream && wanted);
	for (i = 0; i < 3000; i++) {
		fprintf(stream, "[g%d]\nk%d = \"v%d\"\n", i, i, i);
		fprintf(wanted, "g%d{k%d=v%d;}", i, i, i);
	}
	assert_int_equal(fclose(stream) + fclose(wanted), 0);
	assert_read(data, strlen(data), expected);
	free(data);
	free(expected);
}

static void test_no_node(void **state)
{
	struct found found = {.left = 0};

	(void)state;
	assert_int_equal(qemu_config_read(-1, take, &found), -EBADF);
}

static void test_taker_ends(void **state)
{
	char *text;

	(void)state;
	tree_put(&tree, CONFIG, "[a]\nx = \"1\"\n[b]\ny = \"2\"\n[c]\n");
	text = read_config(CONFIG, 0, -ECANCELED);
	assert_string_equal(text, "");
	free(text);
	text = read_config(CONFIG, 1, -ECANCELED);
	assert_string_equal(text, "a{x=1;}");
	free(text);
	/* The last group ends with the file. */
	text = read_config(CONFIG, 2, -ECANCELED);
	assert_string_equal(text, "a{x=1;}b{y=2;}");
	free(text);
	text = read_config(CONFIG, 3, 0);
	assert_string_equal(text, "a{x=1;}b{y=2;}c{}");
	free(text);
}

/* Opening any of these neither waits nor takes away what QEMU is to read. */
static void test_other_files(void **state)
{
	static const struct {
		const char *path;
		int result;
	} rows
		[] =
			{
				{"directory", -EINVAL},    {"fifo", -ESPIPE},
				{"link-to-fifo", -ESPIPE}, {"/dev/null", -EINVAL},
				{"/proc/self/mem", -EIO}, /* a regular file, as far as one can see */
			};
	size_t i;

	(void)state;
	tree_dir(&tree, "directory");
	tree_fifo(&tree, "fifo");
	tree_link(&tree, "link-to-fifo", "fifo");
	for (i = 0; i < array_size(rows); i++) {
		char *text = read_config(rows[i].path, -1, rows[i].result);

		assert_string_equal(text, "");
		free(text);
	}
}

/* "-readconfig <(command)": what is in the pipe stays there. */
static void test_pipe(void **state)
{
	static const char config[] = MACHINE "accel = \"kvm\"\n";
	char path[64], left[64];
	char *text;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], config, sizeof(config)), sizeof(config));
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	text = read_config(path, -1, -ESPIPE);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(read(fds[0], left, sizeof(left)), sizeof(config));
	close(fds[0]);
	close(fds[1]);
}

/* A regular file by a descriptor's name: its own position does not move. */
static void test_descriptor(void **state)
{
	char path[64];
	char *file = tree_path(&tree, CONFIG);
	char *text;
	int fd;

	(void)state;
	tree_put(&tree, CONFIG, MACHINE "accel = \"kvm\"\n");
	fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	text = read_config(path, -1, 0);
	assert_string_equal(text, "machine{accel=kvm;}");
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	free(text);
	free(file);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_refused_by_qemu),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_long_comment),
		cmocka_unit_test(test_long_parts),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_node),
		cmocka_unit_test(test_taker_ends),
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_descriptor),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
