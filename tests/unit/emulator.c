/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/emulator.h"
#include "tests/unit/tree.h"

#define NAME          "qemu-system-test"
#define RHEL_EMULATOR "/usr/libexec/qemu-kvm" /* looked for last, on any host */

static struct tree tree;

static int setup(void **state)
{
	static const char *const good[] = {"good", "better", "with space", "with,comma", "deep/er"};
	char self[PATH_MAX], path[64];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t i;

	(void)state;
	assert_true(length > 0);
	self[length] = '\0';
	tree_make(&tree);
	for (i = 0; i < array_size(good); i++) {
		snprintf(path, sizeof(path), "%s/" NAME, good[i]);
		tree_write(&tree, path, 0755, "#!/bin/sh\n", 10);
	}
	tree_write(&tree, "unreadable/" NAME, 0111, "", 0);
	tree_write(&tree, "plain/" NAME, 0644, "", 0);
	tree_dir(&tree, "directory/" NAME);
	tree_dir(&tree, "empty");
	tree_link(&tree, "dangling/" NAME, "nowhere");
	tree_link(&tree, "loop/" NAME, NAME);
	tree_link(&tree, "link/" NAME, "../good/" NAME);
	tree_link(&tree, "linked", "good");
	tree_link(&tree, "self/" NAME, self);
	tree_link(&tree, "self2/" NAME, "../self/" NAME);
	tree_put(&tree, "file", "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

static void test_name(void **state)
{
	static const char *const rows[][2] = {
		{"x86_64", "qemu-system-x86_64"},
		{"i386", "qemu-system-i386"},
		{"i486", "qemu-system-i386"},
		{"i586", "qemu-system-i386"},
		{"i686", "qemu-system-i386"},
		{"aarch64", "qemu-system-aarch64"},
		{"ppc64", "qemu-system-ppc64"},
		{"ppc64le", "qemu-system-ppc64"},
		{"s390x", "qemu-system-s390x"},
		{"riscv64", "qemu-system-riscv64"},
		{"loongarch64", "qemu-system-loongarch64"},
		/* Whatever else there may be. */
		{"mips64", "qemu-system-mips64"},
		{"sparc64", "qemu-system-sparc64"},
		{"i", "qemu-system-i"},
		{"", "qemu-system-"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		cleanup_free char *name = emulator_name(rows[i][0]);

		assert_non_null(name);
		assert_string_equal(name, rows[i][1]);
	}
}

/* `elements` as a PATH, to be freed: each '@' becomes the path of the tree. */
static char *make_path(const char *elements)
{
	char *path = NULL;
	size_t length;
	FILE *stream = open_memstream(&path, &length);

	assert_non_null(stream);
	for (; *elements; elements++) {
		if (*elements == '@')
			fputs(tree.path, stream);
		else
			putc(*elements, stream);
	}
	assert_int_equal(fclose(stream), 0);
	return path;
}

static void assert_found(const char *elements, int result, const char *found)
{
	cleanup_free char *path = make_path(elements);
	cleanup_free char *expected = found ? make_path(found) : NULL;
	cleanup_free char *actual = NULL;
	int r;

	if (result < 0 && access(RHEL_EMULATOR, X_OK) == 0) {
		free(expected);
		expected = strdup(RHEL_EMULATOR);
		result = 0;
	}
	r = emulator_find(NAME, path, &actual);
	if (r != result)
		fail_msg("%s: %d instead of %d", elements, r, result);
	assert_row(!actual == !expected, elements);
	if (expected)
		assert_string_equal(actual, expected);
}

static void test_find(void **state)
{
	static const struct {
		const char *path;
		int result;
		const char *found;
	} rows[] = {
		{"@/good", 0, "@/good/" NAME},
		{"@/empty:@/good", 0, "@/good/" NAME},
		{"@/good:@/better", 0, "@/good/" NAME},
		{"@/better:@/good", 0, "@/better/" NAME},
		{"@/good/", 0, "@/good//" NAME},
		{"@/with space:@/good", 0, "@/with space/" NAME},
		{"@/with,comma", 0, "@/with,comma/" NAME},
		{"@/deep/../deep/er", 0, "@/deep/../deep/er/" NAME},
		{"/@/good", 0, "/@/good/" NAME}, /* two slashes at the start */
		{"@/unreadable", 0, "@/unreadable/" NAME},
		/* Links are followed and stay what they are called. */
		{"@/link", 0, "@/link/" NAME},
		{"@/linked", 0, "@/linked/" NAME},
		{"@/dangling:@/good", 0, "@/good/" NAME},
		{"@/loop:@/good", 0, "@/good/" NAME},
		/* This program itself. */
		{"@/self:@/good", 0, "@/good/" NAME},
		{"@/self2:@/self:@/better", 0, "@/better/" NAME},
		{"@/self", -ENOENT, NULL},
		/* What cannot be executed is used by nobody and reported when there is no better. */
		{"@/plain:@/good", 0, "@/good/" NAME},
		{"@/directory:@/good", 0, "@/good/" NAME},
		{"@/plain", -EACCES, "@/plain/" NAME},
		{"@/directory", -EISDIR, "@/directory/" NAME},
		{"@/plain:@/directory", -EACCES, "@/plain/" NAME},
		{"@/directory:@/plain", -EISDIR, "@/directory/" NAME},
		{"@/plain:@/empty:@/self", -EACCES, "@/plain/" NAME},
		/* Nothing. */
		{"@/empty", -ENOENT, NULL},
		{"@/nonexistent", -ENOENT, NULL},
		{"@/dangling", -ENOENT, NULL},
		{"@/loop", -ENOENT, NULL},
		{"@/file", -ENOENT, NULL},
		{"@/file:@/good", 0, "@/good/" NAME},
		{"@", -ENOENT, NULL},
		/* Relative and empty elements: the test runs in the directory `good`. */
		{"", -ENOENT, NULL},
		{":", -ENOENT, NULL},
		{".", -ENOENT, NULL},
		{"./", -ENOENT, NULL},
		{"../good", -ENOENT, NULL},
		{":::", -ENOENT, NULL},
		{":@/better", 0, "@/better/" NAME},
		{"@/better:", 0, "@/better/" NAME},
		{".:@/better:.", 0, "@/better/" NAME},
		{"../good::@/better", 0, "@/better/" NAME},
		{"~/good", -ENOENT, NULL},
	};
	cleanup_free char *directory = make_path("@/good");
	cleanup_free char *before = getcwd(NULL, 0);
	size_t i;

	(void)state;
	assert_non_null(before);
	assert_int_equal(chdir(directory), 0);
	for (i = 0; i < array_size(rows); i++)
		assert_found(rows[i].path, rows[i].result, rows[i].found);
	assert_int_equal(chdir(before), 0);
}

/* Without PATH: where every host has a shell. */
static void test_usual_path(void **state)
{
	static const char *const places[] = {"/usr/local/bin/sh", "/usr/bin/sh", "/bin/sh"};
	cleanup_free char *found = NULL;
	size_t i = 0;

	(void)state;
	while (i < array_size(places) - 1 && access(places[i], X_OK) < 0)
		i++;
	assert_int_equal(emulator_find("sh", NULL, &found), 0);
	assert_string_equal(found, places[i]);
}

/* Longer than any path may be, and no limit to how many there are. */
static void test_long_path(void **state)
{
	cleanup_free char *directory = make_path("@/good");
	cleanup_free char *element = malloc(PATH_MAX + 2);
	cleanup_free char *path = NULL;
	cleanup_free char *found = NULL;
	cleanup_free char *expected = make_path("@/good/" NAME);
	size_t length;
	FILE *stream = open_memstream(&path, &length);
	int i;

	(void)state;
	assert_true(element && stream);
	memset(element, 'x', PATH_MAX + 1);
	element[0] = '/';
	element[PATH_MAX + 1] = '\0';
	for (i = 0; i < 100; i++)
		fprintf(stream, "%s:", element);
	fputs(directory, stream);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(emulator_find(NAME, path, &found), 0);
	assert_string_equal(found, expected);
}

/* Below a moved root the paths mean that host, on which any executable bit will do. */
static void test_find_below(void **state)
{
	static const struct {
		const char *path;
		int result;
		const char *found;
	} rows[] = {
		{"/good", 0, "/good/" NAME},
		{"/empty:/good", 0, "/good/" NAME},
		{"good:/empty", -ENOENT, NULL},
		{"/linked", 0, "/linked/" NAME},
		{"/dangling", -ENOENT, NULL},
		{"/loop", -ENOENT, NULL},
		{"/unreadable", 0, "/unreadable/" NAME},
		{"/plain", -EACCES, "/plain/" NAME},
		{"/plain:/good", 0, "/good/" NAME},
		{"/directory", -EISDIR, "/directory/" NAME},
		{NULL, -ENOENT, NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		cleanup_free char *found = NULL;
		int r = emulator_find_below(&tree.root, NAME, rows[i].path, &found);

		if (r != rows[i].result)
			fail_msg("%s: %d instead of %d", rows[i].path, r, rows[i].result);
		assert_true(!found == !rows[i].found);
		if (found)
			assert_string_equal(found, rows[i].found);
	}
	tree_write(&tree, RHEL_EMULATOR, 0755, "", 0);
	for (i = 0; i < 2; i++) {
		cleanup_free char *found = NULL;

		assert_int_equal(emulator_find_below(&tree.root, NAME, i ? NULL : "/empty", &found),
				 0);
		assert_string_equal(found, RHEL_EMULATOR);
	}
	tree_delete(&tree, "usr");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),       cmocka_unit_test(test_find),
		cmocka_unit_test(test_usual_path), cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_find_below),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
