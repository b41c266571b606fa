/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/run.h"

#include <string.h>

#include "host/message.h"
#include "host/root.h"
#include "host/stdout.h"
#include "udev/apply.h"
#include "udev/monitor.h"
#include "udev/options.h"
#include "udev/status.h"
#include "udev/wait.h"

static int run_status(const struct host_root *root, const struct options *options)
{
	int r = status_print(root, options->json);

	if (r == 0)
		return 0;
	message_error("cannot read the state of the nodes: %s", strerror(-r));
	return 1;
}

static int run_command(const struct host_root *root, const struct options *options)
{
	switch (options->command) {
	case COMMAND_STATUS:
		return run_status(root, options);
	case COMMAND_APPLY:
		return apply_run(root, options);
	case COMMAND_WAIT:
		return wait_run(root, options);
	case COMMAND_MONITOR:
		return monitor_run(root, options);
	}
	return 2;
}

int kvm_device_run(int argc, char *argv[])
{
	struct host_root root;
	struct options options;
	int r, status;

	message_set_program(argc > 0 ? argv[0] : NULL, "kvm-device");
	if (options_parse(argc, argv, &options, &status) == 0)
		return stdout_close(status);
	r = host_root_open(options.sysroot, &root);
	if (r < 0) {
		message_error("cannot open %s: %s", options.sysroot ? options.sysroot : "/",
			      strerror(-r));
		return stdout_close(1);
	}
	status = run_command(&root, &options);
	host_root_close(&root);
	return stdout_close(status);
}
