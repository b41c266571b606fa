/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/run.h"

#include <errno.h>
#include <string.h>

#include "host/config.h"
#include "host/message.h"
#include "host/stdout.h"
#include "modprobe/options.h"
#include "modprobe/parameters.h"
#include "modprobe/report.h"
#include "modprobe/work.h"

#define STATUS_FAILED 1

static int out_of_memory(void)
{
	message_error("out of memory");
	return STATUS_FAILED;
}

static int list_parameters(const struct options *options, const struct host_root *root)
{
	cleanup_free char *path = NULL;
	int r = parameters_print(root, options->json, &path);

	if (r < 0) {
		message_error("%s: %s", path ? path : "parameters", strerror(-r));
		return STATUS_FAILED;
	}
	if (r == 0 && !options->json)
		message_error("%s: no module with parameters is loaded; run \"kvm-modprobe\" as "
			      "root",
			      outcome_name(OUTCOME_NOT_LOADED));
	return r == 0 ? outcome_status(OUTCOME_NOT_LOADED) : 0;
}

/* At boot, hosts that cannot have KVM are as they should be. */
static int status_of(const struct options *options, enum outcome outcome)
{
	if (options->boot &&
	    (outcome == OUTCOME_NO_CPU_SUPPORT || outcome == OUTCOME_DISABLED_BY_FIRMWARE))
		return 0;
	return outcome_status(outcome);
}

static int work_on(const struct options *options, const struct host_root *root)
{
	struct config config = {0};
	cleanup_free char *why = NULL;
	struct work work;
	int r, status = STATUS_FAILED;

	/* Who names the modules does not need the configuration, nor its being right. */
	if (options->module_count == 0 && config_read(root, &config, &why) < 0) {
		message_error("%s", why ? why : "out of memory");
		return STATUS_FAILED;
	}
	r = work_do(options, root, config.modules, &work);
	if (r == 0) {
		status = status_of(options, work_outcome(&work));
		r = report_work(options, &work, status);
	}
	work_free(&work);
	return r < 0 ? out_of_memory() : status;
}

int kvm_modprobe_run(int argc, char *argv[])
{
	struct options options;
	struct host_root root;
	int r, status = 0;

	message_set_program(argc > 0 ? argv[0] : NULL, "kvm-modprobe");
	if (options_parse(argc, argv, &options, &status) == 0)
		return stdout_close(status);
	r = host_root_open(options.sysroot, &root);
	if (r < 0) {
		message_error("cannot open %s: %s", options.sysroot ? options.sysroot : "/",
			      strerror(-r));
		return STATUS_FAILED;
	}
	status = options.mode == MODE_LIST ? list_parameters(&options, &root)
					   : work_on(&options, &root);
	host_root_close(&root);
	return stdout_close(status);
}
