/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU command lines as the launcher reads them: one word for each line of the input, up to its
 * first NUL. What follows that is a configuration file, whose path takes the place of the word "@".
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "qemu-kvm/argument.h"
#include "qemu-kvm/legacy.h"
#include "qemu-kvm/qemu_options.h"
#include "qemu-kvm/request.h"

#define WORDS_MAX 64

/* Each word may get one in front of it. */
#define ARGV_MAX (2 * WORDS_MAX + 4)

struct line {
	char *argv[ARGV_MAX];
	int argc;
	bool reads_config;
};

static int config_fd = -1;
static char config_path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	config_fd = memfd_create("config", MFD_CLOEXEC);
	promise(config_fd >= 0);
	snprintf(config_path, sizeof(config_path), "/proc/self/fd/%d", config_fd);
	return 0;
}

static void add_word(struct line *line, const char *word)
{
	promise(line->argc < ARGV_MAX - 1);
	line->argv[line->argc++] = (char *)word;
}

/* `data` begins with the NUL in front of the file, or is empty. */
static void put_config(const uint8_t *data, size_t size)
{
	if (size > 0) {
		data++;
		size--;
	}
	promise(ftruncate(config_fd, 0) == 0);
	promise(pwrite(config_fd, data, size, 0) == (ssize_t)size);
}

static struct line make_line(char *text)
{
	struct line line = {0};
	char *rest = text;

	add_word(&line, "qemu-kvm");
	while (rest && line.argc <= WORDS_MAX) {
		char *word = strsep(&rest, "\n");

		/* No other file: what they hold is not up to the input. */
		if (strcmp(word, "@") == 0) {
			word = config_path;
			line.reads_config = true;
		} else if (strchr(word, '/')) {
			*strchr(word, '/') = '_';
		}
		add_word(&line, word);
	}
	return line;
}

/* Every word is the next argument or its value. */
static void check_scan(const struct line *line)
{
	struct argument argument;
	int position = 1;

	while (position < line->argc) {
		int before = position;
		const char *word = line->argv[before];
		bool lacks_value;

		promise(argument_next(line->argv, &position, &argument));
		promise(argument.index == before && argument.index < line->argc);
		promise(position == before + (argument.value ? 2 : 1));
		promise(!argument.value || argument.value == line->argv[before + 1]);
		promise(!argument.name == (*word != '-'));
		promise(argument.name || (!argument.value && argument.kind == -ENOENT));
		if (!argument.name)
			continue;
		promise(argument.name == word + 1 + (word[1] == '-'));
		lacks_value = argument.kind == QEMU_OPTION_FLAG ||
			      argument.kind == QEMU_OPTION_INFORMATION;
		promise(!lacks_value || !argument.value);
		promise(lacks_value || argument.value || argument.kind == -ENOENT ||
			position == line->argc);
		promise(argument.kind != -ENOENT || !argument.value || *argument.value != '-');
	}
	promise(!argument_next(line->argv, &position, &argument));
	promise(position == line->argc);
}

static struct request read_line(const struct line *line)
{
	const struct host_root nowhere = HOST_ROOT_NONE;
	struct request request;

	promise(request_read(line->argv, &nowhere, &request) == 0);
	return request;
}

static bool is_same(const struct request *a, const struct request *b)
{
	return a->information == b->information && a->needs_kvm == b->needs_kvm &&
	       a->vhost_net == b->vhost_net && a->vhost_vsock == b->vhost_vsock &&
	       !a->choice == !b->choice && (!a->choice || strcmp(a->choice, b->choice) == 0);
}

/* Whether the last "accel" of `value`, which has no pairs of commas, is one with a value. */
static bool has_accel(const char *value)
{
	const char *p = value;
	bool has = false;

	if (*value == '{')
		return false;
	while ((p = strstr(p, "accel"))) {
		/* As the first word it is a machine's type. */
		if (p == value || p[-1] == ',')
			has = p[5] == '=' || (has && p[5] && p[5] != ',');
		p++;
	}
	return has;
}

