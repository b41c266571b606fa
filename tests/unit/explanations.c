/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <ctype.h>
#include <string.h>

#include "host/cleanup.h"
#include "kvm_stat/explanations.h"

static const struct explanation *found[EXPLANATIONS_MAX];

/* Finds exactly one explanation and returns it. */
static const struct explanation *find_one(const char *name, const char *parent)
{
	size_t count = explanations_find(name, parent, found);

	if (count != 1)
		fail_msg("%s: %zu explanations instead of one", name, count);
	return found[0];
}

static void assert_kind(const char *name, const char *parent, enum explanation_kind kind,
			const char *entry)
{
	const struct explanation *explanation = find_one(name, parent);

	assert_row(explanation->kind == kind, name);
	assert_string_equal(explanation->name, entry);
}

static void test_what_rows_show(void **state)
{
	(void)state;
	assert_kind("kvm_exit", NULL, EXPLANATION_TRACEPOINT, "kvm_exit");
	assert_kind("halt_wait_ns", NULL, EXPLANATION_STATISTIC, "halt_wait_ns");
	assert_kind("kvm_exit(HLT)", NULL, EXPLANATION_EXIT, "HLT");
	assert_kind("kvm_nested_vmexit(NPF)", NULL, EXPLANATION_EXIT, "NPF");
	assert_kind("kvm_vmgexit_enter(MSR)", NULL, EXPLANATION_EXIT, "MSR");
	assert_kind("kvm_exit_idle(IDLE)", NULL, EXPLANATION_EXIT, "IDLE");
	assert_kind("kvm_userspace_exit(HLT)", NULL, EXPLANATION_USERSPACE_EXIT, "HLT");
	assert_kind("kvm_userspace_exit(restart)", NULL, EXPLANATION_USERSPACE_EXIT, "restart");
	assert_kind("HLT", "kvm_exit", EXPLANATION_EXIT, "HLT");
	assert_kind("HLT", "kvm_userspace_exit", EXPLANATION_USERSPACE_EXIT, "HLT");
	/* The screen may hand over the whole name and its parent. */
	assert_kind("kvm_exit(HLT)", "kvm_exit", EXPLANATION_EXIT, "HLT");
	assert_kind("instruction_stsi", "exit_instruction", EXPLANATION_STATISTIC,
		    "instruction_stsi");
}

static void test_families(void **state)
{
	(void)state;
	assert_kind("kvm_exit(READ_CR3)", NULL, EXPLANATION_EXIT, "READ_CR*");
	assert_kind("kvm_exit(CR15_WRITE_TRAP)", NULL, EXPLANATION_EXIT, "CR*_WRITE_TRAP");
	assert_kind("kvm_exit(FLAG_0x4000000)", NULL, EXPLANATION_EXIT, "FLAG_0x*");
	assert_kind("OF_EXCP", NULL, EXPLANATION_EXIT, "*_EXCP");
	/* One that has an explanation of its own is not the family's. */
	assert_kind("DB_EXCP", NULL, EXPLANATION_EXIT, "DB_EXCP");
	assert_kind("instruction_sigp_sense", NULL, EXPLANATION_STATISTIC,
		    "instruction_sigp_sense");
	assert_kind("instruction_sigp_start", NULL, EXPLANATION_STATISTIC, "instruction_sigp_*");
	/* As --explain help lists it. */
	assert_kind("*_EXCP", NULL, EXPLANATION_EXIT, "*_EXCP");
}

static void test_ambiguous(void **state)
{
	(void)state;
	assert_int_equal(explanations_find("HLT", NULL, found), 2);
	assert_true(found[0]->kind != found[1]->kind);
	assert_int_equal(explanations_find("mmio_exits", NULL, found), 2);
	assert_string_not_equal(found[0]->arch, found[1]->arch);
	assert_int_equal(explanations_find("BUS_LOCK", NULL, found), 1);
	assert_string_equal(found[0]->arch, "vmx");
	assert_true(explanations_find("CACHE", "kvm_exit", found) > 1);
}

