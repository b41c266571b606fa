/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "host/text.h"

#define FILE_MAX (64 * 1024)

/* A carriage return, too: an editor may have left one at the end of each line. */
#define BLANKS " \t\r"

static const char *const policy_names[] = {
	[ACCEL_REQUIRE] = "require",
	[ACCEL_PREFER] = "prefer",
	[ACCEL_OFF] = "off",
};

int accel_policy_parse(const char *text, enum accel_policy *ret_policy)
{
	size_t i;

	for (i = 0; i < array_size(policy_names); i++) {
		if (strcmp(text, policy_names[i]) == 0) {
			*ret_policy = (enum accel_policy)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *accel_policy_name(enum accel_policy policy)
{
	return policy_names[policy];
}

const char *accel_policy_names(void)
{
	return "require, prefer or off";
}

static const struct {
	const char *name;
	enum config_module module;
} modules[] = {
	{"vhost_net", CONFIG_VHOST_NET},
	{"vhost_vsock", CONFIG_VHOST_VSOCK},
	{"tun", CONFIG_TUN},
};

int config_module_parse(const char *text, enum config_module *ret_module)
{
	size_t i;

	for (i = 0; i < array_size(modules); i++) {
		if (strcmp(text, modules[i].name) == 0) {
			*ret_module = modules[i].module;
			return 0;
		}
	}
	return -EINVAL;
}

const char *config_module_name(enum config_module module)
{
	size_t i;

	for (i = 0; modules[i].module != module; i++)
		;
	return modules[i].name;
}

const char *config_module_names(void)
{
	return "vhost_net, vhost_vsock and tun";
}

/* One file on its way into the configuration. */
struct reader {
	struct config *config;
	const char *path;
	bool has_accel, has_modules; /* in this file */
};

static char *take_accel(struct reader *reader, const char *value, bool *ret_taken)
{
	if (reader->has_accel)
		return text_format("accel is set a second time");
	if (accel_policy_parse(value, &reader->config->accel) < 0)
		return text_format("accel is \"%s\", must be %s", value, accel_policy_names());
	*ret_taken = reader->has_accel = true;
	reader->config->accel_source = reader->path;
	return NULL;
}

/* Names with blanks between them. None at all is a choice, too. */
static char *take_modules(struct reader *reader, char *value, bool *ret_taken)
{
	unsigned int chosen = 0;
	char *word;

	if (reader->has_modules)
		return text_format("modules is set a second time");
	while ((word = strsep(&value, BLANKS))) {
		enum config_module module;

		if (!*word)
			continue;
		if (config_module_parse(word, &module) < 0)
			return text_format("modules has \"%s\"; there are %s", word,
					   config_module_names());
		if (chosen & module)
			return text_format("modules has %s a second time", word);
		chosen |= module;
	}
	*ret_taken = reader->has_modules = true;
	reader->config->modules = chosen;
	reader->config->modules_source = reader->path;
	return NULL;
}

/* What is wrong with a setting, to be freed; NULL with *ret_taken when nothing is. */
static char *take_setting(struct reader *reader, const char *key, char *value, bool *ret_taken)
{
	*ret_taken = false;
	if (strcmp(key, "accel") == 0)
		return take_accel(reader, value, ret_taken);
	if (strcmp(key, "modules") == 0)
		return take_modules(reader, value, ret_taken);
	return text_format("unknown key \"%s\"; there are accel and modules", key);
}

/* Cuts the blanks off both ends of `text` and returns where it begins then. */
static char *strip(char *text)
{
	size_t length;

	text += strspn(text, BLANKS);
	length = strlen(text);
	while (length > 0 && strchr(BLANKS, text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/*
 * As take_setting(), for a whole line. The libraries for such files take more than this: sections,
 * other separators and comments, lines cut at 200 bytes, and the first or last of two settings.
 */
static char *take_line(struct reader *reader, char *line, bool *ret_taken)
{
	char *text = strip(line);
	char *equals = strchr(text, '=');

	*ret_taken = !*text || *text == '#';
	if (*ret_taken)
		return NULL;
	if (!equals || equals == text)
		return strdup("it is not \"key = value\"");
	*equals = '\0';
	return take_setting(reader, strip(text), strip(equals + 1), ret_taken);
}

/* Takes the lines of `text`, which has `length` bytes and a NUL behind them. */
static int parse(struct reader *reader, char *text, size_t length, char **ret_why)
{
	char *end = text + length;
	int number;

	for (number = 1; text < end; number++) {
		char *newline = strchrnul(text, '\n');
		bool taken = false;
		char *why;

		/* A NUL byte would hide the rest of its line. */
		if (!*newline && newline < end) {
			why = strdup("it holds a NUL byte");
		} else {
			*newline = '\0';
			why = take_line(reader, text, &taken);
		}
		if (!taken) {
			*ret_why = why ? text_format("%s:%d: %s", reader->path, number, why) : NULL;
			free(why);
			return *ret_why ? -EBADMSG : -ENOMEM;
		}
		text = newline + 1;
	}
	return 0;
}

/* As host_open(), but of a regular file only, so that nothing can make us wait. */
static int open_file(const struct host_root *root, const char *path)
{
	struct stat st;
	int fd = host_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return fd == -ENXIO ? -EINVAL : fd; /* a FIFO, a socket or a node of a tree */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

static ssize_t read_text(int fd, char *text, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = read(fd, text + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : (ssize_t)length;
		length += (size_t)n;
	}
	return -EFBIG;
}

static int read_file(const struct host_root *root, const char *path, struct config *config,
		     char **ret_why)
{
	struct reader reader = {.config = config, .path = path};
	cleanup_free char *text = NULL;
	cleanup_close int fd = open_file(root, path);
	ssize_t length = fd;

	if (fd == -ENOENT)
		return 0;
	if (fd >= 0) {
		text = calloc(1, FILE_MAX + 2);
		length = text ? read_text(fd, text, FILE_MAX + 1) : -ENOMEM;
	}
	if (length < 0) {
		*ret_why = text_format("%s: %s", path,
				       length == -EINVAL ? "not a regular file"
							 : strerror((int)-length));
		return (int)length;
	}
	return parse(&reader, text, (size_t)length, ret_why);
}

int config_read(const struct host_root *root, struct config *ret, char **ret_why)
{
	struct config config = {.accel = ACCEL_REQUIRE, .modules = CONFIG_VHOST_NET};
	int r;

	*ret_why = NULL;
	r = read_file(root, CONFIG_VENDOR_FILE, &config, ret_why);
	if (r == 0)
		r = read_file(root, CONFIG_FILE, &config, ret_why);
	if (r == 0)
		*ret = config;
	return r;
}
