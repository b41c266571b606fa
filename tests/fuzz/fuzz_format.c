/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format files of tests/fixtures/formats with other numbers and operators in them, the reasons
 * that are made of them, and records.
 *
 * The text is not mutated freely: libtraceevent 1.7.1 neither survives many a syntax error nor
 * __print_symbolic() of a field that the file does not have, and loses memory when it refuses a
 * file. Kernels write no such files, so those faults are left to libtraceevent; leaks below its
 * functions are not looked at.
 *
 * Input: event and ISA, file, number of edits, edits (see edit()), record.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#include "kvm_stat/exit_reason.h"
#include "tests/unit/formats.h"
#include "tests/unit/perf_filter.h"

/* Called by the leak sanitizer. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libtraceevent\n";
}

const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

static const struct {
	const char *machine, *group, *event;
} files[] = {
	{"x86_64", "kvm", "kvm_exit"},          {"x86_64", "kvm", "kvm_userspace_exit"},
	{"x86_64", "kvm", "kvm_nested_vmexit"}, {"x86_64", "kvm", "kvm_vmgexit_enter"},
	{"aarch64", "kvm", "kvm_exit"},         {"riscv64", "kvm", "kvm_exit"},
	{"s390x", "kvm", "kvm_s390_sie_exit"},  {"x86_64", "kvmmmu", "kvm_mmu_get_page"},
};

#define FILES (sizeof(files) / sizeof(files[0]))

static char *texts[FILES];

static void free_texts(void)
{
	size_t i;

	for (i = 0; i < FILES; i++)
		free(texts[i]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	size_t i;

	(void)argc;
	(void)argv;
	atexit(free_texts);
	for (i = 0; i < FILES; i++)
		texts[i] = formats_read(files[i].machine, files[i].group, files[i].event);
	return 0;
}

/* The `number`th token of these characters from `text` on, counted again from the start. */
static char *find_token(char *text, const char *characters, unsigned int number, size_t *ret_length)
{
	char *first = NULL, *p = text;

	for (;; number--) {
		p += strcspn(p, characters);
		if (!*p && !first)
			return NULL;
		if (!*p)
			p = first;
		if (!first)
			first = p;
		*ret_length = strspn(p, characters);
		if (!number)
			return p;
		p += *ret_length;
	}
}

static char *replace(char *text, const char *at, size_t length, const char *by)
{
	char *changed;

	promise(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, by, at + length) >= 0);
	free(text);
	return changed;
}

/* Puts another number or another operator into the text. Returns the new one. */
static char *edit(char *text, struct fuzz_supply *supply)
{
	static const char *const operators[] = {"==", "!=", "<", ">=", ">", "<="};
	uint8_t what = fuzz_byte(supply);
	unsigned int which = (unsigned int)fuzz_number(supply, 2);
	bool is_number = what & 0xc0;
	/* Mostly behind the fields, of which a change makes the file another one at once. */
	char *print = strstr(text, "print fmt"), number[40], *token;
	size_t length;

	token = find_token(what & 0x80 ? print : text, is_number ? "0123456789" : "<>=!", which,
			   &length);
	if (!token)
		return text;
	/* Not the digits of a name, nor the sign of "->" or of a hexadecimal number. */
	if (token > text && (strchr("-_", token[-1]) || (token[-1] | 0x20) >= 'a'))
		return text;
	if ((token[length] | 0x20) >= 'a' && (token[length] | 0x20) <= 'z')
		return text;
	if (!is_number)
		return replace(text, token, length, operators[what % 6]);
	snprintf(number, sizeof(number), what & 0x20 ? "0x%llxUL" : "%llu",
		 (unsigned long long)fuzz_number(supply, 1 + (what & 7)));
	return replace(text, token, length, number);
}

static void check_reasons(const struct exit_reasons *reasons, const struct event_format *format,
			  const uint8_t *data, size_t size)
{
	uint8_t record[256] = {0};
	struct exit_decoded decoded;
	size_t i;

	memcpy(record, data, size < sizeof(record) ? size : sizeof(record));
	for (i = 0; i < reasons->count; i++) {
		promise(!strpbrk(reasons->list[i].name, " \t\n,\"()"));
		perf_filter_eval(reasons->list[i].filter, format, record, sizeof(record));
	}
	promise(strlen(reasons->rest_filter) <= 4095 && !strstr(reasons->rest_filter, "()"));
	perf_filter_eval(reasons->rest_filter, format, record, sizeof(record));
	if (exit_reasons_decode(reasons, record, sizeof(record), &decoded) == 0) {
		promise(decoded.reason >= -1 && decoded.reason < (ssize_t)reasons->count);
		for (i = 0; i < 64; i++)
			(void)exit_reasons_flag_name(reasons, UINT64_C(1) << i);
	}
	/* The record as short as it is. */
	(void)!exit_reasons_decode(reasons, data, size, &decoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const events[] = {"kvm_exit", "kvm_userspace_exit", "kvm_nested_vmexit",
					     "kvm_vmgexit_enter"};
	struct fuzz_supply supply = {data, size};
	uint8_t choice = fuzz_byte(&supply);
	char *text = strdup(texts[fuzz_byte(&supply) % FILES]);
	unsigned int edits = fuzz_byte(&supply) & 15;
	struct event_format *format = NULL;
	struct exit_reasons *reasons = NULL;
	int r;

	promise(text);
	while (edits--)
		text = edit(text, &supply);
	r = event_format_parse(text, strlen(text), "kvm", &format);
	promise(r == 0 || r == -EBADMSG);
	if (r == 0) {
		r = exit_reasons_build(events[choice & 3], format,
				       (enum exit_isa)((choice >> 2) % 3),
				       choice & 0x40 ? format : NULL, &reasons);
		promise(r == 0 || r == -ENOENT || r == -E2BIG);
		if (r == 0)
			check_reasons(reasons, format, supply.data, supply.left);
	}
	exit_reasons_free(reasons);
	event_format_free(format);
	free(text);
	return 0;
}