static void test_case(void **state)
{
	(void)state;
	assert_kind("kvm_exit(ept_violation)", NULL, EXPLANATION_EXIT, "EPT_VIOLATION");
	assert_kind("KVM_EXIT(EPT_VIOLATION)", NULL, EXPLANATION_EXIT, "EPT_VIOLATION");
	assert_kind("Halt_Wait_NS", NULL, EXPLANATION_STATISTIC, "halt_wait_ns");
	assert_kind("of_excp", NULL, EXPLANATION_EXIT, "*_EXCP");
	/* "invlpg" is a statistic, "INVLPG" an exit reason: case tells. */
	assert_kind("invlpg", NULL, EXPLANATION_STATISTIC, "invlpg");
	assert_kind("INVLPG", NULL, EXPLANATION_EXIT, "INVLPG");
	assert_int_equal(explanations_find("Invlpg", NULL, found), 2);
}

static void test_unknown_and_hostile(void **state)
{
	static const char *const names[] = {
		"",
		"*",
		"?",
		"[a-z]*",
		"\\",
		"()",
		"(",
		")",
		"kvm_exit(",
		"kvm_exit()",
		"kvm_exit)",
		"(HLT)",
		"kvm_exit(HLT",
		"kvm_exit(HLT))",
		"kvm_exit(kvm_exit(HLT))",
		"kvm_exit(kvm_pio)",
		"kvm_exit(0x4c)",
		"kvm_pio(HLT)",
		"kvm_userspace_exit(NPF)",
		"nothing(HLT)",
		"HLT ",
		" HLT",
		"HLT\n",
		"\033[2J",
		"\xff\xfe",
		"kvm_exi",
	};
	char longest[4096];
	size_t i, length;

	(void)state;
	for (i = 0; i < array_size(names); i++)
		assert_row(explanations_find(names[i], NULL, found) == 0, names[i]);
	assert_int_equal(explanations_find("HLT", "kvm_pio", found), 0);
	assert_int_equal(explanations_find("HLT", "", found), 0);
	/* Every length around the limit, with and without parentheses. */
	for (length = 1; length < 200; length++) {
		memset(longest, 'a', length);
		longest[length] = '\0';
		assert_int_equal(explanations_find(longest, NULL, found), 0);
		assert_int_equal(explanations_find("HLT", longest, found), 0);
		longest[length / 2] = '(';
		assert_int_equal(explanations_find(longest, NULL, found), 0);
		longest[length - 1] = ')';
		assert_int_equal(explanations_find(longest, NULL, found), 0);
	}
	memset(longest, '(', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(explanations_find(longest, NULL, found), 0);
}

/* One or more sentences, in what every terminal can show and no layout can split. */
static void assert_text(const char *text, const char *name)
{
	const char *p;

	if (!text)
		return;
	assert_row(text[0] && text[strlen(text) - 1] == '.', name);
	for (p = text; *p; p++) {
		assert_row(isascii(*p) && isprint((unsigned char)*p), name);
		assert_row(p[0] != ' ' || (p > text && p[1] != ' '), name);
	}
}

static void test_every_entry(void **state)
{
	const struct explanation *entry;
	size_t i, j, count;

	(void)state;
	for (i = 0; (entry = explanations_get(i)); i++) {
		assert_row(entry->name && entry->counts, entry->name);
		assert_text(entry->counts, entry->name);
		assert_text(entry->causes, entry->name);
		assert_text(entry->advice, entry->name);
		assert_non_null(explanation_kind_name(entry->kind));
		assert_true(explanation_unit(entry)[0]);
		count = explanations_find(entry->name, NULL, found);
		assert_row(count >= 1 && count < EXPLANATIONS_MAX, entry->name);
		for (j = 0; j < count && found[j] != entry; j++)
			;
		assert_row(j < count, entry->name);
	}
	assert_true(i > 600);
	assert_null(explanations_get(i));
	assert_null(explanations_get(SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_rows_show),      cmocka_unit_test(test_families),
		cmocka_unit_test(test_ambiguous),           cmocka_unit_test(test_case),
		cmocka_unit_test(test_unknown_and_hostile), cmocka_unit_test(test_every_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
