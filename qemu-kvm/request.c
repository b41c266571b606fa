/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "qemu-kvm/argument.h"
#include "qemu-kvm/keyval.h"
#include "qemu-kvm/qemu_config.h"
#include "qemu-kvm/qemu_options.h"

#define cleanup_keyvals cleanup(keyvals_free)

/* Where QEMU reads its own defaults, unless it was built for another directory. */
#define QEMU_CONFIG "/etc/qemu/qemu.conf"

/*
 * Of these QEMU keeps the last value, and looks at it when it has read them all: "help" ahead of
 * another value asks for nothing. It obeys the other options' "help", whatever follows.
 */
static const char *const last_of[] = {"cpu", "d", "vga"};

/* What has been read so far. Of several machine settings QEMU takes the last one. */
struct scan {
	struct request request;
	char *machine;                       /* its type */
	char *accelerators;                  /* the machine's accel=, such as "kvm:tcg" */
	int kvm_options, other_options;      /* how many -accel there are with and without KVM */
	bool last_asks[array_size(last_of)]; /* the last value of each so far asks for help */
	const char *source;                  /* of what is being read, NULL: the command line */
};

/* Remembers a choice, for a message: how it looks on the command line, or where it stands. */
static int set_choice(struct scan *scan, const char *what, const char *value)
{
	char *text;
	int length;

	if (scan->source)
		length = asprintf(&text, "%s%s in %s", what, value, scan->source);
	else
		length = asprintf(&text, "%s%s", what, value);
	if (length < 0)
		return -ENOMEM;
	free(scan->request.choice);
	scan->request.choice = text;
	return 0;
}

