/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <string.h>

#include "host/kernel.h"
#include "host/text.h"

/* Since 2012; the functions below have been in it from the start. */
#define LIBRARY "libkmod.so.2"

/* There are five directories of modprobe.d. */
#define DIRS_MAX 6

static struct {
	__typeof__(kmod_new) *new;
	__typeof__(kmod_unref) *unref;
	__typeof__(kmod_set_log_fn) *set_log_fn;
	__typeof__(kmod_load_resources) *load_resources;
	__typeof__(kmod_module_new_from_lookup) *module_new_from_lookup;
	__typeof__(kmod_list_next) *list_next;
	__typeof__(kmod_module_unref_list) *module_unref_list;
	__typeof__(kmod_module_get_module) *module_get_module;
	__typeof__(kmod_module_unref) *module_unref;
	__typeof__(kmod_module_get_name) *module_get_name;
	__typeof__(kmod_module_get_path) *module_get_path;
	__typeof__(kmod_module_get_initstate) *module_get_initstate;
	__typeof__(kmod_module_get_install_commands) *module_get_install_commands;
	__typeof__(kmod_module_apply_filter) *module_apply_filter;
	__typeof__(kmod_module_probe_insert_module) *module_probe_insert_module;
} kmod;

static const struct {
	const char *name;
	void *pointer;
} functions[] = {
	{"kmod_new", &kmod.new},
	{"kmod_unref", &kmod.unref},
	{"kmod_set_log_fn", &kmod.set_log_fn},
	{"kmod_load_resources", &kmod.load_resources},
	{"kmod_module_new_from_lookup", &kmod.module_new_from_lookup},
	{"kmod_list_next", &kmod.list_next},
	{"kmod_module_unref_list", &kmod.module_unref_list},
	{"kmod_module_get_module", &kmod.module_get_module},
	{"kmod_module_unref", &kmod.module_unref},
	{"kmod_module_get_name", &kmod.module_get_name},
	{"kmod_module_get_path", &kmod.module_get_path},
	{"kmod_module_get_initstate", &kmod.module_get_initstate},
	{"kmod_module_get_install_commands", &kmod.module_get_install_commands},
	{"kmod_module_apply_filter", &kmod.module_apply_filter},
	{"kmod_module_probe_insert_module", &kmod.module_probe_insert_module},
};

static int load_library(void)
{
	static void *library;
	size_t i;

	if (library)
		return 0;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	for (i = 0; library && i < array_size(functions); i++) {
		void *symbol = dlsym(library, functions[i].name);

		if (symbol) {
			memcpy(functions[i].pointer, &symbol, sizeof(symbol));
		} else {
			dlclose(library);
			library = NULL;
		}
	}
	return library ? 0 : -ELIBACC;
}

/* The program layer says what went wrong; libkmod would write to stderr on its own. */
static void discard_log(void *data, int priority, const char *file, int line, const char *function,
			const char *format, va_list args)
{
	(void)data, (void)priority, (void)file, (void)line, (void)function, (void)format,
		(void)args;
}

/* While it reads its configuration, libkmod has no other place yet to say what it did not like. */
static struct kmod_ctx *make_context(const char *modules, const char *const *config)
{
	static const char variable[] = "KMOD_LOG";
	const char *found = getenv(variable);
	cleanup_free char *before = found ? strdup(found) : NULL;
	struct kmod_ctx *context;

	if ((found && !before) || setenv(variable, "0", 1) < 0)
		return NULL;
	context = kmod.new(modules, config);
	if (before)
		setenv(variable, before, 1);
	else
		unsetenv(variable);
	return context;
}

static struct kmod_ctx *open_context(const char *modules, const char *const *config)
{
	struct kmod_ctx *context = make_context(modules, config);

	if (context) {
		kmod.set_log_fn(context, discard_log, NULL);
		kmod.load_resources(context);
	}
	return context;
}

/* Directories of a host, as open descriptors and as paths that lead through them. */
struct host_dirs {
	int fds[DIRS_MAX];
	char *paths[DIRS_MAX];
	size_t count;
};

struct module_tree {
	const struct host_root *root;
	struct host_dirs dirs; /* the modules, and behind them those of modprobe.d */
	struct kmod_ctx *context;
	int error; /* why there is no context: -ENOENT there are no modules, -ELIBACC no libkmod */
};

static void close_dirs(struct host_dirs *dirs)
{
	size_t i;

	for (i = 0; i < dirs->count; i++) {
		close(dirs->fds[i]);
		free(dirs->paths[i]);
	}
}

