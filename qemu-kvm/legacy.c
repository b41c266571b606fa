/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/legacy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "host/number.h"
#include "host/text.h"
#include "qemu-kvm/argument.h"
#include "qemu-kvm/legacy_options.h"
#include "qemu-kvm/qemu_options.h"

#define ANSWER_TIMEOUT_MS 10000

/* Waits for a child that is ours to end. Returns its exit status (a signal: 128), or -errno. */
static int wait_for(pid_t pid)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	/* Before Linux 5.3 there is nothing to wait on with a limit. */
	int r = pidfd < 0 ? 1 : poll(&poll_fd, 1, ANSWER_TIMEOUT_MS);
	int error = r == 0 ? -ETIMEDOUT : r < 0 ? -errno : 0;
	int status;

	if (error < 0)
		kill(-pid, SIGKILL); /* a script may have started others: they are one group */
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return error < 0 ? error : -errno;
	}
	if (error < 0)
		return error;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int spawn_quietly(const char *program, char *const argv[], pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
	if (r == 0)
		r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
		if (r == 0)
			r = posix_spawn(ret_pid, program, &actions, &attributes, argv, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* What the emulator has answered so far, so that each option is asked for once. */
struct answers {
	const struct legacy_option *options[LEGACY_OPTIONS];
	bool known[LEGACY_OPTIONS];
	size_t count;
};

/* Whether this emulator takes the option: it looks at all of them before it prints its version. */
static int ask_emulator(const char *emulator, const struct argument *argument, char *const argv[])
{
	char *question[5] = {(char *)emulator, argv[argument->index]};
	struct sigaction inherited, normal = {.sa_handler = SIG_DFL};
	int count = 2;
	pid_t pid = -1;
	int r;

	if (argument->value)
		question[count++] = (char *)argument->value;
	question[count] = (char *)"-version";
	/* A parent may have had us ignore SIGCHLD, and then there is no exit status to wait for. */
	if (sigaction(SIGCHLD, &normal, &inherited) < 0)
		return -errno;
	r = spawn_quietly(emulator, question, &pid);
	if (r == 0)
		r = wait_for(pid);
	sigaction(SIGCHLD, &inherited, NULL);
	return r < 0 ? r : r == 0;
}

static int is_known(struct answers *answers, const char *emulator, const struct argument *argument,
		    char *const argv[])
{
	const struct legacy_option *option = legacy_option_find(argument->name);
	size_t i;
	int known;

	for (i = 0; i < answers->count; i++) {
		if (answers->options[i] == option)
			return answers->known[i];
	}
	known = ask_emulator(emulator, argument, argv);
	if (known >= 0) {
		answers->options[answers->count] = option;
		answers->known[answers->count++] = known > 0;
	}
	return known;
}

static int add_string(char ***list, size_t *count, char *text)
{
	char **longer = text ? reallocarray(*list, *count + 1, sizeof(**list)) : NULL;

	if (!longer) {
		free(text);
		return -ENOMEM;
	}
	*list = longer;
	longer[(*count)++] = text;
	return 0;
}

/* Only the first refusal is kept: it ends the program. */
static int refuse(struct legacy *legacy, const struct legacy_option *option, const char *advice)
{
	if (legacy->refusal)
		return 0;
	legacy->refusal = text_format("QEMU no longer has the option \"-%s\"; %s", option->name,
				      advice);
	return legacy->refusal ? 0 : -ENOMEM;
}

/* The value of the new option: `value` as it stands, or with the old one in it. */
static int new_value(struct legacy *legacy, const struct legacy_option *option,
		     const struct argument *argument, char **ret_value)
{
	uint64_t megabytes;
	int r;

	if (option->kind != QEMU_OPTION_VALUE) {
		*ret_value = (char *)option->value;
		return 0;
	}
	if (number_parse_u64(argument->value, 1, INT64_MAX >> 20, &megabytes) < 0)
		return refuse(legacy, option, "its value is no number of megabytes");
	r = add_string(&legacy->values, &legacy->value_count,
		       text_format("kvm-shadow-mem=%llu", (unsigned long long)megabytes << 20));
	if (r == 0)
		*ret_value = legacy->values[legacy->value_count - 1];
	return r;
}

/* Writes one old option as today's into `out` and moves *count on. */
static int translate(struct legacy *legacy, const struct argument *argument, size_t *count)
{
	const struct legacy_option *option = legacy_option_find(argument->name);
	char *value = NULL;
	int r;

	if (!option->option)
		return refuse(legacy, option, option->advice);
	r = new_value(legacy, option, argument, &value);
	if (r < 0 || !value)
		return r;
	legacy->argv[(*count)++] = (char *)option->option;
	legacy->argv[(*count)++] = value;
	return add_string(
		&legacy->warnings, &legacy->warning_count,
		text_format("\"-%s\" is an option of the old qemu-kvm; QEMU gets \"%s %s\"",
			    option->name, option->option, value));
}

static bool lacks_value(const struct argument *argument)
{
	return argument->kind == QEMU_OPTION_VALUE && !argument->value;
}

static int take_argument(struct legacy *legacy, struct answers *answers,
			 const struct argument *argument, char *const argv[], const char *emulator,
			 size_t *count)
{
	/* QEMU complains of one that lacks its value, whether it knows it or not. */
	if (argument->name && legacy_option_kind(argument->name) >= 0 && !lacks_value(argument)) {
		int known = emulator ? is_known(answers, emulator, argument, argv) : 0;

		if (known <= 0)
			return known < 0 ? known : translate(legacy, argument, count);
	}
	legacy->argv[(*count)++] = argv[argument->index];
	if (argument->value)
		legacy->argv[(*count)++] = (char *)argument->value;
	return 0;
}

int legacy_translate(char *const argv[], const char *emulator, struct legacy *ret)
{
	struct legacy legacy = {0};
	struct answers answers = {.count = 0};
	struct argument argument;
	size_t length = 0, count = 0;
	int position = 1;
	int r = 0;

	while (argv[length])
		length++;
	/* An option without a value may become one that has a value. */
	legacy.argv = calloc(2 * length + 2, sizeof(*legacy.argv));
	if (!legacy.argv)
		return -ENOMEM;
	legacy.argv[count++] = argv[0];
	while (r == 0 && argument_next(argv, &position, &argument))
		r = take_argument(&legacy, &answers, &argument, argv, emulator, &count);
	if (r < 0)
		legacy_free(&legacy);
	else
		*ret = legacy;
	return r;
}

static void free_strings(char **list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(list[i]);
	free(list);
}

void legacy_free(struct legacy *legacy)
{
	free(legacy->argv);
	free_strings(legacy->values, legacy->value_count);
	free_strings(legacy->warnings, legacy->warning_count);
	free(legacy->refusal);
	*legacy = (struct legacy){0};
}
