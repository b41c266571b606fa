/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "kvm_stat/exit_reason.h"
#include "tests/unit/formats.h"
#include "tests/unit/perf_filter.h"

#define FILTER_MAX 4095 /* bytes: a page with its NUL */

/* Reasons together with the format they come from. */
struct reasons {
	struct event_format *format;
	struct exit_reasons *list;
};

static struct reasons build(const char *machine, const char *event, enum exit_isa isa)
{
	struct reasons reasons = {.format = formats_parse(machine, "kvm", event)};
	struct event_format *exit_format = formats_parse(machine, "kvm", "kvm_exit");

	assert_int_equal(exit_reasons_build(event, reasons.format, isa, exit_format, &reasons.list),
			 0);
	event_format_free(exit_format);
	return reasons;
}

static void done(struct reasons *reasons)
{
	exit_reasons_free(reasons->list);
	event_format_free(reasons->format);
}

static const struct exit_reason *find(const struct reasons *reasons, const char *name)
{
	size_t i;

	for (i = 0; i < reasons->list->count; i++) {
		if (strcmp(reasons->list->list[i].name, name) == 0)
			return &reasons->list->list[i];
	}
	return NULL;
}

static const char *filter_of(const struct reasons *reasons, const char *name)
{
	const struct exit_reason *reason = find(reasons, name);

	return reason ? reason->filter : "none";
}

static void test_apply(void **state)
{
	static const char *const yes[] = {"kvm_exit", "kvm_exit_idle", "kvm_userspace_exit",
					  "kvm_nested_vmexit", "kvm_vmgexit_enter"};
	static const char *const no[] = {"",          "kvm_exi", "kvm_exits",
					 "kvm_entry", "kvm_pio", "kvm_nested_vmexit_inject",
					 "xkvm_exit"};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(yes); i++)
		assert_row(exit_reasons_apply(yes[i]), yes[i]);
	for (i = 0; i < array_size(no); i++)
		assert_row(!exit_reasons_apply(no[i]), no[i]);
}

static void test_vmx(void **state)
{
	struct reasons reasons = build("x86_64", "kvm_exit", EXIT_ISA_VMX);

	(void)state;
	assert_int_equal(reasons.list->count, 65);
	assert_string_equal(reasons.list->list[0].name, "EXCEPTION_NMI");
	assert_string_equal(filter_of(&reasons, "HLT"), "(exit_reason==12)");
	assert_string_equal(filter_of(&reasons, "IO_INSTRUCTION"), "(exit_reason==30)");
	assert_string_equal(filter_of(&reasons, "EPT_VIOLATION"), "(exit_reason==48)");
	assert_string_equal(filter_of(&reasons, "INVALID_STATE"), "(exit_reason==33)");
	assert_null(find(&reasons, "IOIO"));
	assert_null(find(&reasons, "NPF"));
	done(&reasons);
}

