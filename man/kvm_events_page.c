/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the man page kvm-events(7), in scdoc, from the table that --explain uses; with --table the
 * table itself, in lines of tab-separated fields, for the tests. It is built and run by the build
 * and never installed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kvm_stat/explanations.h"

static const char introduction[] =
	"kvm-events(7)\n"
	"\n"
	"# NAME\n"
	"\n"
	"kvm-events - what the tracepoints, statistics and exit reasons of KVM mean\n"
	"\n"
	"# DESCRIPTION\n"
	"\n"
	"The rows of *kvm_stat*(1) have the names that the kernel gives to its tracepoints, to the\n"
	"reasons for which a guest exits, and to its statistics. This page says of each what it\n"
	"counts, what usually raises it, and what to try when it is high. *kvm_stat --explain*\n"
	"_name_ shows the same for one name.\n"
	"\n"
	"A row such as _kvm\\_exit(HLT)_ is the exit reason _HLT_. Behind a name stand the\n"
	"architectures that have it, if not all do; _vmx_ and _svm_ are x86 with Intel's and AMD's\n"
	"virtualisation. A \\* in a name stands for any characters. Which names there are differs\n"
	"from kernel to kernel. Numbers are events or exits where nothing else is said.\n"
	"\n"
	"The VMM is the program that runs the guest: QEMU, whose options are named here, or another\n"
	"one. libvirt passes options through in _<qemu:commandline>_ and has elements of its own for\n"
	"most. L1 is a guest that runs guests of its own, L2.\n"
	"\n"
	"No number is bad by itself. Where a guest is slow look first at what leads, at what\n"
	"_kvm\\_userspace\\_exit_ costs, and at the CPU time of its threads.\n";

static const char ending[] = "\n# SEE ALSO\n"
			     "\n"
			     "*kvm_stat*(1), *perf-kvm*(1), *trace-cmd*(1), *qemu-kvm*(1)\n";

static const char *const headings[_EXPLANATION_KIND_MAX] = {
	[EXPLANATION_TRACEPOINT] = "TRACEPOINTS",
	[EXPLANATION_EXIT] = "EXIT REASONS",
	[EXPLANATION_USERSPACE_EXIT] = "REASONS TO RETURN TO USER SPACE",
	[EXPLANATION_STATISTIC] = "STATISTICS",
};

/* Prints text with what scdoc would take for formatting escaped. */
static void print_text(const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_<>[]#~", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void print_labelled(const char *label, const char *text)
{
	if (!text)
		return;
	printf("\n\t%s: ", label);
	print_text(text);
	putchar('\n');
}

static void print_entry(const struct explanation *entry)
{
	printf("\n*");
	print_text(entry->name);
	putchar('*');
	if (entry->newer_than)
		printf(" (kernels newer than %s)", entry->newer_than);
	if (entry->older_than)
		printf(" (kernels older than %s)", entry->older_than);
	printf("\n\t");
	print_text(entry->counts);
	putchar('\n');
	print_labelled("Unit", entry->unit);
	print_labelled("Raised by", entry->causes);
	print_labelled("What to try", entry->advice);
}

static bool same_arch(const struct explanation *a, const struct explanation *b)
{
	if (!a->arch || !b->arch)
		return a->arch == b->arch;
	return strcmp(a->arch, b->arch) == 0;
}

/* Whether an entry before `index` has opened the part of its kind and architecture. */
static bool is_printed(size_t index)
{
	const struct explanation *entry = explanations_get(index);
	size_t i;

	for (i = 0; i < index; i++) {
		const struct explanation *other = explanations_get(i);

		if (other->kind == entry->kind && same_arch(other, entry))
			return true;
	}
	return false;
}

static void print_kind(enum explanation_kind kind)
{
	const struct explanation *entry, *other;
	size_t i, j;

	printf("\n# %s\n", headings[kind]);
	for (i = 0; (entry = explanations_get(i)); i++) {
		if (entry->kind != kind || is_printed(i))
			continue;
		printf("\n## %s\n", entry->arch ? entry->arch : "all architectures");
		for (j = i; (other = explanations_get(j)); j++) {
			if (other->kind == kind && same_arch(entry, other))
				print_entry(other);
		}
	}
}

static void print_table(void)
{
	const struct explanation *entry;
	size_t i;

	for (i = 0; (entry = explanations_get(i)); i++)
		printf("%s\t%s\t%s\t%s\t%s\n", explanation_kind_name(entry->kind),
		       entry->arch ? entry->arch : "", entry->name,
		       entry->newer_than ? entry->newer_than : "",
		       entry->older_than ? entry->older_than : "");
}

int main(int argc, char *argv[])
{
	int kind;

	if (argc == 2 && strcmp(argv[1], "--table") == 0) {
		print_table();
	} else {
		fputs(introduction, stdout);
		for (kind = 0; kind < _EXPLANATION_KIND_MAX; kind++)
			print_kind((enum explanation_kind)kind);
		fputs(ending, stdout);
	}
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
