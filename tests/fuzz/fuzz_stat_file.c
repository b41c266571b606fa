/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A counter's file with any content: a number is read exactly, anything else is refused. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "host/number.h"
#include "host/root.h"
#include "tests/unit/tree.h"

static struct tree tree;
static int directory, file;

static void remove_tree(void)
{
	tree_remove(&tree);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	tree_make(&tree);
	atexit(remove_tree);
	tree_put(&tree, "stat", "");
	directory = host_open(&tree.root, "/", O_RDONLY | O_DIRECTORY);
	promise(directory >= 0);
	file = openat(directory, "stat", O_WRONLY | O_CLOEXEC);
	promise(file >= 0);
	return 0;
}

/* What the file holds, worked out in another way. */
static bool expected(const uint8_t *data, size_t size, uint64_t *ret_value)
{
	char digits[32];

	if (size && size < sizeof(digits) && data[size - 1] == '\n')
		size--;
	if (!size || size >= sizeof(digits))
		return false;
	memcpy(digits, data, size);
	digits[size] = '\0';
	if (strspn(digits, "0123456789") != size)
		return false;
	errno = 0;
	*ret_value = strtoull(digits, NULL, 10);
	return !errno;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t value = 0, right = 0;
	char *text = fuzz_text(data, size);
	double fraction = 0;
	int r;

	promise(ftruncate(file, 0) == 0);
	promise(pwrite(file, data, size, 0) == (ssize_t)size);
	r = host_read_u64_at(directory, "stat", &value);
	promise(r == 0 || r == -EBADMSG);
	promise((r == 0) == expected(data, size, &right));
	promise(value == right || r < 0);
	if (number_parse_double(text, &fraction) == 0)
		promise(fraction - fraction == 0);
	free(text);
	return 0;
}