/* SVM's names are those of the manual, not the kernel's. */
static void test_svm(void **state)
{
	struct reasons reasons = build("x86_64", "kvm_exit", EXIT_ISA_SVM);
	static const struct {
		const char *name, *filter;
	} rows[] = {
		{"READ_CR0", "(exit_reason==0)"},
		{"EXCP_BASE", "(exit_reason==64)"},
		{"DB_EXCP", "(exit_reason==65)"},
		{"LAST_EXCP", "(exit_reason==95)"},
		{"INTR", "(exit_reason==96)"},
		{"IOIO", "(exit_reason==123)"},
		{"VMMCALL", "(exit_reason==129)"},
		{"TR_READ", "(exit_reason==105)"},
		{"EFER_WRITE_TRAP", "(exit_reason==143)"},
		{"IDLE_HALT", "(exit_reason==166)"},
		{"NPF", "(exit_reason==1024)"},
		{"VMGEXIT_MMIO_READ", "(exit_reason==2147483649)"},
		{"INVALID_GUEST_STATE", "(exit_reason==4294967295)"},
		/* What kernels print is not what rows are called. */
		{"IO", "none"},
		{"interrupt", "none"},
		{"read_cr0", "none"},
		{"DE_EXCP", "none"},
		{"HYPERCALL", "none"},
		{"EPT_VIOLATION", "none"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(rows); i++)
		assert_string_equal(filter_of(&reasons, rows[i].name), rows[i].filter);
	done(&reasons);
}

/* Not knowing the CPU, both vendors' names are there, each for records of its own ISA. */
static void test_isa_unknown(void **state)
{
	struct reasons reasons = build("x86_64", "kvm_exit", EXIT_ISA_UNKNOWN);

	(void)state;
	assert_string_equal(filter_of(&reasons, "EPT_VIOLATION"), "(isa==1&&exit_reason==48)");
	assert_string_equal(filter_of(&reasons, "NPF"), "(isa!=1&&exit_reason==1024)");
	assert_string_equal(filter_of(&reasons, "CPUID"),
			    "(isa==1&&exit_reason==10)||(isa!=1&&exit_reason==114)");
	done(&reasons);
}

static void test_userspace(void **state)
{
	struct reasons reasons = build("x86_64", "kvm_userspace_exit", EXIT_ISA_VMX);

	(void)state;
	assert_int_equal(reasons.list->count, 2 + 44);
	assert_string_equal(filter_of(&reasons, "restart"), "(errno<0&&errno==-4)");
	assert_string_equal(filter_of(&reasons, "error"), "(errno<0&&errno!=-4)");
	assert_string_equal(filter_of(&reasons, "IO"), "(errno>=0&&reason==2)");
	/* Newer than the kernel's own table. */
	assert_string_equal(filter_of(&reasons, "MEMORY_FAULT"), "(errno>=0&&reason==39)");
	assert_string_equal(reasons.list->rest_filter, "(errno>=0&&!((reason>=0&&reason<=43)))");
	done(&reasons);
}

static void test_vmgexit(void **state)
{
	struct reasons reasons = build("x86_64", "kvm_vmgexit_enter", EXIT_ISA_SVM);
	struct exit_reasons *list = NULL;

	(void)state;
	assert_string_equal(filter_of(&reasons, "CPUID"), "(exit_reason==114)");
	assert_string_equal(filter_of(&reasons, "VMGEXIT_MMIO_WRITE"), "(exit_reason==2147483650)");
	assert_int_equal(
		exit_reasons_build("kvm_vmgexit_enter", reasons.format, EXIT_ISA_SVM, NULL, &list),
		-ENOENT);
	assert_null(list);
	done(&reasons);
}

static void test_arm64(void **state)
{
	struct reasons reasons = build("aarch64", "kvm_exit", EXIT_ISA_UNKNOWN);

	(void)state;
	assert_string_equal(filter_of(&reasons, "IRQ"), "(ret!=2&&ret==0)");
	assert_string_equal(filter_of(&reasons, "HYP_GONE"), "(ret!=2&&ret==195938833)");
	assert_string_equal(filter_of(&reasons, "WFx"), "(ret==2&&esr_ec==1)");
	assert_string_equal(filter_of(&reasons, "DABT_LOW"), "(ret==2&&esr_ec==36)");
	/* A trap is told by its class; an asynchronous SError is not one. */
	assert_null(find(&reasons, "TRAP"));
	assert_string_equal(filter_of(&reasons, "SERROR"),
			    "(ret!=2&&ret==1)||(ret==2&&esr_ec==47)");
	done(&reasons);
}

static void test_riscv(void **state)
{
	struct reasons reasons = build("riscv64", "kvm_exit", EXIT_ISA_UNKNOWN);

	(void)state;
	assert_string_equal(filter_of(&reasons, "VIRTUAL_INST_FAULT"), "(scause==22)");
	assert_string_equal(filter_of(&reasons, "IRQ_S_EXT"), "(scause==9223372036854775817)");
	done(&reasons);
}

static void test_none(void **state)
{
	static const char *const events[] = {"kvm_entry", "kvm_pio", "kvm_msr"};
	size_t i;

	(void)state;
	for (i = 0; i < array_size(events); i++) {
		struct event_format *format = formats_parse("x86_64", "kvm", events[i]);
		struct exit_reasons *list = NULL;

		if (!format->table_count)
			assert_int_equal(
				exit_reasons_build(events[i], format, EXIT_ISA_VMX, NULL, &list),
				-ENOENT);
		assert_null(list);
		event_format_free(format);
	}
	exit_reasons_free(NULL);
}

/* A name is one word: it goes into a log's banner and into name(REASON). */
static void assert_sound_names(const struct reasons *reasons)
{
	size_t i, j;

	for (i = 0; i < reasons->list->count; i++) {
		const char *name = reasons->list->list[i].name;

		assert_row(*name && !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"
						       "abcdefghijklmnopqrstuvwxyz")],
			   name);
		for (j = 0; j < i; j++)
			assert_row(strcmp(name, reasons->list->list[j].name), name);
	}
}

