/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_NONBLOCK: opening a FIFO without a reader must fail instead of waiting. */
#define LOG_FLAGS (O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
#define LOG_MODE  0666 /* less the umask */

static int open_path(const char *path)
{
	/* Readable too, where it may be: for the header that is there already. */
	int fd = open(path, O_RDWR | LOG_FLAGS, LOG_MODE);

	if (fd < 0 && errno == EACCES)
		fd = open(path, O_WRONLY | LOG_FLAGS, LOG_MODE);
	return fd < 0 ? -errno : fd;
}

/* Opening for reading and writing succeeds on a FIFO without a reader, so its type decides. */
static int check_type(int fd, bool *ret_regular)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return -ENOTSUP;
	*ret_regular = S_ISREG(st.st_mode);
	return 0;
}

/* As a crash amid a write leaves it: the next record must not go on in that line. */
static int end_last_line(struct log_file *file)
{
	off_t end = file->regular ? lseek(file->fd, 0, SEEK_END) : 0;
	char last = '\n';

	if (end <= 0 || pread(file->fd, &last, 1, end - 1) != 1 || last == '\n')
		return 0;
	return log_file_write(file, "\n", 1);
}

int log_file_open(struct log_file *file, const char *path, int signal_fd)
{
	struct stat st;
	bool regular = false;
	int fd, r;

	if (!path) {
		regular = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
		*file = (struct log_file){
			.fd = STDOUT_FILENO, .regular = regular, .signal_fd = signal_fd};
		return 0;
	}
	fd = open_path(path);
	if (fd < 0)
		return fd;
	r = check_type(fd, &regular);
	if (r < 0) {
		close(fd);
		return r;
	}
	*file = (struct log_file){
		.path = path, .fd = fd, .regular = regular, .signal_fd = signal_fd};
	r = end_last_line(file);
	if (r < 0)
		(void)!log_file_close(file);
	return r;
}

int log_file_reopen(struct log_file *file, int *ret_close_error)
{
	struct log_file again;
	int r;

	*ret_close_error = 0;
	if (!file->path)
		return 0;
	r = log_file_open(&again, file->path, file->signal_fd);
	if (r < 0)
		return r;
	*ret_close_error = log_file_close(file);
	*file = again;
	return 0;
}

int log_file_close(struct log_file *file)
{
	int fd = file->fd;

	file->fd = -1;
	if (fd < 0 || !file->path)
		return 0;
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

/*
 * Waits until a pipe or terminal takes something. A write to one whose reader stands still would
 * keep us from hearing the signals, which are blocked.
 */
static int wait_writable(const struct log_file *file)
{
	struct pollfd fds[] = {{.fd = file->fd, .events = POLLOUT},
			       {.fd = file->signal_fd, .events = POLLIN}};

	while (poll(fds, array_size(fds), -1) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return fds[0].revents ? 0 : -ECANCELED;
}

int log_file_write(struct log_file *file, const char *text, size_t length)
{
	off_t end = file->regular ? lseek(file->fd, 0, SEEK_END) : -1;
	size_t done = 0;
	int error = 0;

	while (done < length && !error) {
		size_t part = length - done;
		ssize_t n;

		/* What poll() calls writable takes at least so much without waiting. */
		if (!file->regular) {
			error = wait_writable(file);
			if (error)
				break;
			part = part > _POSIX_PIPE_BUF ? _POSIX_PIPE_BUF : part;
		}
		n = write(file->fd, text + done, part);
		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			error = -errno;
	}
	/* Should that fail too, the first error is the one to tell. */
	if (error && done && end >= 0)
		(void)!ftruncate(file->fd, end);
	return error;
}

int log_file_write_stream(struct log_file *file, FILE *stream, char **text, const size_t *length)
{
	int r = fclose(stream) ? -ENOMEM : log_file_write(file, *text, *length);

	free(*text);
	return r;
}

/* Reads a file line by line in bounded memory, to judge those that begin with a prefix. */
struct line_matcher {
	const char *prefix, *line;
	size_t position;         /* in the present line */
	bool has_prefix, equals; /* the present line, so far */
	bool last_equals;        /* the last line that had the prefix */
};

static void match_byte(struct line_matcher *matcher, char c)
{
	size_t at = matcher->position++;

	if (at == 0)
		matcher->has_prefix = matcher->equals = true;
	if (at < strlen(matcher->prefix))
		matcher->has_prefix &= c == matcher->prefix[at];
	matcher->equals = matcher->equals && at < strlen(matcher->line) && c == matcher->line[at];
	if (c != '\n')
		return;
	if (matcher->has_prefix && at >= strlen(matcher->prefix))
		matcher->last_equals = matcher->equals && !matcher->line[at + 1];
	matcher->position = 0;
}

bool log_file_last_line_is(const struct log_file *file, const char *prefix, const char *line)
{
	struct line_matcher matcher = {.prefix = prefix, .line = line};
	char block[16384];
	off_t at = 0;
	ssize_t n;

	while (file->regular && (n = pread(file->fd, block, sizeof(block), at)) > 0) {
		ssize_t i;

		for (i = 0; i < n; i++)
			match_byte(&matcher, block[i]);
		at += n;
	}
	return matcher.last_equals;
}
