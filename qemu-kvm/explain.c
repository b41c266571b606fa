/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/explain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "host/module.h"
#include "host/text.h"
#include "qemu-kvm/vhost.h"

static int print_line(const char *label, const char *format, ...) printf_like(2, 3) must_check;

/* Arguments may hold anything; what is printed is clean. */
static int print_line(const char *label, const char *format, ...)
{
	cleanup_free char *clean = NULL;
	va_list args;

	va_start(args, format);
	clean = text_format_clean(format, args);
	va_end(args);
	if (!clean)
		return -ENOMEM;
	printf("%s: %s\n", label, clean);
	return 0;
}

static int explain_accelerator(const struct plan *plan)
{
	if (plan->accel)
		return print_line("accelerator", "-accel %s is put in front", plan->accel);
	if (plan->request.information)
		return print_line("accelerator", "nothing is added: no guest is going to run");
	if (plan->request.choice)
		return print_line("accelerator", "nothing is added: you chose \"%s\"",
				  plan->request.choice);
	return print_line("accelerator", "nothing is added");
}

static int explain_policy(const struct plan *plan)
{
	if (!plan->asks_policy)
		return 0;
	return print_line("policy", "%s (%s)", accel_policy_name(plan->policy),
			  plan->policy_source ? plan->policy_source : "the default");
}

static int explain_kvm(const struct plan *plan)
{
	cleanup_free char *text = plan->is_probed ? kvm_verdict_describe(&plan->kvm) : NULL;

	if (!plan->is_probed)
		return 0;
	return text ? print_line("kvm", "%s", text) : -ENOMEM;
}

/* What starting would find; whether this user may load it shows only then. */
static const char *module_prospect(const struct vhost_device *device, const struct host_root *root)
{
	if (vhost_is_there(root, device))
		return "is there";
	switch (module_state(root, device->module)) {
	case MODULE_BLACKLISTED:
		return "is not loaded, and this host forbids to load it";
	case MODULE_MISSING:
	case MODULE_TREE_MISSING:
		return "is not loaded, and the running kernel does not have it";
	case MODULE_LOADED:
		return "is loaded, but there is no device";
	case MODULE_LOADABLE:
	case MODULE_UNKNOWN:
		break;
	}
	return geteuid() == 0
		       ? "would be loaded"
		       : "is not loaded, which takes root, or a /dev node this user may open";
}

static int explain_module(const struct vhost_device *device, bool wanted,
			  const struct host_root *root)
{
	if (!wanted)
		return 0;
	return print_line("module", "%s for %s: %s", device->module, device->option,
			  module_prospect(device, root));
}

static int explain_warnings(const struct plan *plan)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < plan->legacy.warning_count; i++)
		r = print_line("warning", "%s", plan->legacy.warnings[i]);
	if (r == 0 && plan->warning)
		r = print_line("warning", "%s", plan->warning);
	if (r == 0 && plan->unseen)
		r = print_line("warning", "%s", plan->unseen);
	return r;
}

static int explain_command(const struct plan *plan)
{
	size_t i;

	if (plan->refusal)
		return print_line("refused", "%s", plan->refusal);
	fputs("command:", stdout);
	for (i = 0; plan->argv[i]; i++) {
		cleanup_free char *word = text_shell_quote(plan->argv[i]);

		if (!word)
			return -ENOMEM;
		printf(" %s", word);
	}
	putchar('\n');
	return 0;
}

int explain_plan(const struct plan *plan, const struct host_root *root)
{
	int r = 0;

	if (plan->emulator)
		r = print_line("emulator", "%s", plan->emulator);
	if (r == 0)
		r = explain_policy(plan);
	if (r == 0)
		r = explain_kvm(plan);
	if (r == 0 && !plan->refusal)
		r = explain_accelerator(plan);
	if (r == 0)
		r = explain_module(&vhost_net, plan->request.vhost_net, root);
	if (r == 0)
		r = explain_module(&vhost_vsock, plan->request.vhost_vsock, root);
	if (r == 0)
		r = explain_warnings(plan);
	return r < 0 ? r : explain_command(plan);
}