static bool takes(const char *filter, const struct reasons *reasons, const unsigned char *record)
{
	int r = perf_filter_eval(filter, reasons->format, record, RECORD_SIZE);

	if (r == PERF_FILTER_BAD)
		fail_msg("the kernel refuses \"%s\"", filter);
	return r == PERF_FILTER_TAKES;
}

/*
 * Each record is counted once: by the filter of one reason, or by that of the rest, whose records
 * can all be decoded.
 */
static void assert_counted_once(const struct reasons *reasons, const unsigned char *record)
{
	struct exit_decoded decoded;
	size_t i, taken = 0;
	bool rest = takes(reasons->list->rest_filter, reasons, record);
	int r = exit_reasons_decode(reasons->list, record, RECORD_SIZE, &decoded);

	for (i = 0; i < reasons->list->count; i++)
		taken += takes(reasons->list->list[i].filter, reasons, record);
	assert_int_equal(taken + rest, 1);
	assert_int_equal(r, rest ? 0 : -EBADMSG);
	if (r == 0)
		assert_true(decoded.reason < (ssize_t)reasons->list->count);
}

/*
 * The reason of a record is told by the fields that exit_reasons_fields() names, and it is the one
 * whose filter takes the record: what a BPF program counts is what perf counts.
 */
static void assert_classified_as_filtered(const struct reasons *reasons,
					  const unsigned char *record)
{
	unsigned char fields_only[RECORD_SIZE] = {0};
	struct event_field fields[2];
	ssize_t count = exit_reasons_fields(reasons->list, fields, array_size(fields));
	struct exit_decoded classified, decoded;
	size_t end = 0, i;
	int r;

	assert_true(count > 0);
	for (i = 0; i < (size_t)count; i++) {
		memcpy(fields_only + fields[i].offset, record + fields[i].offset, fields[i].size);
		end = fields[i].offset + fields[i].size > end ? fields[i].offset + fields[i].size
							      : end;
	}
	r = exit_reasons_classify(reasons->list, fields_only, end, &classified);
	if (takes(reasons->list->rest_filter, reasons, record)) {
		assert_int_equal(r, 0);
		assert_int_equal(exit_reasons_decode(reasons->list, record, RECORD_SIZE, &decoded),
				 0);
		assert_int_equal(classified.reason, decoded.reason);
		assert_true(classified.number == decoded.number);
		assert_true(classified.flags == decoded.flags);
		return;
	}
	assert_int_equal(r, 0);
	assert_true(classified.reason >= 0 && classified.reason < (ssize_t)reasons->list->count);
	assert_int_equal(classified.flags, 0);
	assert_true(takes(reasons->list->list[classified.reason].filter, reasons, record));
	/* A record that ends before its last field tells nothing, or what its guards say. */
	if (exit_reasons_classify(reasons->list, fields_only, end - 1, &classified) == 0)
		assert_true(classified.reason < (ssize_t)reasons->list->count);
}

