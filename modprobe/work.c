/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/work.h"

#include <errno.h>
#include <string.h>

#include "host/cpu.h"
#include "host/kernel.h"
#include "host/module.h"
#include "host/text.h"
#include "modprobe/explain.h"

struct job {
	const struct options *options;
	const struct host_root *root;
	struct module_tree *tree;
	struct work *work;
	struct verdict *verdict; /* of the module that is looked at */
	int error;               /* that happened in a callback */
};

static bool has_inserted(const struct verdict *verdict, const char *name)
{
	size_t i;

	for (i = 0; i < verdict->inserted_count; i++) {
		if (strcmp(verdict->inserted[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Whether an earlier module of a dry run has brought it. */
static bool is_planned(const struct work *work, const char *name)
{
	size_t i;

	for (i = 0; i < work->count; i++) {
		if (has_inserted(&work->verdicts[i], name))
			return true;
	}
	return false;
}

static int add_step(struct verdict *verdict, const struct module_step *step)
{
	struct inserted *inserted = reallocarray(verdict->inserted, verdict->inserted_count + 1,
						 sizeof(*inserted));
	size_t end;

	if (!inserted)
		return -ENOMEM;
	verdict->inserted = inserted;
	inserted += verdict->inserted_count++;
	inserted->name = strdup(step->name);
	/* libkmod puts a blank behind each option. */
	inserted->options = strdup(step->options);
	for (end = inserted->options ? strlen(inserted->options) : 0;
	     end > 0 && inserted->options[end - 1] == ' '; end--)
		inserted->options[end - 1] = '\0';
	inserted->command = step->command ? strdup(step->command) : NULL;
	if (!inserted->name || !inserted->options || (step->command && !inserted->command))
		return -ENOMEM;
	return 0;
}

static void take_step(const struct module_step *step, void *data)
{
	struct job *job = data;

	if (job->error == 0 && !step->is_there && !is_planned(job->work, step->name))
		job->error = add_step(job->verdict, step);
}

static int plan(struct job *job)
{
	struct verdict *verdict = job->verdict;
	int r = module_tree_plan(job->tree, verdict->module, take_step, job);

	if (job->error < 0)
		return job->error;
	if (r < 0)
		return explain_failure(job->root, job->options->modules_dir, r, NULL, verdict);
	verdict->outcome = OUTCOME_LOADABLE;
	return 0;
}

/* What the kernel did not take, because it or libkmod has passed over the failure, is not told. */
static void keep_loaded(const struct host_root *root, struct verdict *verdict)
{
	size_t i, count = 0;

	for (i = 0; i < verdict->inserted_count; i++) {
		struct inserted *inserted = &verdict->inserted[i];

		if (kernel_has_module(root, inserted->name))
			verdict->inserted[count++] = *inserted;
		else
			inserted_free(inserted);
	}
	verdict->inserted_count = count;
}

static int load(struct job *job)
{
	struct verdict *verdict = job->verdict;
	int r = module_tree_load(job->tree, verdict->module, take_step, job);

	if (job->error < 0)
		return job->error;
	/* The kernel says "exists" also to a second one of KVM's modules, and libkmod passes it over. */
	if (r == 0 && has_inserted(verdict, verdict->module) &&
	    !kernel_has_module(job->root, verdict->module))
		r = -EBUSY;
	if (r < 0) {
		const char *step = verdict->inserted_count
					   ? verdict->inserted[verdict->inserted_count - 1].name
					   : NULL;

		r = explain_failure(job->root, job->options->modules_dir, r, step, verdict);
	} else {
		verdict->outcome = OUTCOME_LOADED;
	}
	keep_loaded(job->root, verdict);
	return r;
}

static int explain(struct job *job, enum outcome outcome)
{
	return explain_outcome(job->root, job->options->modules_dir, outcome, job->verdict);
}

/* Somebody else is loading it; the kernel waits for the end of that when it is asked to load it. */
static bool is_coming(const struct host_root *root, const char *name)
{
	cleanup_free char *path = text_format("sys/module/%s/initstate", name);
	char state[16];

	return path && host_read(root, path, state, sizeof(state)) > 0 &&
	       strcmp(state, "coming\n") == 0;
}

/* A driver that has its device. Built into the kernel, it may have no place in /sys/module. */
static bool has_device(const struct host_root *root, const char *name)
{
	cleanup_free char *path = text_format("sys/class/misc/%s", name);
	char *p;

	for (p = path; p && *p; p++)
		*p = *p == '_' ? '-' : *p;
	return path && host_exists(root, path);
}

static bool is_loadable_module(const struct host_root *root, const char *name)
{
	cleanup_free char *path = text_format("sys/module/%s/initstate", name);

	return path && host_exists(root, path);
}

static int do_module(struct job *job)
{
	const char *name = job->verdict->module;
	bool built_in;

	switch (module_tree_state(job->tree, name, &built_in)) {
	case MODULE_LOADED:
		if (is_coming(job->root, name))
			break;
		return explain(job, built_in ? OUTCOME_BUILT_IN : OUTCOME_LOADED);
	case MODULE_BLACKLISTED:
		return explain(job, OUTCOME_BLACKLISTED);
	case MODULE_MISSING:
		return explain(job, OUTCOME_MISSING);
	case MODULE_TREE_MISSING:
		return explain_no_modules(job->root, job->options->modules_dir, job->verdict);
	case MODULE_LOADABLE:
	case MODULE_UNKNOWN: /* loading or planning it will say why */
		break;
	}
	if (job->options->mode == MODE_CHECK)
		return explain(job, OUTCOME_NOT_LOADED);
	return job->options->mode == MODE_DRY_RUN ? plan(job) : load(job);
}

/* KVM by whatever module this CPU needs, where it has what KVM needs. */
static int do_kvm(struct job *job)
{
	static const char device[] = "sys/class/misc/kvm";
	struct cpu_virtualisation cpu;
	bool is_there = host_exists(job->root, device);
	int r = cpu_virtualisation(job->root, &cpu);

	/* Not all of KVM's modules are those that the CPU asks for. */
	if (is_there && (r < 0 || !kernel_has_module(job->root, cpu.module)))
		return explain(job, is_loadable_module(job->root, "kvm") ? OUTCOME_LOADED
									 : OUTCOME_BUILT_IN);
	if (r < 0)
		return explain_no_cpu_known(job->verdict);
	job->verdict->module = cpu.module;
	if (!is_there && cpu.is_disabled)
		return explain(job, OUTCOME_DISABLED_BY_FIRMWARE);
	if (!is_there && !cpu.is_supported)
		return explain(job, OUTCOME_NO_CPU_SUPPORT);
	r = do_module(job);
	/* It is there and has found no hardware, as on an arm64 host without EL2. */
	if (r == 0 && job->verdict->inserted_count == 0 &&
	    (job->verdict->outcome == OUTCOME_LOADED ||
	     job->verdict->outcome == OUTCOME_BUILT_IN) &&
	    !host_exists(job->root, device))
		return explain(job, OUTCOME_NO_CPU_SUPPORT);
	return r;
}

static int do_other(struct job *job)
{
	const char *name = job->verdict->module;

	if (!kernel_has_module(job->root, name) && has_device(job->root, name))
		return explain(job, OUTCOME_BUILT_IN);
	return do_module(job);
}

static int do_one(struct job *job)
{
	const char *name = job->verdict->module;

	if (strcmp(name, "kvm") == 0)
		return do_kvm(job);
	return module_is_kvm(name) ? do_module(job) : do_other(job);
}

/* KVM's own modules first, whatever the order on the command line. */
static void choose(const struct options *options, unsigned int configured, struct work *work)
{
	static const enum config_module order[] = {CONFIG_VHOST_NET, CONFIG_VHOST_VSOCK,
						   CONFIG_TUN};
	const char *names[MODULES_MAX];
	size_t i, count = 0;

	for (i = 0; i < options->module_count; i++) {
		if (module_is_kvm(options->modules[i]))
			names[count++] = options->modules[i];
	}
	if (count == 0)
		names[count++] = "kvm";
	for (i = 0; i < array_size(order); i++) {
		const char *name = config_module_name(order[i]);
		bool is_wanted = options->module_count == 0 && (configured & order[i]);
		size_t j;

		for (j = 0; j < options->module_count; j++)
			is_wanted = is_wanted || strcmp(options->modules[j], name) == 0;
		if (is_wanted)
			names[count++] = name;
	}
	for (i = 0; i < count; i++)
		work->verdicts[i] = (struct verdict){.module = names[i],
						     .outcome = OUTCOME_SKIPPED};
	work->count = count;
}

int work_do(const struct options *options, const struct host_root *root, unsigned int modules,
	    struct work *work)
{
	struct job job = {.options = options, .root = root, .work = work};
	bool works = true;
	size_t i;
	int r = 0;

	*work = (struct work){0};
	choose(options, modules, work);
	job.tree = module_tree_open(root, options->modules_dir);
	if (!job.tree)
		return -ENOMEM;
	for (i = 0; r == 0 && works && i < work->count; i++) {
		const char *name = work->verdicts[i].module;
		bool is_kvm = module_is_kvm(name);

		job.verdict = &work->verdicts[i];
		r = do_one(&job);
		/* Of those that are not KVM, each is tried. */
		if (is_kvm)
			works = outcome_is_fine(job.verdict->outcome) ||
				job.verdict->outcome == OUTCOME_NOT_LOADED;
	}
	module_tree_close(job.tree);
	return r;
}

void work_free(struct work *work)
{
	while (work->count > 0)
		verdict_free(&work->verdicts[--work->count]);
}

enum outcome work_outcome(const struct work *work)
{
	size_t i;

	for (i = 0; i < work->count; i++) {
		if (!outcome_is_fine(work->verdicts[i].outcome))
			return work->verdicts[i].outcome;
	}
	return work->verdicts[0].outcome;
}
