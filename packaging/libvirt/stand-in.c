/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the place of each of libvirt's daemons and tools, by its name. A daemon takes the sockets that
 * systemd hands over, tells everybody who connects its name, and writes down what is done to it:
 * "NAME start VERSION", and "reload" on SIGHUP and SIGUSR1. On SIGUSR1 it executes the program that
 * has its name by then, as virtlogd and virtlockd do, and writes "new". A libvirtd that gets no
 * sockets makes its own, as it did before 2019.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "0"
#endif
#define LOG_FILE    "/run/libvirt-bench.log"
#define FIRST_FD    3
#define SOCKETS_MAX 8

static const char *const own_paths[] = {"/run/libvirt/libvirt-sock",
					"/run/libvirt/libvirt-sock-ro"};
static char name[64];
static struct pollfd fds[SOCKETS_MAX + 1]; /* signals, then sockets */
static nfds_t count = 1;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", name, what, strerror(errno));
	exit(1);
}

static void note(const char *what)
{
	int fd = open(LOG_FILE, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%s %s %s\n", name, what, VERSION) < 0)
		fail(LOG_FILE);
	close(fd);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	strcpy(address.sun_path, path);
	return address;
}

/* Type=notify: systemd takes the daemon for started then. */
static void say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	int fd;

	if (!path)
		return;
	address = address_of(path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*path == '@')
		*address.sun_path = '\0';
	if (fd < 0 || sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address,
			     (socklen_t)(sizeof(sa_family_t) + strlen(path))) < 0)
		fail("NOTIFY_SOCKET");
	close(fd);
}

static void add_socket(int fd)
{
	if (count > SOCKETS_MAX) {
		errno = E2BIG;
		fail("sockets");
	}
	fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	mkdir("/run/libvirt", 0755);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0)
		fail(path);
	add_socket(fd);
}

/* Returns whether they are its own, of files that it has to remove. */
static int take_sockets(void)
{
	const char *handed = getenv("LISTEN_FDS");
	int i, handed_count = handed ? atoi(handed) : 0;

	for (i = 0; i < handed_count; i++)
		add_socket(FIRST_FD + i);
	if (handed || strcmp(name, "libvirtd") != 0)
		return 0;
	make_socket(own_paths[0]);
	make_socket(own_paths[1]);
	return 1;
}

static void answer(int listener)
{
	/* cppcheck does not know that the address may be left out. */
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC); /* cppcheck-suppress nullPointer */

	if (fd >= 0) {
		dprintf(fd, "%s %d\n", name, getpid());
		close(fd);
	}
}

static void handle_signal(char *const *argv, int has_own)
{
	struct signalfd_siginfo info;

	if (read(fds[0].fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTERM) {
		if (has_own) {
			unlink(own_paths[0]);
			unlink(own_paths[1]);
		}
		exit(0);
	}
	note("reload");
	if (info.ssi_signo == SIGUSR1) {
		setenv("STAND_IN_GOES_ON", "1", 1);
		execv(argv[0], argv);
		fail(argv[0]);
	}
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	sigset_t signals;
	int has_own;
	nfds_t i;

	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : argv[0]);
	if (name[strlen(name) - 1] != 'd') {
		printf("%s: a stand-in%s%s\n", name, argc > 1 ? ", " : "", argc > 1 ? argv[1] : "");
		return 0;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fds[0] = (struct pollfd){.fd = signalfd(-1, &signals, SFD_CLOEXEC), .events = POLLIN};
	has_own = take_sockets();
	note(getenv("STAND_IN_GOES_ON") ? "new" : "start");
	say_ready();
	for (;;) {
		if (poll(fds, count, -1) < 0)
			fail("poll");
		for (i = 1; i < count; i++) {
			if (fds[i].revents)
				answer(fds[i].fd);
		}
		if (fds[0].revents)
			handle_signal(argv, has_own);
	}
}
