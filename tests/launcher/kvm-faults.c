/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a command for which /dev/kvm opens, answers and fails as told, whatever this machine has.
 *
 * The command takes the place of this process, so its id, exit status and signals are its own. A
 * process beside it answers the system calls that a seccomp filter hands out: of the command and
 * of its children, until the last of them has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/kvm.h>
#include <linux/openat2.h>
#include <poll.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "host/cleanup.h"

#define KVM_MAJOR  10
#define KVM_MINOR  232
#define ERRNO_MAX  133
#define FAKE_NAME  "kvm-faults"
#define FAKE_LINK  "/memfd:" FAKE_NAME
#define NOT_HERE   127
#define PROC_LIMIT 64

struct answers {
	int open_error; /* 0: it opens */
	int api_version, api_error;
	int vm_error;
	int missing_extension;     /* that KVM_CHECK_EXTENSION does not have, -1: it has all */
	int module_error;          /* of loading a module; 0: pretends that it is loaded */
	const char *faulty_module; /* the only one that fails so, or NULL */
	const char *module_log;    /* a file for what was to be loaded, or NULL */
	const char *machine;       /* what uname() tells, or NULL */
};

/* One system call that waits for its answer. */
struct call {
	int listener;
	const struct seccomp_notif *request;
	struct seccomp_notif_resp *response;
};

struct options {
	struct answers answers;
	const char *argv0;
	bool no_argv;
	char **command;
};

static void usage(void)
{
	puts("Usage: kvm-faults [OPTION]... -- COMMAND [ARGUMENT]...\n"
	     "Run COMMAND with a KVM device that works, but for these faults.\n\n"
	     "      --open ERRNO         opening it fails\n"
	     "      --api-version N      KVM_GET_API_VERSION returns N or fails with an ERRNO\n"
	     "      --create-vm ERRNO    KVM_CREATE_VM fails\n"
	     "      --without NUMBER     KVM_CHECK_EXTENSION of this one returns 0, of others 1\n"
	     "      --load-module [NAME=]ERRNO\n"
	     "                           loading modules, or only NAME, fails so (EPERM), with 0\n"
	     "                           seems to work\n"
	     "      --module-log FILE    appends name and options of each module; what seems to be\n"
	     "                           loaded gets its directory in /sys/module, and KVM's in\n"
	     "                           /sys/class/misc, which have to be private mounts\n"
	     "      --machine NAME       uname() tells this machine\n"
	     "      --argv0 NAME         the command's name for itself\n"
	     "      --no-argv            the command gets no argument, not even its name\n\n"
	     "/dev/kvm must be there as a device node 10:232, of which no driver is needed.");
}

/* A name such as EBUSY or a number. Returns -1 for anything else. */
static int parse_errno(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (*text && !*end && number >= 0 && number <= ERRNO_MAX)
		return (int)number;
	for (int i = 1; i <= ERRNO_MAX; i++) {
		const char *name = strerrorname_np(i);

		if (name && strcmp(name, text) == 0)
			return i;
	}
	return -1;
}

static void parse_api_version(const char *text, struct answers *answers)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (*text && !*end && number >= 0 && number <= INT_MAX)
		answers->api_version = (int)number;
	else
		answers->api_error = parse_errno(text);
}

static void parse_load_module(char *text, struct answers *answers)
{
	char *equals = strchr(text, '=');

	answers->faulty_module = NULL;
	if (equals) {
		*equals = '\0';
		answers->faulty_module = text;
		text = equals + 1;
	}
	answers->module_error = parse_errno(text);
}