static int add_dir(struct host_dirs *dirs, const struct host_root *root, const char *path)
{
	int fd = host_open(root, path, O_PATH | O_DIRECTORY);
	char *through;

	if (fd < 0)
		return fd;
	through = text_format("/proc/self/fd/%d", fd);
	if (!through) {
		close(fd);
		return -ENOMEM;
	}
	dirs->fds[dirs->count] = fd;
	dirs->paths[dirs->count++] = through;
	return 0;
}

/* Opens the modules of the kernel that runs on that host. Returns 0 or -errno. */
static int add_modules_dir(struct host_dirs *dirs, const struct host_root *root)
{
	cleanup_free char *path = NULL;
	cleanup_free char *in_usr = NULL;
	char release[128];
	int r;
	ssize_t length = host_read(root, "proc/sys/kernel/osrelease", release, sizeof(release));

	if (length < 0)
		return -EIO; /* which kernel runs is not known; that is not "no modules for it" */
	release[strcspn(release, "\n")] = '\0';
	if (!*release || strchr(release, '/'))
		return -EIO;
	path = text_format("lib/modules/%s", release);
	in_usr = text_format("usr/%s", path ? path : "");
	if (!path || !in_usr)
		return -ENOMEM;
	r = add_dir(dirs, root, path);
	if (r == -ENOENT) /* a tree without the link from lib to usr/lib */
		r = add_dir(dirs, root, in_usr);
	return r;
}

