/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "qemu-kvm/legacy.h"
#include "qemu-kvm/legacy_options.h"
#include "qemu-kvm/qemu_options.h"
#include "tests/unit/capture.h"
#include "tests/unit/tree.h"

#define WORDS_MAX 32

static struct tree tree;

/* Emulators; each writes down its arguments, a line for each time it is run. */
#define RECORD "#!/bin/sh\necho \"$@\" >>\"$0.log\"\n"

static const struct {
	const char *name, *text;
} scripts[] = {
	{"knows-all", RECORD "exit 0\n"},
	{"knows-none", RECORD "exit 1\n"},
	{"knows-kvm", RECORD "test \"$1\" = -no-kvm\n"},
	/* As QEMU: it takes the value, and an option that is not its own ends it. */
	{"knows-memory",
	 RECORD "test \"$1\" = -kvm-shadow-memory && test \"$2\" = 64 && test \"$3\" = -version\n"},
	{"knows-double", RECORD "test \"$1\" = --no-kvm\n"},
	{"dies", RECORD "kill -9 $$\n"},
	{"noisy", RECORD "echo out; echo err >&2; exit 0\n"},
	{"reads", RECORD "cat >/dev/null\nexit 0\n"},
};

static int setup(void **state)
{
	size_t i;

	(void)state;
	tree_make(&tree);
	for (i = 0; i < array_size(scripts); i++)
		tree_write(&tree, scripts[i].name, 0755, scripts[i].text, strlen(scripts[i].text));
	tree_write(&tree, "plain", 0644, "", 0);
	tree_write(&tree, "no-interpreter", 0755, "#!/nonexistent\n", 15);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

/* A command line, whose words are separated by '|', and what became of it. */
struct run {
	char *words;
	char *argv[WORDS_MAX];
	struct legacy legacy;
	int result;
};

static struct run run_line(const char *emulator, const char *line)
{
	struct run run = {.words = strdup(line), .argv = {(char *)"qemu-kvm"}};
	char *rest = run.words;
	char *path = emulator ? tree_path(&tree, emulator) : NULL;
	int argc = 1;

	assert_non_null(run.words);
	while (*line && rest) {
		assert_true(argc < WORDS_MAX - 1);
		run.argv[argc++] = strsep(&rest, "|");
	}
	run.result = legacy_translate(run.argv, path, &run.legacy);
	free(path);
	return run;
}

static void run_done(struct run *run)
{
	if (run->result == 0)
		legacy_free(&run->legacy);
	free(run->words);
}

/* The words behind argv[0], separated by '|'; to be freed. */
static char *join(char *const argv[])
{
	char *text = NULL;
	size_t length, i;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	for (i = 1; argv[i]; i++)
		fprintf(stream, "%s%s", i > 1 ? "|" : "", argv[i]);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void assert_translated(const char *emulator, const char *line, const char *expected,
			      size_t warnings)
{
	struct run run = run_line(emulator, line);
	char *joined;
	size_t i;

	assert_row(run.result == 0, line);
	if (run.legacy.refusal)
		fail_msg("%s: refused: %s", line, run.legacy.refusal);
	joined = join(run.legacy.argv);
	if (strcmp(joined, expected) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", line, joined, expected);
	assert_ptr_equal(run.legacy.argv[0], run.argv[0]);
	assert_row(run.legacy.warning_count == warnings, line);
	for (i = 0; i < warnings; i++)
		assert_row(strstr(run.legacy.warnings[i], "the old qemu-kvm"), line);
	free(joined);
	run_done(&run);
}

static void test_translate(void **state)
{
	static const struct {
		const char *line, *expected;
		size_t warnings;
	} rows[] = {
		{"", "", 0},
		{"-m|512|disk", "-m|512|disk", 0},
		{"-no-kvm", "-machine|accel=tcg", 1},
		{"--no-kvm", "-machine|accel=tcg", 1},
		/* Later and earlier choices of an old script's can stand beside it. */
		{"-enable-kvm|-no-kvm", "-enable-kvm|-machine|accel=tcg", 1},
		{"-no-kvm-irqchip", "-machine|kernel-irqchip=off", 1},
		{"-no-kvm-pit-reinjection", "-global|kvm-pit.lost_tick_policy=discard", 1},
		{"-tdf", "-global|kvm-pit.lost_tick_policy=delay", 1},
		{"-rtc-td-hack", "-rtc|driftfix=slew", 1},
		/* Where it stood, and what stands around it stays. */
		{"-m|512|-no-kvm|disk", "-m|512|-machine|accel=tcg|disk", 1},
		{"disk|-tdf|-tdf|-m|1",
		 "disk|-global|kvm-pit.lost_tick_policy=delay|-global|"
		 "kvm-pit.lost_tick_policy=delay|-m|1",
		 2},
		{"-no-kvm|-rtc-td-hack|-no-kvm-irqchip",
		 "-machine|accel=tcg|-rtc|driftfix=slew|-machine|kernel-irqchip=off", 3},
		{"|-no-kvm|", "|-machine|accel=tcg|", 1},
		/* Values are no options. */
		{"-name|-no-kvm", "-name|-no-kvm", 0},
		{"-append|-enable-nesting|-tdf",
		 "-append|-enable-nesting|-global|kvm-pit.lost_tick_policy=delay", 1},
		{"-name|-pcidevice|-m|1", "-name|-pcidevice|-m|1", 0},
		/* Without their value: QEMU's to complain of. */
		{"-m|1|-pcidevice", "-m|1|-pcidevice", 0},
		{"-kvm-shadow-memory", "-kvm-shadow-memory", 0},
		/* An unknown option has none that begins with a dash. */
		{"-frobnicate|-no-kvm", "-frobnicate|-machine|accel=tcg", 1},
		{"-frobnicate|no-kvm", "-frobnicate|no-kvm", 0},
		/* Only whole names, as QEMU knows them. */
		{"no-kvm", "no-kvm", 0},
		{"---no-kvm", "---no-kvm", 0},
		{"-no-kv|-no-kvm2|-No-kvm", "-no-kv|-no-kvm2|-No-kvm", 0},
		{"-accel", "-accel", 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_translated(NULL, rows[i].line, rows[i].expected, rows[i].warnings);
}

/*
 * QEMU takes its kvm-shadow-mem as a plain number of bytes: with a suffix it "expects int64", and
 * ends. The old option counted megabytes.
 */
static void test_shadow_memory(void **state)
{
	static const char *const rows[][2] = {
		{"1", "1048576"},
		{"64", "67108864"},
		{"064", "67108864"},
		{"4096", "4294967296"},
		{"8796093022207", "9223372036853727232"}, /* as many as int64_t has room for */
	};
	char line[64], expected[64];
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		snprintf(line, sizeof(line), "-kvm-shadow-memory|%s|-m|1", rows[i][0]);
		snprintf(expected, sizeof(expected), "-machine|kvm-shadow-mem=%s|-m|1", rows[i][1]);
		assert_translated(NULL, line, expected, 1);
	}
}

/* Refused, and the option is named together with what replaces it. */
static void test_refuse(void **state)
{
	static const struct {
		const char *line, *option, *advice;
	} rows[] = {
		{"-no-kvm-pit", "\"-no-kvm-pit\"", "kernel-irqchip=split"},
		{"-enable-nesting", "\"-enable-nesting\"", "-cpu host"},
		{"-pcidevice|host=1:2.0", "\"-pcidevice\"", "-device vfio-pci,host="},
		{"-m|1|--enable-nesting|disk", "\"-enable-nesting\"", "-cpu host"},
		/* The first one. */
		{"-no-kvm-pit|-enable-nesting", "\"-no-kvm-pit\"", "kernel-irqchip=split"},
		{"-no-kvm|-enable-nesting|-no-kvm-pit", "\"-enable-nesting\"", "-cpu host"},
		/* Values that are none. */
		{"-kvm-shadow-memory|", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|0", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|-1", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|+1", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory| 1", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|1 ", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|1M", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|1.5", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|0x10", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|1,accel=tcg", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|-no-kvm", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|8796093022208", "\"-kvm-shadow-memory\"", "megabytes"},
		{"-kvm-shadow-memory|18446744073709551616", "\"-kvm-shadow-memory\"", "megabytes"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_line(NULL, rows[i].line);
		const char *refusal = run.legacy.refusal ? run.legacy.refusal : "";

		assert_int_equal(run.result, 0);
		assert_row(*refusal, rows[i].line);
		assert_row(strstr(refusal, rows[i].option), rows[i].line);
		assert_row(strstr(refusal, rows[i].advice), rows[i].line);
		assert_row(!strchr(refusal, '\n'), rows[i].line);
		run_done(&run);
	}
}

/* A warning names the old option and what became of it. */
static void test_warning(void **state)
{
	struct run run = run_line(NULL, "-no-kvm|--rtc-td-hack");

	(void)state;
	assert_int_equal(run.legacy.warning_count, 2);
	assert_non_null(strstr(run.legacy.warnings[0], "\"-no-kvm\""));
	assert_non_null(strstr(run.legacy.warnings[0], "\"-machine accel=tcg\""));
	assert_non_null(strstr(run.legacy.warnings[1], "\"-rtc-td-hack\""));
	assert_non_null(strstr(run.legacy.warnings[1], "\"-rtc driftfix=slew\""));
	run_done(&run);
}

/* What an emulator was asked, to be freed; then it is forgotten. */
static char *take_questions(const char *emulator)
{
	char *data = NULL;
	char name[64];

	snprintf(name, sizeof(name), "%s.log", emulator);
	if (host_read_alloc(tree.root.fd, name, 65536, &data) < 0)
		data = strdup("");
	tree_delete(&tree, name);
	assert_non_null(data);
	return data;
}

static void test_ask(void **state)
{
	static const struct {
		const char *emulator, *line, *expected;
		size_t warnings;
		const char *questions;
	} rows[] = {
		/* Nobody asks without need. */
		{"knows-none", "-m|512|disk", "-m|512|disk", 0, ""},
		{"knows-none", "-name|-no-kvm", "-name|-no-kvm", 0, ""},
		{"knows-none", "-frobnicate|1", "-frobnicate|1", 0, ""},
		{"knows-none", "-no-kvm", "-machine|accel=tcg", 1, "-no-kvm -version\n"},
		{"knows-all", "-no-kvm|disk", "-no-kvm|disk", 0, "-no-kvm -version\n"},
		{"knows-all", "-no-kvm-pit|-enable-nesting|-pcidevice|host=1:2.0|-m|1",
		 "-no-kvm-pit|-enable-nesting|-pcidevice|host=1:2.0|-m|1", 0,
		 "-no-kvm-pit -version\n-enable-nesting -version\n"
		 "-pcidevice host=1:2.0 -version\n"},
		{"knows-all", "-kvm-shadow-memory|junk", "-kvm-shadow-memory|junk", 0,
		 "-kvm-shadow-memory junk -version\n"},
		{"knows-memory", "-tdf|-kvm-shadow-memory|64",
		 "-global|kvm-pit.lost_tick_policy=delay|-kvm-shadow-memory|64", 1,
		 "-tdf -version\n-kvm-shadow-memory 64 -version\n"},
		/* Each by itself. */
		{"knows-kvm", "-no-kvm|-tdf|-no-kvm",
		 "-no-kvm|-global|kvm-pit.lost_tick_policy=delay|-no-kvm", 1, NULL},
		{"knows-double", "--no-kvm", "--no-kvm", 0, "--no-kvm -version\n"},
		/* One that a signal ends knows nothing. */
		{"dies", "-no-kvm", "-machine|accel=tcg", 1, "-no-kvm -version\n"},
		/* It reads nothing of ours, and nobody sees what it says. */
		{"reads", "-no-kvm", "-no-kvm", 0, "-no-kvm -version\n"},
		{"noisy", "-no-kvm", "-no-kvm", 0, "-no-kvm -version\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		char *questions;

		assert_translated(rows[i].emulator, rows[i].line, rows[i].expected,
				  rows[i].warnings);
		questions = take_questions(rows[i].emulator);
		if (rows[i].questions)
			assert_string_equal(questions, rows[i].questions);
		free(questions);
	}
}

static void test_quiet(void **state)
{
	struct capture out, err;
	char *written, *said;

	(void)state;
	out = capture_start(1);
	err = capture_start(2);
	assert_translated("noisy", "-no-kvm", "-no-kvm", 0);
	said = capture_end(&err);
	written = capture_end(&out);
	assert_string_equal(written, "");
	assert_string_equal(said, "");
	free(written);
	free(said);
}

/* An emulator that cannot be asked is an error, but only when there is a question. */
static void test_cannot_ask(void **state)
{
	static const struct {
		const char *emulator;
		int result;
	} rows[] = {
		{"nonexistent", -ENOENT},
		{"plain", -EACCES},
		{"no-interpreter", -ENOENT},
		{"plain/below", -ENOTDIR},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		struct run run = run_line(rows[i].emulator, "-no-kvm");

		assert_row(run.result == rows[i].result, rows[i].emulator);
		run_done(&run);
		assert_translated(rows[i].emulator, "-m|1", "-m|1", 0);
	}
}

/* A parent that ignores its children hands that on; the answer comes all the same. */
static void test_ignored_sigchld(void **state)
{
	struct sigaction ignored = {.sa_handler = SIG_IGN}, before, after;
	sigset_t mask_before, mask_after;
	int number;

	(void)state;
	assert_int_equal(sigaction(SIGCHLD, &ignored, &before), 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &mask_before), 0);
	assert_translated("knows-all", "-no-kvm", "-no-kvm", 0);
	assert_translated("knows-none", "-no-kvm", "-machine|accel=tcg", 1);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &mask_after), 0);
	assert_int_equal(sigaction(SIGCHLD, &before, &after), 0);
	assert_true(after.sa_handler == SIG_IGN);
	for (number = 1; number < SIGRTMAX; number++)
		assert_int_equal(sigismember(&mask_before, number),
				 sigismember(&mask_after, number));
}

static void test_kind(void **state)
{
	static const struct {
		const char *name;
		int kind;
	} rows[] = {
		{"no-kvm", QEMU_OPTION_FLAG},
		{"no-kvm-irqchip", QEMU_OPTION_FLAG},
		{"no-kvm-pit", QEMU_OPTION_FLAG},
		{"no-kvm-pit-reinjection", QEMU_OPTION_FLAG},
		{"tdf", QEMU_OPTION_FLAG},
		{"rtc-td-hack", QEMU_OPTION_FLAG},
		{"enable-nesting", QEMU_OPTION_FLAG},
		{"pcidevice", QEMU_OPTION_VALUE},
		{"kvm-shadow-memory", QEMU_OPTION_VALUE},
		{"-no-kvm", -ENOENT},
		{"enable-kvm", -ENOENT},
		{"", -ENOENT},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++) {
		assert_row(legacy_option_kind(rows[i].name) == rows[i].kind, rows[i].name);
		/* None of them is one of today's. */
		if (rows[i].kind >= 0)
			assert_row(qemu_option_kind(rows[i].name) == -ENOENT, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate),  cmocka_unit_test(test_shadow_memory),
		cmocka_unit_test(test_refuse),     cmocka_unit_test(test_warning),
		cmocka_unit_test(test_ask),        cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_cannot_ask), cmocka_unit_test(test_ignored_sigchld),
		cmocka_unit_test(test_kind),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
