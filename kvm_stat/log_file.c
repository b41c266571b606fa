/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/log_file.h"

#include <errno.h>
#include <fcntl.h>
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

int log_file_open(struct log_file *file, const char *path)
{
	struct stat st;
	bool regular = false;
	int fd, r;

	if (!path) {
		*file = (struct log_file){.fd = STDOUT_FILENO,
					  .regular = fstat(STDOUT_FILENO, &st) == 0 &&
						     S_ISREG(st.st_mode)};
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
	*file = (struct log_file){.path = path, .fd = fd, .regular = regular};
	return 0;
}

int log_file_reopen(struct log_file *file)
{
	struct log_file again;
	int r;

	if (!file->path)
		return 0;
	r = log_file_open(&again, file->path);
	if (r < 0)
		return r;
	r = log_file_close(file);
	*file = again;
	return r;
}

int log_file_close(struct log_file *file)
{
	int fd = file->fd;

	file->fd = -1;
	if (fd < 0 || !file->path)
		return 0;
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int log_file_write(struct log_file *file, const char *text, size_t length)
{
	off_t end = file->regular ? lseek(file->fd, 0, SEEK_END) : -1;
	size_t done = 0;
	int error = 0;

	while (done < length && !error) {
		ssize_t n = write(file->fd, text + done, length - done);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			/* Somebody made our standard output non-blocking. */
			struct pollfd wait = {.fd = file->fd, .events = POLLOUT};

			(void)poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			error = -errno;
		}
	}
	if (error && done && end >= 0 && ftruncate(file->fd, end) < 0)
		return error; /* the first error is the one to tell */
	return error;
}

bool log_file_begins_with(const struct log_file *file, const char *text, size_t length)
{
	cleanup_free char *start = malloc(length ? length : 1);

	return start && file->regular && pread(file->fd, start, length, 0) == (ssize_t)length &&
	       memcmp(start, text, length) == 0;
}