/* Returns 0, or -1 when the command line is wrong. */
static int parse(int argc, char *argv[], struct options *options)
{
	static const struct option table[] = {
		{"open", required_argument, NULL, 'o'},
		{"api-version", required_argument, NULL, 'a'},
		{"create-vm", required_argument, NULL, 'c'},
		{"without", required_argument, NULL, 'w'},
		{"load-module", required_argument, NULL, 'l'},
		{"machine", required_argument, NULL, 'm'},
		{"module-log", required_argument, NULL, 'L'},
		{"argv0", required_argument, NULL, '0'},
		{"no-argv", no_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct answers *answers = &options->answers;
	int option;

	while ((option = getopt_long(argc, argv, "+", table, NULL)) != -1) {
		switch (option) {
		case 'o':
			answers->open_error = parse_errno(optarg);
			break;
		case 'a':
			parse_api_version(optarg, answers);
			break;
		case 'c':
			answers->vm_error = parse_errno(optarg);
			break;
		case 'w':
			answers->missing_extension = (int)strtol(optarg, NULL, 10);
			break;
		case 'l':
			parse_load_module(optarg, answers);
			break;
		case 'L':
			answers->module_log = optarg;
			break;
		case 'm':
			answers->machine = optarg;
			break;
		case '0':
			options->argv0 = optarg;
			break;
		case 'n':
			options->no_argv = true;
			break;
		case 'h':
			usage();
			exit(0);
		default:
			return -1;
		}
	}
	options->command = argv + optind;
	if (optind == argc || answers->open_error < 0 || answers->api_error < 0 ||
	    answers->vm_error < 0 || answers->module_error < 0)
		return -1;
	return 0;
}

/* Reads the memory of the process that waits, which may end before `size` bytes. */
static ssize_t read_memory(pid_t pid, uint64_t address, void *buf, size_t size)
{
	char name[PROC_LIMIT];
	cleanup_close int fd = -1;

	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : pread(fd, buf, size, (off_t)address);
}

static int write_memory(pid_t pid, uint64_t address, const void *buf, size_t size)
{
	char name[PROC_LIMIT];
	cleanup_close int fd = -1;

	snprintf(name, sizeof(name), "/proc/%d/mem", pid);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && pwrite(fd, buf, size, (off_t)address) == (ssize_t)size ? 0 : -1;
}

/* Whether that path is the KVM device for the process that waits. */
static bool is_kvm(pid_t pid, int dirfd, const char *path)
{
	char name[PATH_MAX + PROC_LIMIT];
	cleanup_close int fd = -1;
	struct stat st;

	if (*path == '/')
		snprintf(name, sizeof(name), "/proc/%d/root%s", pid, path);
	else if (dirfd == AT_FDCWD)
		snprintf(name, sizeof(name), "/proc/%d/cwd/%s", pid, path);
	else
		snprintf(name, sizeof(name), "/proc/%d/fd/%d/%s", pid, dirfd, path);
	fd = open(name, O_PATH | O_CLOEXEC);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(KVM_MAJOR, KVM_MINOR);
}

static bool is_fake(pid_t pid, int fd)
{
	char name[PROC_LIMIT], target[PROC_LIMIT];
	ssize_t length;

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", pid, fd);
	length = readlink(name, target, sizeof(target));
	return length >= (ssize_t)strlen(FAKE_LINK) &&
	       strncmp(target, FAKE_LINK, strlen(FAKE_LINK)) == 0;
}

static void answer_value(const struct call *call, int64_t value)
{
	call->response->flags = 0;
	call->response->val = value;
}

static void answer_error(const struct call *call, int error)
{
	call->response->flags = 0;
	call->response->error = -error;
}

/* A descriptor that the process has from now on. */
static void answer_fake(const struct call *call, bool cloexec)
{
	cleanup_close int fd = memfd_create(FAKE_NAME, MFD_CLOEXEC);
	struct seccomp_notif_addfd addfd = {
		.id = call->request->id,
		.srcfd = (uint32_t)fd,
		.newfd_flags = cloexec ? O_CLOEXEC : 0,
	};
	int number = fd < 0 ? -1 : ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);

	if (number < 0)
		answer_error(call, errno);
	else
		answer_value(call, number);
}

/* open, openat and openat2, whose path and flags stand in different places. */
static void answer_open(const struct call *call, const struct answers *answers)
{
	const struct seccomp_data *data = &call->request->data;
	pid_t pid = (pid_t)call->request->pid;
	bool at = data->nr != SCMP_SYS(open);
	uint64_t flags = data->args[at ? 2 : 1];
	char path[PATH_MAX + 1] = "";
	ssize_t length = read_memory(pid, data->args[at ? 1 : 0], path, PATH_MAX);

	path[length < 0 ? 0 : length] = '\0';
	if (data->nr == SCMP_SYS(openat2) &&
	    read_memory(pid, data->args[2], &flags, sizeof(flags)) != sizeof(flags))
		return;
	if (seccomp_notify_id_valid(call->listener, call->request->id) != 0)
		return;
	if ((flags & O_PATH) || !is_kvm(pid, at ? (int)data->args[0] : AT_FDCWD, path))
		return;
	if (answers->open_error)
		answer_error(call, answers->open_error);
	else
		answer_fake(call, flags & O_CLOEXEC);
}

static void answer_ioctl(const struct call *call, const struct answers *answers)
{
	const struct seccomp_data *data = &call->request->data;

	if (!is_fake((pid_t)call->request->pid, (int)data->args[0]))
		return;
	if ((unsigned int)data->args[1] == KVM_CREATE_VM) {
		if (answers->vm_error)
			answer_error(call, answers->vm_error);
		else
			answer_fake(call, true);
	} else if ((unsigned int)data->args[1] == KVM_CHECK_EXTENSION) {
		answer_value(call, (int)data->args[2] != answers->missing_extension);
	} else if (answers->api_error) {
		answer_error(call, answers->api_error);
	} else {
		answer_value(call, answers->api_version);
	}
}

static void answer_uname(const struct call *call, const struct answers *answers)
{
	struct utsname name;

	if (uname(&name) < 0)
		return;
	snprintf(name.machine, sizeof(name.machine), "%s", answers->machine);
	if (write_memory((pid_t)call->request->pid, call->request->data.args[0], &name,
			 sizeof(name)) == 0)
		answer_value(call, 0);
}

/* What the kernel would do, as far as the command can see. */
static void pretend_loaded(const char *name)
{
	char path[PATH_MAX];
	cleanup_fclose FILE *state = NULL;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	state = fopen(path, "we");
	if (state)
		fputs("live\n", state);
	if (strncmp(name, "kvm_", strlen("kvm_")) == 0)
		mkdir("/sys/class/misc/kvm", 0755);
}

/* init_module() is only counted: what is loaded is known of finit_module() alone. */
static void answer_module(const struct call *call, const struct answers *answers)
{
	const struct seccomp_data *data = &call->request->data;
	pid_t pid = (pid_t)call->request->pid;
	char link[PROC_LIMIT], file[PATH_MAX] = "?", options[PATH_MAX] = "";
	cleanup_fclose FILE *log = answers->module_log ? fopen(answers->module_log, "ae") : NULL;
	char *name = file;
	int error;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, (int)data->args[0]);
	if (data->nr == SCMP_SYS(finit_module) && readlink(link, file, sizeof(file) - 1) > 0 &&
	    read_memory(pid, data->args[1], options, sizeof(options) - 1) >= 0) {
		name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
		name[strcspn(name, ".")] = '\0';
	}
	error = answers->faulty_module && strcmp(answers->faulty_module, name) != 0
			? 0
			: answers->module_error;
	if (log) {
		fprintf(log, "%s %s\n", name, options);
		if (!error)
			pretend_loaded(name);
	}
	if (error)
		answer_error(call, error);
	else
		answer_value(call, 0);
}