static void assert_sound_filters(const struct reasons *reasons)
{
	size_t i;

	assert_true(strlen(reasons->list->rest_filter) <= FILTER_MAX);
	for (i = 0; i < reasons->list->count; i++)
		assert_true(strlen(reasons->list->list[i].filter) <= FILTER_MAX);
}

/* Values at which something could change, and some more. */
static uint64_t interesting(unsigned int number)
{
	static const uint64_t special[] = {
		UINT64_MAX,         0x7fffffff,  0x80000000,  0x80000021,      0xffffffff,
		0xfffffffe,         0x10000,     0x1000c,     0x80000000 | 12, 0x7fffffffffffffff,
		0x8000000000000000, 0xbadca11,   0xbadca10,   0xbadca12,       0x80010001,
		0x8000fffd,         0x100000000, 0x10000000c,
	};

	if (number < 0x100)
		return number;
	number -= 0x100;
	if (number < 0x10)
		return 0x3f8 + number;
	number -= 0x10;
	if (number < array_size(special))
		return special[number];
	number -= (unsigned int)array_size(special);
	if (number < 0x20)
		return 0x80000000 + number;
	return number < 0x40 ? 0x8000000000000000 + number - 0x20 : 0;
}

#define INTERESTING 0x170

static const struct partition {
	const char *machine, *event;
	enum exit_isa isa;
	const char *field, *second; /* `second` takes the values of `seconds` */
	int64_t seconds[8];
	size_t second_count;
} partitions[] = {
	{"x86_64", "kvm_exit", EXIT_ISA_VMX, "exit_reason", "isa", {1}, 1},
	{"x86_64", "kvm_exit", EXIT_ISA_SVM, "exit_reason", "isa", {2}, 1},
	{"x86_64", "kvm_exit", EXIT_ISA_UNKNOWN, "exit_reason", "isa", {0, 1, 2, 3, -1}, 5},
	{"x86_64", "kvm_nested_vmexit", EXIT_ISA_VMX, "exit_reason", "isa", {1}, 1},
	{"x86_64", "kvm_nested_vmexit", EXIT_ISA_SVM, "exit_reason", "isa", {2}, 1},
	{"x86_64", "kvm_nested_vmexit", EXIT_ISA_UNKNOWN, "exit_reason", "isa", {1, 2}, 2},
	{"x86_64",
	 "kvm_userspace_exit",
	 EXIT_ISA_VMX,
	 "reason",
	 "errno",
	 {0, 1, -1, -4, -5, -3, 2147483647, -2147483648LL},
	 8},
	{"x86_64", "kvm_vmgexit_enter", EXIT_ISA_SVM, "exit_reason", "vcpu_id", {0}, 1},
	{"aarch64", "kvm_exit", EXIT_ISA_UNKNOWN, "esr_ec", "ret", {0, 1, 2, 3, -1, 0xbadca11}, 6},
	{"aarch64", "kvm_exit", EXIT_ISA_UNKNOWN, "ret", "esr_ec", {0, 1, 2, 0x2f, 0x3f}, 5},
	{"riscv64", "kvm_exit", EXIT_ISA_UNKNOWN, "scause", "sepc", {0}, 1},
	{"riscv64", "kvm_userspace_exit", EXIT_ISA_UNKNOWN, "reason", "errno", {0, -4, -14}, 3},
	{"aarch64", "kvm_userspace_exit", EXIT_ISA_UNKNOWN, "reason", "errno", {0, -4, -14}, 3},
	{"loongarch64", "kvm_exit", EXIT_ISA_UNKNOWN, "reason", "vcpu_id", {0, 7}, 2},
	{"loongarch64", "kvm_userspace_exit", EXIT_ISA_UNKNOWN, "reason", "errno", {0, -4, -14}, 3},
	{"s390x", "kvm_userspace_exit", EXIT_ISA_UNKNOWN, "reason", "errno", {0, -4, -14}, 3},
};

