/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of modprobe.d, against libkmod: the module is forbidden for both or for neither, and the line
 * that is named is the first that forbids it.
 */
#include "tests/fuzz/fuzz.h"

#include <fnmatch.h>
#include <libkmod.h>
#include <unistd.h>

#include "host/modprobe_config.h"
#include "tests/unit/tree.h"

#define CONFIG_DIR "etc/modprobe.d"
#define CONFIG     CONFIG_DIR "/a.conf"
#define MODULE     "kvm_intel"

static struct tree tree;
static char *config_path;

static void remove_tree(void)
{
	tree_remove(&tree);
	free(config_path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	setenv("KMOD_LOG", "0", 1);
	tree_make(&tree);
	tree_dir(&tree, CONFIG_DIR);
	config_path = tree_path(&tree, CONFIG_DIR);
	promise(atexit(remove_tree) == 0);
	return 0;
}

/* Whether one of the settings is for the module, by pattern or name, and has that value. */
static bool has_setting(struct kmod_config_iter *iter, bool is_pattern, const char *value)
{
	bool found = false;

	promise(iter);
	while (kmod_config_iter_next(iter)) {
		const char *key = kmod_config_iter_get_key(iter);

		if (value && strcmp(kmod_config_iter_get_value(iter), value) != 0)
			continue;
		if (is_pattern ? fnmatch(key, MODULE, 0) == 0 : strcmp(key, MODULE) == 0)
			found = true;
	}
	kmod_config_iter_free_iter(iter);
	return found;
}

static bool libkmod_forbids(void)
{
	const char *const config[] = {config_path, NULL};
	struct kmod_ctx *context = kmod_new("/nonexistent", config);
	bool found;

	promise(context);
	found = has_setting(kmod_config_get_blacklists(context), false, NULL);
	found |= has_setting(kmod_config_get_install_commands(context), true, NULL);
	found |= has_setting(kmod_config_get_aliases(context), true, "off");
	kmod_unref(context);
	return found;
}

/* Where a line begins, counted from 1; `end` where there is none. */
static size_t line_offset(const uint8_t *data, size_t size, int number)
{
	size_t offset = 0;

	for (; number > 1; number--) {
		const uint8_t *newline = memchr(data + offset, '\n', size - offset);

		promise(newline);
		offset = (size_t)(newline + 1 - data);
	}
	return offset;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct modprobe_line line = {0};
	size_t offset;
	int found;

	tree_write(&tree, CONFIG, 0644, data, size);
	found = modprobe_config_find(&tree.root, MODULE, &line);
	promise(found == 0 || found == 1);
	promise((found == 1) == libkmod_forbids());
	if (found == 1) {
		promise(strcmp(line.file, "/" CONFIG) == 0 && line.number >= 1);
		promise(!strchr(line.text, '\n'));
		offset = line_offset(data, size, line.number);
		tree_write(&tree, CONFIG, 0644, data, offset);
		promise(!libkmod_forbids());
		tree_write(&tree, CONFIG, 0644, data + offset, size - offset);
		modprobe_line_free(&line);
		promise(modprobe_config_find(&tree.root, MODULE, &line) == 1 && line.number == 1);
	}
	modprobe_line_free(&line);
	return 0;
}
