/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of qemu-kvm/request.h share: rows of arguments and what they ask for. */
#pragma once

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "qemu-kvm/request.h"
#include "tests/unit/tree.h"

#define WORDS_MAX 32

/* What a request may say. */
enum {
	NOTHING = 0,
	INFO = 1,   /* information */
	CHOICE = 2, /* the user's */
	KVM = 4,    /* needs_kvm */
	NET = 8,    /* vhost_net */
	VSOCK = 16, /* vhost_vsock */
};

struct row {
	const char *line; /* words, separated by '|' */
	unsigned int says;
};

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

/* In a line, '@' is the tree. */
static char *expand(const char *line)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	for (; *line; line++) {
		if (*line == '@')
			fputs(tree.path, stream);
		else
			putc(*line, stream);
	}
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* Reads a line. The choice, to be freed, is set aside, as the request is freed here. */
static unsigned int read_line(const char *line, char **ret_choice)
{
	char *words = expand(line), *rest = words;
	char *argv[WORDS_MAX] = {(char *)"qemu-kvm"};
	struct request request;
	unsigned int says = NOTHING;
	int argc = 1;

	while (*line && rest) {
		assert_true(argc < WORDS_MAX - 1);
		argv[argc++] = strsep(&rest, "|");
	}
	assert_int_equal(request_read(argv, &tree.root, &request), 0);
	says |= request.information ? INFO : 0;
	says |= request.choice ? CHOICE : 0;
	says |= request.needs_kvm ? KVM : 0;
	says |= request.vhost_net ? NET : 0;
	says |= request.vhost_vsock ? VSOCK : 0;
	*ret_choice = request.choice ? strdup(request.choice) : NULL;
	request_free(&request);
	request_free(&request);
	free(words);
	return says;
}

static void assert_rows(const struct row *rows, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		char *choice;
		unsigned int says = read_line(rows[i].line, &choice);

		if (says != rows[i].says)
			fail_msg("%s: 0x%x instead of 0x%x, choice %s", rows[i].line, says,
				 rows[i].says, choice ? choice : "none");
		free(choice);
	}
}