static void assert_partition(const struct partition *partition)
{
	struct event_format *exit_format = formats_parse(
		partition->machine, "kvm",
		strcmp(partition->machine, "s390x") ? "kvm_exit" : "kvm_s390_sie_exit");
	struct reasons reasons = {
		.format = formats_parse(partition->machine, "kvm", partition->event)};
	unsigned char record[RECORD_SIZE] = {0};
	unsigned int i;
	size_t j;

	assert_int_equal(exit_reasons_build(partition->event, reasons.format, partition->isa,
					    exit_format, &reasons.list),
			 0);
	assert_sound_names(&reasons);
	assert_sound_filters(&reasons);
	for (i = 0; i < INTERESTING; i++) {
		record_set(record, reasons.format, partition->field, interesting(i));
		for (j = 0; j < partition->second_count; j++) {
			record_set(record, reasons.format, partition->second,
				   (uint64_t)partition->seconds[j]);
			assert_counted_once(&reasons, record);
			assert_classified_as_filtered(&reasons, record);
		}
	}
	done(&reasons);
	event_format_free(exit_format);
}

static void test_every_record_is_counted_once(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < array_size(partitions); i++)
		assert_partition(&partitions[i]);
}

static void test_decode_flags(void **state)
{
	struct reasons reasons = build("x86_64", "kvm_exit", EXIT_ISA_VMX);
	unsigned char record[RECORD_SIZE] = {0};
	struct exit_decoded decoded;

	(void)state;
	/* A failed VM entry for invalid guest state. */
	record_set(record, reasons.format, "exit_reason", 0x80000021);
	assert_int_equal(exit_reasons_decode(reasons.list, record, RECORD_SIZE, &decoded), 0);
	assert_string_equal(reasons.list->list[decoded.reason].name, "INVALID_STATE");
	assert_int_equal(decoded.number, 33);
	assert_int_equal(decoded.flags, 0x80000000);
	assert_string_equal(exit_reasons_flag_name(reasons.list, 0x80000000), "FAILED_VMENTRY");
	assert_null(exit_reasons_flag_name(reasons.list, 0x40000000));

	/* A flag that has no name, on a reason that has none. */
	record_set(record, reasons.format, "exit_reason", 0x40000000 | 65);
	assert_int_equal(exit_reasons_decode(reasons.list, record, RECORD_SIZE, &decoded), 0);
	assert_int_equal(decoded.reason, -1);
	assert_int_equal(decoded.number, 65);
	assert_int_equal(decoded.flags, 0x40000000);

	/* Its own filter counts a plain HLT. */
	record_set(record, reasons.format, "exit_reason", 12);
	assert_int_equal(exit_reasons_decode(reasons.list, record, RECORD_SIZE, &decoded),
			 -EBADMSG);
	record_set(record, reasons.format, "exit_reason", 65);
	assert_int_equal(exit_reasons_decode(reasons.list, record, 11, &decoded), -EBADMSG);
	assert_int_equal(exit_reasons_decode(reasons.list, record, 12, &decoded), 0);
	done(&reasons);
}

/* On SVM all bits are the number. */
static void test_decode_svm(void **state)
{
	struct reasons reasons = build("x86_64", "kvm_exit", EXIT_ISA_SVM);
	unsigned char record[RECORD_SIZE] = {0};
	struct exit_decoded decoded;

	(void)state;
	record_set(record, reasons.format, "isa", EXIT_ISA_SVM);
	record_set(record, reasons.format, "exit_reason", 0x80000021);
	assert_int_equal(exit_reasons_decode(reasons.list, record, RECORD_SIZE, &decoded), 0);
	assert_int_equal(decoded.reason, -1);
	assert_int_equal(decoded.number, 0x80000021);
	assert_int_equal(decoded.flags, 0);
	done(&reasons);
}

