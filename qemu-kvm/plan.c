/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/plan.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "host/accel_setting.h"
#include "host/emulator.h"
#include "host/text.h"

/* Ends the plan. Takes over `text`, which may be NULL without memory. */
static int refuse(struct plan *plan, int status, char *text)
{
	plan->refusal = text;
	plan->status = status;
	return text ? 0 : -ENOMEM;
}

static int find_emulator(struct plan *plan)
{
	struct utsname host;
	cleanup_free char *name = NULL;
	int r;

	if (uname(&host) < 0)
		return -errno;
	name = emulator_name(host.machine);
	if (!name)
		return -ENOMEM;
	r = emulator_find(name, getenv("PATH"), &plan->emulator);
	if (r == 0 || r == -ENOMEM)
		return r;
	if (r == -ENOENT)
		return refuse(plan, STATUS_NOT_FOUND,
			      text_format("%s is not installed: not in PATH, and there is no "
					  "/usr/libexec/qemu-kvm; install the package %s",
					  name, EMULATOR_PACKAGE));
	return refuse(plan, STATUS_CANNOT_RUN,
		      text_format("%s cannot be executed: %s", plan->emulator, strerror(-r)));
}

/* What the old options become. Without an emulator they are what today's would make of them. */
static int translate(struct plan *plan, char *const argv[])
{
	int r = legacy_translate(argv, plan->emulator, &plan->legacy);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(plan, STATUS_CANNOT_RUN,
			      text_format("%s cannot be asked for its options: %s", plan->emulator,
					  r == -ETIMEDOUT ? "no answer within 10 seconds"
							  : strerror(-r)));
	if (plan->legacy.refusal && !plan->refusal)
		return refuse(plan, STATUS_FAILED, strdup(plan->legacy.refusal));
	return 0;
}

static int read_policy(struct plan *plan, const struct host_root *root)
{
	struct accel_setting setting;
	char *why = NULL;

	if (accel_setting_read(root, getenv(ACCEL_VARIABLE), &setting, &why) < 0)
		return refuse(plan, STATUS_FAILED, why);
	plan->policy = setting.policy;
	plan->policy_source = setting.source;
	return 0;
}

/* Looks at KVM. Returns what it found as a sentence, to be freed, or NULL without memory. */
static char *probe(struct plan *plan, const struct host_root *root)
{
	cleanup_free char *text = NULL;

	plan->kvm = kvm_device_probe(root);
	plan->is_probed = true;
	text = kvm_verdict_describe(&plan->kvm);
	return text ? text_format("KVM is not usable: %s", text) : NULL;
}

/* Sets the accelerator by the policy, or refuses. */
static int apply_policy(struct plan *plan, const struct host_root *root)
{
	cleanup_free char *why = NULL;

	if (plan->policy == ACCEL_OFF)
		return 0;
	why = probe(plan, root);
	if (!why)
		return -ENOMEM;
	if (plan->kvm.cause == KVM_CAUSE_NONE) {
		plan->accel = "kvm";
		return 0;
	}
	if (plan->policy == ACCEL_REQUIRE)
		return refuse(plan, STATUS_FAILED,
			      text_format("%s; \"-accel tcg\" or " ACCEL_VARIABLE
					  "=prefer runs it without KVM, slowly",
					  why));
	plan->accel = "tcg";
	plan->warning = text_format("%s; it runs without KVM, slowly", why);
	return plan->warning ? 0 : -ENOMEM;
}

/* QEMU will fail by itself, but it cannot say why as we can. */
static int check_choice(struct plan *plan, const struct host_root *root)
{
	cleanup_free char *why = NULL;

	if (!plan->request.needs_kvm)
		return 0;
	why = probe(plan, root);
	if (!why)
		return -ENOMEM;
	if (plan->kvm.cause != KVM_CAUSE_NONE)
		plan->warning = take_ptr(why);
	return 0;
}

static int settle_accelerator(struct plan *plan, const struct host_root *root)
{
	int r = request_read(plan->legacy.argv, root, &plan->request);

	if (r < 0 || plan->request.information)
		return r;
	if (plan->request.choice)
		return check_choice(plan, root);
	r = read_policy(plan, root);
	if (r < 0 || plan->refusal)
		return r;
	plan->asks_policy = true;
	return apply_policy(plan, root);
}

/* Ours would come before an accelerator that the pipe chooses, and count. */
static int warn_of_unseen(struct plan *plan)
{
	if (!plan->accel || !plan->request.unseen)
		return 0;
	plan->unseen = text_format("%s of -readconfig is a pipe, so that an accelerator it chooses "
				   "cannot be seen; \"-accel %s\" is put in front",
				   plan->request.unseen, plan->accel);
	return plan->unseen ? 0 : -ENOMEM;
}

static int make_argv(struct plan *plan)
{
	char *const *from = plan->legacy.argv;
	size_t count = 0, out = 0;

	while (from[count])
		count++;
	plan->argv = calloc(count + 3, sizeof(*plan->argv));
	if (!plan->argv)
		return -ENOMEM;
	plan->argv[out++] = plan->emulator;
	if (plan->accel) {
		plan->argv[out++] = (char *)"-accel";
		plan->argv[out++] = (char *)plan->accel;
	}
	memcpy(plan->argv + out, from + 1, (count - 1) * sizeof(*from));
	return 0;
}

int plan_make(char *const argv[], const struct host_root *root, struct plan *ret)
{
	struct plan plan = {0};
	int r = find_emulator(&plan);

	if (r == 0 && !plan.refusal)
		r = translate(&plan, argv);
	if (r == 0 && !plan.refusal)
		r = settle_accelerator(&plan, root);
	if (r == 0)
		r = warn_of_unseen(&plan);
	if (r == 0 && !plan.refusal)
		r = make_argv(&plan);
	if (r < 0)
		plan_free(&plan);
	else
		*ret = plan;
	return r;
}

void plan_free(struct plan *plan)
{
	free(plan->emulator);
	legacy_free(&plan->legacy);
	request_free(&plan->request);
	free(plan->argv);
	free(plan->warning);
	free(plan->unseen);
	free(plan->refusal);
	*plan = (struct plan){0};
}
