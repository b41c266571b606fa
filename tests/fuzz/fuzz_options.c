/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines, one word for each line of the input. */
#include "tests/fuzz/fuzz.h"

#include <getopt.h>

#include "host/message.h"
#include "kvm_stat/options.h"

#define WORDS_MAX 64

static void ignore(const char *text, void *data)
{
	(void)data;
	promise(text && !strchr(text, '\n'));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	message_set_program("kvm_stat", "kvm_stat");
	message_set_sink(ignore, NULL);
	/* libFuzzer has kept the true stderr for itself, and sanitizers write to its descriptor. */
	opterr = 0;
	stdout = fopen("/dev/null", "we");
	stderr = fopen("/dev/null", "we");
	promise(stdout && stderr);
	return 0;
}

static void check(const struct options *options)
{
	promise(!options_delay_error(options->delay));
	promise(options->pid >= 0 && !(options->pid && options->guest));
	promise(options->fields);
	promise(options->count <= UINT32_MAX);
	promise(options->mode != MODE_LOG || options->waits_for_kvm == !!options->log_file);
	promise(options->mode != MODE_BATCH || !options->log_file);
	promise(!!options->explain == (options->mode == MODE_EXPLAIN));
	promise((!options->explain && strcmp(options->fields, "help") == 0) ==
		(options->mode == MODE_LIST_FIELDS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text;
	char *argv[WORDS_MAX + 2] = {(char *)"kvm_stat"};
	struct options options;
	int argc = 1, status = -1, r;

	while (rest && argc <= WORDS_MAX)
		argv[argc++] = strsep(&rest, "\n");
	r = options_parse(argc, argv, &options, &status);
	promise(r == 0 || r == 1);
	if (r)
		check(&options);
	else
		promise(status >= 0 && status <= 2);
	free(text);
	return 0;
}