static void test_decode_arm64(void **state)
{
	struct reasons reasons = build("aarch64", "kvm_exit", EXIT_ISA_UNKNOWN);
	unsigned char record[RECORD_SIZE] = {0};
	struct exit_decoded decoded;

	(void)state;
	record_set(record, reasons.format, "ret", 2);
	record_set(record, reasons.format, "esr_ec", 0x3f);
	assert_int_equal(exit_reasons_decode(reasons.list, record, RECORD_SIZE, &decoded), 0);
	assert_int_equal(decoded.reason, -1);
	assert_int_equal(decoded.number, 0x3f);
	record_set(record, reasons.format, "ret", (uint64_t)-7);
	assert_int_equal(exit_reasons_decode(reasons.list, record, RECORD_SIZE, &decoded), 0);
	assert_true(decoded.number == 0xfffffff9);
	done(&reasons);
}

/* A table of nothing but what the guards exclude must not make a filter that cannot be parsed. */
static void test_lonely_trap(void **state)
{
	static const char text[] =
		"name: kvm_exit\nID: 7\nformat:\n"
		"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
		"\tfield:int ret;\toffset:8;\tsize:4;\tsigned:1;\n\n"
		"print fmt: \"%s\", __print_symbolic(REC->ret, { 2, \"TRAP\" })\n";
	struct event_format *format = NULL;
	struct exit_reasons *list = NULL;
	unsigned char record[RECORD_SIZE] = {0};

	(void)state;
	assert_int_equal(event_format_parse(text, strlen(text), "kvm", &format), 0);
	if (exit_reasons_build("kvm_exit", format, EXIT_ISA_UNKNOWN, NULL, &list) == 0)
		assert_int_not_equal(
			perf_filter_eval(list->rest_filter, format, record, RECORD_SIZE),
			PERF_FILTER_BAD);
	exit_reasons_free(list);
	event_format_free(format);
}

/* The judge itself. */
static void test_evaluator(void **state)
{
	static const struct {
		const char *filter;
		int result;
	} rows[] = {
		{"reason==5", 1},
		{"reason!=5", 0},
		{"reason<5", 0},
		{"reason<=5", 1},
		{"reason>4", 1},
		{"reason>=6", 0},
		{"errno<0", 1},
		{"errno==-4", 1},
		{"errno == -4 && reason == 5", 1},
		{"reason==1||errno<0&&reason==5", 1},
		{"(reason==1||errno<0)&&reason==6", 0},
		{"!(reason==6)", 1},
		{"!(!(reason==5))", 1},
		{"reason==0x5", 1},
		{"reason==4294967301", 1},
		{"", -1},
		{"()", -1},
		{"!()", -1},
		{"(reason==5", -1},
		{"reason==5)", -1},
		{"reason==-5", -1},
		{"reason==", -1},
		{"reason=5", -1},
		{"none==5", -1},
		{"reason==5&&", -1},
		{"reason==5 reason==5", -1},
		{"reason==x", -1},
		{"reason==99999999999999999999", -1},
	};
	struct event_format *format = formats_parse("x86_64", "kvm", "kvm_userspace_exit");
	unsigned char record[RECORD_SIZE] = {0};
	size_t i;

	(void)state;
	record_set(record, format, "reason", 5);
	record_set(record, format, "errno", (uint64_t)-4);
	for (i = 0; i < array_size(rows); i++)
		assert_row(perf_filter_eval(rows[i].filter, format, record, RECORD_SIZE) ==
				   rows[i].result,
			   rows[i].filter);
	event_format_free(format);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evaluator),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_vmx),
		cmocka_unit_test(test_svm),
		cmocka_unit_test(test_isa_unknown),
		cmocka_unit_test(test_userspace),
		cmocka_unit_test(test_vmgexit),
		cmocka_unit_test(test_arm64),
		cmocka_unit_test(test_riscv),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_every_record_is_counted_once),
		cmocka_unit_test(test_decode_flags),
		cmocka_unit_test(test_decode_svm),
		cmocka_unit_test(test_decode_arm64),
		cmocka_unit_test(test_lonely_trap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
