/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-launch COUNT PROGRAM...: starts the programs in turn, COUNT times each, and prints a line
 * for each: the median of the time from the start to the end of its process, in nanoseconds.
 * A PROGRAM is a command whose words are separated by spaces; words "NAME=value" in front of it
 * are for its environment.
 */
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "host/cleanup.h"
#include "host/message.h"
#include "host/number.h"

#define WORDS_MAX 16

struct program {
	char *argv[WORDS_MAX + 1];
	char **environment;
	uint64_t *times;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* As ours is, with `variable` in front, which getenv() finds first. */
static char **extend_environment(char **environment, char *variable)
{
	size_t count = 0;
	char **longer;

	while (environment[count])
		count++;
	longer = calloc(count + 2, sizeof(*longer));
	if (!longer)
		return NULL;
	longer[0] = variable;
	memcpy(longer + 1, environment, count * sizeof(*environment));
	return longer;
}

/* Takes `text` apart; it is kept. */
static int make_program(char *text, uint64_t count, struct program *ret)
{
	struct program program = {.environment = environ, .times = calloc(count, sizeof(uint64_t))};
	char *word;
	int words = 0;

	while ((word = strsep(&text, " "))) {
		if (words == 0 && strchr(word, '='))
			program.environment = extend_environment(program.environment, word);
		else if (words < WORDS_MAX)
			program.argv[words++] = word;
		if (!program.environment)
			return -ENOMEM;
	}
	if (!program.times)
		return -ENOMEM;
	*ret = program;
	return words > 0 ? 0 : -EINVAL;
}

/* Returns 0, -errno, or -EIO when it ends with another status than 0. */
static int run_program(const struct program *program, uint64_t *ret_ns)
{
	uint64_t begin = now_ns();
	int status;
	pid_t pid;
	int r = posix_spawn(&pid, program->argv[0], NULL, NULL, program->argv,
			    program->environment);

	if (r != 0)
		return -r;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	*ret_ns = now_ns() - begin;
	return status == 0 ? 0 : -EIO;
}

static int compare_times(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* In turn, so that a slow moment of the machine hits them all. */
static int run_programs(struct program *programs, size_t programs_count, uint64_t count)
{
	uint64_t ignored = 0;

	for (uint64_t i = 0; i <= count; i++) {
		for (size_t j = 0; j < programs_count; j++) {
			/* The first one fills the caches. */
			uint64_t *time = i == 0 ? &ignored : &programs[j].times[i - 1];
			int r = run_program(&programs[j], time);

			if (r < 0) {
				message_error("%s: %s", programs[j].argv[0], strerror(-r));
				return r;
			}
		}
	}
	return 0;
}

int main(int argc, char *argv[])
{
	struct program *programs;
	size_t programs_count = argc > 2 ? (size_t)argc - 2 : 0;
	uint64_t count;

	message_set_program(argv[0], "bench-launch");
	if (argc < 3 || number_parse_u64(argv[1], 1, 1000000, &count) < 0) {
		message_error("usage: bench-launch COUNT PROGRAM...");
		return 2;
	}
	programs = calloc(programs_count, sizeof(*programs));
	for (size_t i = 0; i < programs_count; i++) {
		if (!programs || make_program(argv[i + 2], count, &programs[i]) < 0) {
			message_error("cannot make a program of \"%s\"", argv[i + 2]);
			return 1;
		}
	}
	if (run_programs(programs, programs_count, count) < 0)
		return 1;
	for (size_t i = 0; i < programs_count; i++) {
		qsort(programs[i].times, count, sizeof(uint64_t), compare_times);
		printf("%lu\n", (unsigned long)programs[i].times[count / 2]);
		free(programs[i].times);
		if (programs[i].environment != environ)
			free(programs[i].environment);
	}
	free(programs);
	return 0;
}