static int open_dirs(struct host_dirs *dirs, const struct host_root *root, const char *dir)
{
	int r = dir ? add_dir(dirs, root, dir) : add_modules_dir(dirs, root);
	size_t i;

	for (i = 0; r == 0 && i < modprobe_config_dir_count && dirs->count < DIRS_MAX; i++) {
		r = add_dir(dirs, root, modprobe_config_dirs[i]);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/* On this host libkmod knows best where its configuration is. */
static int open_tree(struct module_tree *tree, const char *dir)
{
	const char *config[DIRS_MAX] = {NULL};
	int r = load_library();
	size_t i;

	if (r == 0)
		r = open_dirs(&tree->dirs, tree->root, dir);
	if (r < 0)
		return r;
	for (i = 1; i < tree->dirs.count; i++)
		config[i - 1] = tree->dirs.paths[i];
	tree->context = open_context(tree->dirs.paths[0], tree->root->real ? NULL : config);
	return tree->context ? 0 : -ENOMEM;
}

struct module_tree *module_tree_open(const struct host_root *root, const char *dir)
{
	struct module_tree *tree = calloc(1, sizeof(*tree));

	if (tree) {
		tree->root = root;
		tree->error = open_tree(tree, dir);
	}
	return tree;
}

void module_tree_close(struct module_tree *tree)
{
	if (!tree)
		return;
	if (tree->context)
		kmod.unref(tree->context);
	close_dirs(&tree->dirs);
	free(tree);
}

/* libkmod takes modprobe.blacklist= of the running kernel into account, whatever the root. */
static bool filter_is_of_this_host(const struct host_root *root, const char *name)
{
	struct host_root here = HOST_ROOT_NONE;
	struct modprobe_line line = {0};
	bool leaks;

	if (root->real || host_root_open(NULL, &here) < 0)
		return false;
	leaks = modprobe_cmdline_find(&here, name, &line) > 0;
	modprobe_line_free(&line);
	host_root_close(&here);
	return leaks;
}

/* Whether modprobe.d has a "blacklist" or "install" line for the module. */
static bool is_refused_by_config(const struct module_tree *tree, const char *name,
				 struct kmod_list *list)
{
	struct kmod_list *allowed = NULL;
	struct kmod_module *module = kmod.module_get_module(list);
	bool refused = kmod.module_get_install_commands(module) != NULL;

	kmod.module_unref(module);
	if (!refused && !filter_is_of_this_host(tree->root, name) &&
	    kmod.module_apply_filter(tree->context, KMOD_FILTER_BLACKLIST, list, &allowed) == 0)
		refused = !allowed;
	kmod.module_unref_list(allowed);
	return refused;
}

/*
 * What libkmod does not see: the kernel's own list, and of another host the command line and files
 * behind absolute links. An alias to "off" counts where there is no file of the name.
 */
static bool is_refused_elsewhere(const struct module_tree *tree, const char *name, bool has_file)
{
	struct modprobe_line line = {0};
	bool refused = (has_file && tree->root->real
				? modprobe_cmdline_find(tree->root, name, &line)
				: modprobe_config_find(tree->root, name, &line)) > 0;

	modprobe_line_free(&line);
	return refused;
}

static enum module_state ask_libkmod(struct module_tree *tree, const char *name, bool *ret_built_in)
{
	enum module_state state = MODULE_MISSING;
	struct kmod_list *list = NULL;

	if (kmod.module_new_from_lookup(tree->context, name, &list) == 0 && list) {
		struct kmod_module *module = kmod.module_get_module(list);
		bool has_file = kmod.module_get_path(module) != NULL;

		if (kmod.module_get_initstate(module) == KMOD_MODULE_BUILTIN) {
			state = MODULE_LOADED;
			*ret_built_in = true;
		} else if (is_refused_by_config(tree, name, list) ||
			   is_refused_elsewhere(tree, name, has_file)) {
			state = MODULE_BLACKLISTED;
		} else if (has_file) {
			state = MODULE_LOADABLE;
		}
		kmod.module_unref(module);
	}
	kmod.module_unref_list(list);
	return state;
}

enum module_state module_tree_state(struct module_tree *tree, const char *name, bool *ret_built_in)
{
	enum module_state state = MODULE_UNKNOWN;

	*ret_built_in = false;
	if (tree->context)
		state = ask_libkmod(tree, name, ret_built_in);
	else if (tree->error == -ENOENT)
		state = MODULE_TREE_MISSING;
	return kernel_has_module(tree->root, name) ? MODULE_LOADED : state;
}

enum module_state module_state(const struct host_root *root, const char *name)
{
	enum module_state state = MODULE_UNKNOWN;
	struct module_tree *tree;
	bool built_in;

	if (kernel_has_module(root, name))
		return MODULE_LOADED;
	tree = module_tree_open(root, NULL);
	if (tree)
		state = module_tree_state(tree, name, &built_in);
	module_tree_close(tree);
	return state;
}

/* libkmod's callback has no data of ours. */
static struct {
	module_step_fn fn;
	void *data;
	const struct module_tree *tree;
} walk;

static void report_step(struct kmod_module *module, bool install, const char *options)
{
	struct module_step step = {.name = kmod.module_get_name(module), .options = options};

	if (!walk.fn)
		return;
	if (install)
		step.command = kmod.module_get_install_commands(module);
	step.is_there = kmod.module_get_initstate(module) == KMOD_MODULE_BUILTIN ||
			kernel_has_module(walk.tree->root, step.name);
	walk.fn(&step, walk.data);
}

/* libkmod would give install commands to a shell. */
static int refuse_command(struct kmod_module *module, const char *command, void *data)
{
	(void)module, (void)command, (void)data;
	return -ECANCELED;
}

/* An alias may stand for several modules; those that are blacklisted are passed over then. */
static int probe(struct module_tree *tree, const char *name, unsigned int flags)
{
	struct kmod_list *list = NULL, *entry;
	int r = kmod.module_new_from_lookup(tree->context, name, &list);
	int outcome = list ? -ECANCELED : -ENOENT;

	for (entry = list; r >= 0 && entry; entry = kmod.list_next(list, entry)) {
		struct kmod_module *module = kmod.module_get_module(entry);

		r = kmod.module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST | flags,
						    NULL, refuse_command, NULL, report_step);
		kmod.module_unref(module);
		if (r == 0)
			outcome = 0;
	}
	kmod.module_unref_list(list);
	return r < 0 ? r : outcome;
}

static int walk_tree(struct module_tree *tree, const char *name, unsigned int flags,
		     module_step_fn fn, void *data)
{
	if (!tree->context)
		return tree->error;
	walk.fn = fn;
	walk.data = data;
	walk.tree = tree;
	return probe(tree, name, flags);
}

int module_tree_plan(struct module_tree *tree, const char *name, module_step_fn fn, void *data)
{
	/* libkmod would look at the modules of this host, whatever the root. */
	return walk_tree(tree, name, KMOD_PROBE_DRY_RUN | KMOD_PROBE_IGNORE_LOADED, fn, data);
}

int module_tree_load(struct module_tree *tree, const char *name, module_step_fn fn, void *data)
{
	return walk_tree(tree, name, 0, fn, data);
}

int module_load(const char *name)
{
	struct host_root root;
	struct module_tree *tree;
	int r = host_root_open(NULL, &root);

	if (r < 0)
		return r;
	tree = module_tree_open(&root, NULL);
	r = tree ? module_tree_load(tree, name, NULL, NULL) : -ENOMEM;
	module_tree_close(tree);
	host_root_close(&root);
	return r;
}