static int replace(char **to, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

/* `what` is how the setting is written, up to its value. */
static int take_machine_accel(struct scan *scan, const char *what, const char *accelerators)
{
	int r = replace(&scan->accelerators, accelerators);

	return r < 0 ? r : set_choice(scan, what, accelerators);
}

static int take_machine(struct scan *scan, const struct keyvals *settings)
{
	const char *type = keyvals_get(settings, "type");
	const char *accel = keyvals_get(settings, "accel");
	int r = 0;

	if (type)
		r = replace(&scan->machine, type);
	if (r == 0 && accel)
		r = take_machine_accel(scan, scan->source ? "accel=" : "-machine accel=", accel);
	return r;
}

static int take_accel(struct scan *scan, const struct keyvals *settings)
{
	const char *accel = keyvals_get(settings, "accel");

	/* With device= it is another node than /dev/kvm, or a descriptor (QEMU 8.2). */
	if (accel && strcmp(accel, "kvm") == 0 && !keyvals_has(settings, "device"))
		scan->kvm_options++;
	else
		scan->other_options++;
	return set_choice(scan, scan->source ? "[accel] " : "-accel ", accel ? accel : "");
}

static bool begins_with(const char *text, const char *start)
{
	return text && strncmp(text, start, strlen(start)) == 0;
}

/* A tap whose vhost descriptors are handed over needs no module of us: its caller has them. */
static void take_network(struct scan *scan, const struct keyvals *settings)
{
	const char *type = keyvals_get(settings, "type");
	bool wanted = keyvals_is_on(settings,
				    keyvals_has(settings, "vhost") ? "vhost" : "vhostforce");

	if (wanted && type && strcmp(type, "tap") == 0 && !keyvals_has(settings, "vhostfd") &&
	    !keyvals_has(settings, "vhostfds"))
		scan->request.vhost_net = true;
}

static void take_device(struct scan *scan, const struct keyvals *settings)
{
	if (begins_with(keyvals_get(settings, "driver"), "vhost-vsock") &&
	    !keyvals_has(settings, "vhostfd"))
		scan->request.vhost_vsock = true;
}

/* The options and groups that matter, and the key that their value has without a name. */
enum group { GROUP_OTHER, GROUP_ACCEL, GROUP_DEVICE, GROUP_MACHINE, GROUP_NETWORK };

static enum group find_group(const char *name, const char **ret_implied)
{
	static const struct {
		const char *name, *implied;
		enum group group;
	} groups[] = {
		{"M", "type", GROUP_MACHINE},       {"accel", "accel", GROUP_ACCEL},
		{"device", "driver", GROUP_DEVICE}, {"machine", "type", GROUP_MACHINE},
		{"net", "type", GROUP_NETWORK},     {"netdev", "type", GROUP_NETWORK},
		{"nic", "type", GROUP_NETWORK},
	};
	size_t i;

	*ret_implied = NULL;
	for (i = 0; i < array_size(groups); i++) {
		if (strcmp(name, groups[i].name) == 0) {
			*ret_implied = groups[i].implied;
			return groups[i].group;
		}
	}
	return GROUP_OTHER;
}

static int take_group(struct scan *scan, enum group group, const struct keyvals *settings)
{
	switch (group) {
	case GROUP_ACCEL:
		return take_accel(scan, settings);
	case GROUP_MACHINE:
		return take_machine(scan, settings);
	case GROUP_DEVICE:
		take_device(scan, settings);
		return 0;
	case GROUP_NETWORK:
		take_network(scan, settings);
		return 0;
	case GROUP_OTHER:
		break;
	}
	return 0;
}

static int take_config_group(const char *name, const struct keyvals *settings, void *data)
{
	const char *implied;

	return take_group(data, find_group(name, &implied), settings);
}

/* Reads a configuration file of QEMU, closes `node` and returns as qemu_config_read() does. */
static int read_config(struct scan *scan, int node, const char *path)
{
	int r;

	if (node < 0)
		return node;
	scan->source = path;
	r = qemu_config_read(node, take_config_group, scan);
	scan->source = NULL;
	close(node);
	return r;
}

/* Of the file that -readconfig names. What it cannot be read for is QEMU's to tell. */
static int take_readconfig(struct scan *scan, const char *path)
{
	int r = read_config(scan, open(path, O_PATH | O_CLOEXEC), path);

	if (r == -ESPIPE)
		return replace(&scan->request.unseen, path);
	return r == -ENOMEM ? r : 0;
}

static int read_default_config(struct scan *scan, const struct host_root *root)
{
	int r = read_config(scan, host_open(root, QEMU_CONFIG, O_PATH), QEMU_CONFIG);

	return r == -ENOMEM ? r : 0;
}

/* "-set GROUP.ID.KEY=VALUE". QEMU knows it of accel; of machine only before version 6. */
static int take_set(struct scan *scan, const char *value)
{
	const char *equals = strchr(value, '=');

	if (begins_with(value, "accel.")) {
		scan->other_options++;
		return set_choice(scan, "-set ", value);
	}
	if (begins_with(value, "machine.") && equals && memcmp(equals - 6, ".accel", 6) == 0)
		return take_machine_accel(scan, "-set machine accel=", equals + 1);
	return 0;
}

static void take_help(struct scan *scan, const struct argument *argument)
{
	bool asks = qemu_option_asks_for_help(argument->name, argument->value);
	size_t i;

	for (i = 0; i < array_size(last_of); i++) {
		if (strcmp(argument->name, last_of[i]) == 0) {
			scan->last_asks[i] = asks;
			return;
		}
	}
	if (asks)
		scan->request.information = true;
}

static int take_value(struct scan *scan, const struct argument *argument)
{
	cleanup_keyvals struct keyvals settings = {0};
	const char *implied;
	enum group group = find_group(argument->name, &implied);
	int r;

	if (strcmp(argument->name, "readconfig") == 0)
		return take_readconfig(scan, argument->value);
	if (strcmp(argument->name, "set") == 0)
		return take_set(scan, argument->value);
	if (argument->kind == QEMU_OPTION_HELP)
		take_help(scan, argument);
	if (group == GROUP_OTHER)
		return 0;
	r = keyvals_parse(argument->value, implied, &settings);
	if (r < 0)
		return r;
	return take_group(scan, group, &settings);
}

static int take_argument(struct scan *scan, const struct argument *argument)
{
	if (!argument->name)
		return 0;
	if (argument->value)
		return take_value(scan, argument);
	/* Without the value it takes, QEMU complains of the option and ends. */
	if (argument->kind == QEMU_OPTION_INFORMATION || argument->kind == QEMU_OPTION_VALUE ||
	    argument->kind == QEMU_OPTION_HELP)
		scan->request.information = true;
	else if (strcmp(argument->name, "enable-kvm") == 0)
		return take_machine_accel(scan, "-enable-", "kvm");
	else if (strcmp(argument->name, "enable-hax") == 0)
		return take_machine_accel(scan, "-enable-", "hax");
	else if (strcmp(argument->name, "no-kvm") == 0) /* of a QEMU that still has it */
		return take_machine_accel(scan, "-no-kvm, accel=", "tcg");
	return 0;
}

/* QEMU, too, looks for these before anything else. */
static bool default_config_is_off(char *const argv[])
{
	struct argument argument;
	int position = 1;

	while (argument_next(argv, &position, &argument)) {
		if (argument.name && (strcmp(argument.name, "no-user-config") == 0 ||
				      strcmp(argument.name, "nodefconfig") == 0))
			return true;
	}
	return false;
}

/* Whether a list such as "kvm:tcg" holds KVM and nothing else. */
static bool is_kvm_only(const char *accelerators)
{
	const char *p = accelerators;

	while (p) {
		size_t length = strcspn(p, ":");

		if (length != 3 || memcmp(p, "kvm", 3) != 0)
			return false;
		p = p[length] ? p + length + 1 : NULL;
	}
	return true;
}

static int settle(struct scan *scan)
{
	struct request *request = &scan->request;
	size_t i;

	for (i = 0; i < array_size(last_of); i++)
		request->information = request->information || scan->last_asks[i];
	if (scan->machine && strcmp(scan->machine, "none") == 0)
		request->information = true;
	if (request->information)
		request->vhost_net = request->vhost_vsock = false;
	if (scan->kvm_options + scan->other_options > 0)
		request->needs_kvm = scan->other_options == 0;
	else if (scan->accelerators)
		request->needs_kvm = is_kvm_only(scan->accelerators);
	/* The machines of Xen bring their accelerator along. */
	if (!request->choice && begins_with(scan->machine, "xen"))
		return set_choice(scan, "-machine ", scan->machine);
	return 0;
}

int request_read(char *const argv[], const struct host_root *root, struct request *ret)
{
	struct scan scan = {0};
	struct argument argument;
	int position = 1;
	int r = 0;

	if (!default_config_is_off(argv))
		r = read_default_config(&scan, root);
	while (r == 0 && argument_next(argv, &position, &argument))
		r = take_argument(&scan, &argument);
	if (r == 0)
		r = settle(&scan);
	free(scan.machine);
	free(scan.accelerators);
	if (r < 0)
		request_free(&scan.request);
	else
		*ret = scan.request;
	return r;
}

void request_free(struct request *request)
{
	free(request->choice);
	free(request->unseen);
	*request = (struct request){0};
}