/* What is not answered here is done by the kernel. */
static void answer(const struct call *call, const struct answers *answers)
{
	int nr = call->request->data.nr;

	call->response->id = call->request->id;
	call->response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (nr == SCMP_SYS(ioctl))
		answer_ioctl(call, answers);
	else if (nr == SCMP_SYS(uname))
		answer_uname(call, answers);
	else if (nr == SCMP_SYS(init_module) || nr == SCMP_SYS(finit_module))
		answer_module(call, answers);
	else
		answer_open(call, answers);
}

/* Answers until nobody is left who could ask. */
static void supervise(int listener, const struct answers *answers)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};
	struct call call = {.listener = listener};

	for (;;) {
		struct seccomp_notif *request;

		if (poll(&ready, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (!(ready.revents & POLLIN))
			return;
		if (seccomp_notify_alloc(&request, &call.response) != 0)
			return;
		/* It fails when the process has been killed in the meantime. */
		if (seccomp_notify_receive(listener, request) == 0) {
			call.request = request;
			answer(&call, answers);
			(void)seccomp_notify_respond(listener, call.response);
		}
		seccomp_notify_free(request, call.response);
	}
}

static int send_fd(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct iovec data = {.iov_base = &(char){0}, .iov_len = 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* Returns -1 when nothing was sent, because the other side has failed. */
static int receive_fd(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* The process that answers: nobody's child, and it holds nothing of its maker's open. */
static void start_supervisor(int socket, const struct answers *answers)
{
	pid_t pid = fork();

	if (pid == 0) {
		int listener;

		setsid();
		if (fork() != 0)
			_exit(0);
		dup2(socket, STDIN_FILENO);
		close_range(STDERR_FILENO, UINT_MAX, 0);
		close(STDOUT_FILENO);
		listener = receive_fd(STDIN_FILENO);
		if (listener >= 0)
			supervise(listener, answers);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static int add_rules(scmp_filter_ctx filter, const struct answers *answers)
{
	static const int always[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2),
				     SCMP_SYS(init_module), SCMP_SYS(finit_module)};
	static const unsigned int requests[] = {KVM_GET_API_VERSION, KVM_CREATE_VM,
						KVM_CHECK_EXTENSION};
	int rc = 0;

	/* A number below 0 is a call that this architecture does not have. */
	for (size_t i = 0; rc == 0 && i < array_size(always); i++)
		if (always[i] >= 0)
			rc = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, always[i], 0);
	for (size_t i = 0; rc == 0 && i < array_size(requests); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(ioctl), 1,
				      SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
	if (rc == 0 && answers->machine)
		rc = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(uname), 0);
	return rc;
}

/* Returns the descriptor on which the calls of this process are answered from now on, or -errno. */
static int load_filter(const struct answers *answers)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int rc = filter ? add_rules(filter, answers) : -ENOMEM;

	if (rc == 0)
		rc = seccomp_load(filter);
	if (rc == 0)
		rc = seccomp_notify_fd(filter);
	if (filter)
		seccomp_release(filter);
	return rc;
}

static int run(const struct options *options)
{
	char *nothing[] = {NULL};
	char *program = options->command[0];
	int sockets[2], listener;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	start_supervisor(sockets[1], &options->answers);
	close(sockets[1]);
	listener = load_filter(&options->answers);
	if (listener < 0)
		return listener;
	if (send_fd(sockets[0], listener) < 0)
		return -EPIPE;
	close(listener);
	close(sockets[0]);
	if (options->argv0)
		options->command[0] = (char *)options->argv0;
	execvp(program, options->no_argv ? nothing : options->command);
	return -errno;
}

int main(int argc, char *argv[])
{
	struct options options = {.answers = {.api_version = KVM_API_VERSION,
					      .module_error = EPERM,
					      .missing_extension = -1}};

	if (parse(argc, argv, &options) < 0) {
		fputs("Try 'kvm-faults --help' for more information.\n", stderr);
		return NOT_HERE;
	}
	fprintf(stderr, "kvm-faults: %s: %s\n", options.command[0], strerror(-run(&options)));
	return NOT_HERE;
}