/* Whether an accelerator is chosen; -1 where this is too simple to tell. */
static int guess_choice(const struct line *line)
{
	struct argument argument;
	int position = 1;
	bool chosen = false, unsure = line->reads_config;

	while (argument_next(line->argv, &position, &argument)) {
		const char *name = argument.name ? argument.name : "";
		const char *value = argument.value ? argument.value : "";

		if (strcmp(name, "enable-kvm") == 0 || strcmp(name, "enable-hax") == 0 ||
		    strcmp(name, "no-kvm") == 0)
			chosen = true;
		if (strcmp(name, "accel") == 0 && argument.value)
			chosen = true;
		if (strcmp(name, "set") == 0)
			unsure = true;
		if (strcmp(name, "machine") == 0 || strcmp(name, "M") == 0) {
			unsure |= strstr(value, "xen") || strstr(value, "noaccel") ||
				  strstr(value, ",,");
			chosen |= has_accel(value);
		}
	}
	return unsure ? -1 : chosen;
}

static void check_request(const struct line *line)
{
	struct request request = read_line(line);
	struct request again = read_line(line);
	int guess = guess_choice(line);

	promise(is_same(&request, &again));
	promise(!request.needs_kvm || request.choice);
	promise(guess < 0 || guess == !!request.choice);
	request_free(&request);
	request_free(&again);
}

/* What stands in front changes what it says and nothing else. */
static void check_in_front(const struct line *line, const char *option, const char *value)
{
	struct line longer = {0};
	struct request request = read_line(line);
	struct request more;
	int i;

	add_word(&longer, line->argv[0]);
	add_word(&longer, option);
	if (value)
		add_word(&longer, value);
	for (i = 1; i < line->argc; i++)
		add_word(&longer, line->argv[i]);
	more = read_line(&longer);
	if (value) {
		promise(more.choice && !more.needs_kvm);
		promise(more.information == request.information);
		promise(more.vhost_net == request.vhost_net);
		promise(more.vhost_vsock == request.vhost_vsock);
	} else {
		promise(more.information && !more.vhost_net && !more.vhost_vsock);
		promise(more.needs_kvm == request.needs_kvm);
		promise(!more.choice == !request.choice);
	}
	request_free(&request);
	request_free(&more);
}

/* The same words as values, or as disk images: whatever they are, they say nothing. */
static void check_hidden(const struct line *line, const char *option)
{
	static const struct request nothing;
	struct line hidden = {0};
	struct request request;
	int i;

	add_word(&hidden, line->argv[0]);
	for (i = 1; i < line->argc; i++) {
		if (option)
			add_word(&hidden, option);
		else if (*line->argv[i] == '-')
			continue;
		add_word(&hidden, line->argv[i]);
	}
	request = read_line(&hidden);
	promise(is_same(&request, &nothing));
	request_free(&request);
}

/* What an option, translated or not, has become does not become something else. */
static void check_legacy(const struct line *line)
{
	struct legacy once, twice;
	size_t i;

	promise(legacy_translate(line->argv, NULL, &once) == 0);
	if (once.refusal) {
		promise(!strchr(once.refusal, '\n'));
		legacy_free(&once);
		return;
	}
	promise(legacy_translate(once.argv, NULL, &twice) == 0);
	promise(!twice.refusal && twice.warning_count == 0 && twice.value_count == 0);
	for (i = 0; once.argv[i]; i++)
		promise(twice.argv[i] && strcmp(once.argv[i], twice.argv[i]) == 0);
	promise(!twice.argv[i]);
	/* Without a warning nothing was touched. */
	for (i = 0; once.warning_count == 0 && line->argv[i]; i++)
		promise(once.argv[i] == line->argv[i]);
	legacy_free(&once);
	legacy_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	size_t length = strlen(text);
	struct line line = make_line(text);

	put_config(data + length, size - length);
	check_scan(&line);
	check_request(&line);
	check_in_front(&line, "-version", NULL);
	check_in_front(&line, "-accel", "tcg");
	check_hidden(&line, "-name");
	check_hidden(&line, "--append");
	check_hidden(&line, NULL);
	check_legacy(&line);
	free(text);
	return 0;
}
