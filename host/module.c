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

/* Longer kernel command lines do not exist (COMMAND_LINE_SIZE is 2 to 4 KiB). */
#define CMDLINE_SIZE 16384

static struct {
	__typeof__(kmod_new) *new;
	__typeof__(kmod_unref) *unref;
	__typeof__(kmod_set_log_fn) *set_log_fn;
	__typeof__(kmod_load_resources) *load_resources;
	__typeof__(kmod_module_new_from_lookup) *module_new_from_lookup;
	__typeof__(kmod_module_unref_list) *module_unref_list;
	__typeof__(kmod_module_get_module) *module_get_module;
	__typeof__(kmod_module_unref) *module_unref;
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
	{"kmod_module_unref_list", &kmod.module_unref_list},
	{"kmod_module_get_module", &kmod.module_get_module},
	{"kmod_module_unref", &kmod.module_unref},
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

static struct kmod_ctx *open_context(const char *modules, const char *const *config)
{
	struct kmod_ctx *context = kmod.new(modules, config);

	if (context) {
		kmod.set_log_fn(context, discard_log, NULL);
		kmod.load_resources(context);
	}
	return context;
}

/* Where modprobe looks for configuration, below the root of a host. */
static const char *const config_dirs[] = {"etc/modprobe.d", "run/modprobe.d",
					  "usr/local/lib/modprobe.d", "lib/modprobe.d"};

/* The directories of another host, as open descriptors and as paths that lead through them. */
struct host_dirs {
	int fds[array_size(config_dirs) + 1];
	char *paths[array_size(config_dirs) + 1];
	size_t count;
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

/* Whether `key` ("modprobe.blacklist=") on the kernel's command line lists the module. */
static bool cmdline_lists(const struct host_root *root, const char *key, const char *name)
{
	char cmdline[CMDLINE_SIZE];
	char *word, *rest = cmdline;

	if (host_read(root, "proc/cmdline", cmdline, sizeof(cmdline)) < 0)
		return false;
	while ((word = strsep(&rest, " \n"))) {
		char *item;

		if (strncmp(word, key, strlen(key)) != 0)
			continue;
		word += strlen(key);
		while ((item = strsep(&word, ","))) {
			if (strcmp(item, name) == 0)
				return true;
		}
	}
	return false;
}

/* Whether the kernel, or for it modprobe, refuses the module. */
static bool is_refused_by_cmdline(const struct host_root *root, const char *name)
{
	return cmdline_lists(root, "module_blacklist=", name) ||
	       cmdline_lists(root, "modprobe.blacklist=", name);
}

/* libkmod takes modprobe.blacklist= of the running kernel into account, whatever the root. */
static bool filter_is_of_this_host(const struct host_root *root, const char *name)
{
	struct host_root here = HOST_ROOT_NONE;
	bool leaks;

	if (root->real || host_root_open(NULL, &here) < 0)
		return false;
	leaks = cmdline_lists(&here, "modprobe.blacklist=", name);
	host_root_close(&here);
	return leaks;
}

/* Whether modprobe.d has a "blacklist" or "install" line for the module. */
static bool is_refused_by_config(const struct host_root *root, const char *name,
				 struct kmod_ctx *context, struct kmod_list *list)
{
	struct kmod_list *allowed = NULL;
	struct kmod_module *module = kmod.module_get_module(list);
	bool refused = kmod.module_get_install_commands(module) != NULL;

	kmod.module_unref(module);
	if (!refused && !filter_is_of_this_host(root, name) &&
	    kmod.module_apply_filter(context, KMOD_FILTER_BLACKLIST, list, &allowed) == 0)
		refused = !allowed;
	kmod.module_unref_list(allowed);
	return refused;
}

static enum module_state ask_libkmod(const struct host_root *root, const char *name,
				     const struct host_dirs *dirs)
{
	const char *config[array_size(config_dirs) + 1] = {NULL};
	enum module_state state = MODULE_MISSING;
	struct kmod_list *list = NULL;
	struct kmod_ctx *context;
	size_t i;

	for (i = 1; i < dirs->count; i++)
		config[i - 1] = dirs->paths[i];
	context = open_context(dirs->paths[0], config);
	if (!context)
		return MODULE_UNKNOWN;
	if (kmod.module_new_from_lookup(context, name, &list) == 0 && list) {
		struct kmod_module *module = kmod.module_get_module(list);

		if (kmod.module_get_initstate(module) == KMOD_MODULE_BUILTIN)
			state = MODULE_LOADED;
		else if (is_refused_by_cmdline(root, name) ||
			 is_refused_by_config(root, name, context, list))
			state = MODULE_BLACKLISTED;
		else
			state = MODULE_LOADABLE;
		kmod.module_unref(module);
	}
	kmod.module_unref_list(list);
	kmod.unref(context);
	return state;
}

enum module_state module_state(const struct host_root *root, const char *name)
{
	struct host_dirs dirs = {.count = 0};
	enum module_state state = MODULE_UNKNOWN;
	size_t i;
	int r;

	if (kernel_has_module(root, name))
		return MODULE_LOADED;
	if (load_library() < 0)
		return MODULE_UNKNOWN;
	r = add_modules_dir(&dirs, root);
	for (i = 0; r == 0 && i < array_size(config_dirs); i++) {
		r = add_dir(&dirs, root, config_dirs[i]);
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		state = ask_libkmod(root, name, &dirs);
	else if (r == -ENOENT)
		state = MODULE_TREE_MISSING;
	close_dirs(&dirs);
	return state;
}

/* libkmod would give install commands to a shell. */
static int refuse_command(struct kmod_module *module, const char *command, void *data)
{
	(void)module, (void)command, (void)data;
	return -ECANCELED;
}

int module_load(const char *name)
{
	struct kmod_list *list = NULL;
	struct kmod_ctx *context;
	int r = load_library();

	if (r < 0)
		return r;
	context = open_context(NULL, NULL);
	if (!context)
		return -ENOMEM;
	r = kmod.module_new_from_lookup(context, name, &list);
	if (r >= 0 && !list)
		r = -ENOENT;
	if (r >= 0) {
		struct kmod_module *module = kmod.module_get_module(list);

		r = kmod.module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST, NULL,
						    refuse_command, NULL, NULL);
		kmod.module_unref(module);
	}
	kmod.module_unref_list(list);
	kmod.unref(context);
	return r == KMOD_PROBE_APPLY_BLACKLIST ? -ECANCELED : r;
}
