/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/exit_reason.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_stat/exit_reason_names.h"

/* The kernel takes filters of up to a page, its end included. */
#define FILTER_MAX 4095

/* The codes of one field under one set of guards. */
struct exit_code_set {
	struct event_guards guards; /* owned */
	struct event_field field;
	uint64_t mask;
	uint64_t *values; /* ascending */
	size_t *reasons;  /* for each value: index into the list */
	size_t count;
	struct event_symbol *flags; /* names of bits beside the mask */
	size_t flag_count;
};

/* A reason that is told by guards alone, such as "errno < 0". */
struct exit_text {
	struct event_guards guards; /* owned */
	size_t reason;
};

bool exit_reasons_apply(const char *name)
{
	return strcmp(name, "kvm_exit") == 0 || strncmp(name, "kvm_exit_", 9) == 0 ||
	       strcmp(name, "kvm_userspace_exit") == 0 || strcmp(name, "kvm_nested_vmexit") == 0 ||
	       strcmp(name, "kvm_vmgexit_enter") == 0;
}

static void free_set(struct exit_code_set *set)
{
	size_t i;

	event_guards_free(&set->guards);
	free(set->field.name);
	free(set->values);
	free(set->reasons);
	for (i = 0; i < set->flag_count; i++)
		free(set->flags[i].name);
	free(set->flags);
}

void exit_reasons_free(struct exit_reasons *reasons)
{
	size_t i;

	if (!reasons)
		return;
	for (i = 0; i < reasons->count; i++) {
		free(reasons->list[i].name);
		free(reasons->list[i].filter);
	}
	for (i = 0; i < reasons->set_count; i++)
		free_set(&reasons->sets[i]);
	for (i = 0; i < reasons->text_count; i++)
		event_guards_free(&reasons->texts[i].guards);
	free(reasons->list);
	free(reasons->sets);
	free(reasons->texts);
	free(reasons->rest_filter);
	free(reasons);
}

/*
 * Copies a table's guards without those that this host's ISA decides. Returns 1, or 0 when the
 * table is for the other ISA, or -ENOMEM.
 */
static int reduce_guards(const struct event_guards *from, enum exit_isa isa,
			 struct event_guards *to)
{
	struct event_guards kept = {0};
	size_t i;

	for (i = 0; i < from->count; i++) {
		const struct event_guard *guard = &from->list[i];

		if (isa != EXIT_ISA_UNKNOWN && strcmp(guard->field.name, "isa") == 0) {
			if ((guard->operator== EVENT_EQ) != (guard->value == (int64_t)isa))
				return 0;
			continue;
		}
		kept.list[kept.count++] = *guard;
	}
	if (event_guards_copy(&kept, to) < 0) {
		event_guards_free(to);
		return -ENOMEM;
	}
	return 1;
}

static void write_guards(FILE *out, const struct event_guards *guards)
{
	size_t i;

	for (i = 0; i < guards->count; i++)
		fprintf(out, "%s%s%s%" PRId64, i ? "&&" : "", guards->list[i].field.name,
			event_operator_text(guards->list[i].operator), guards->list[i].value);
}

/* "(guards&&field==value)"; without a field the guards alone. */
static char *clause(const struct event_guards *guards, const char *field, uint64_t value)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	putc('(', out);
	write_guards(out, guards);
	if (field)
		fprintf(out, "%s%s==%" PRIu64, guards->count ? "&&" : "", field, value);
	putc(')', out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/*
 * The reason of that name, made if there is none; on hosts that may run either vendor's code,
 * CPUID is one row whose filter takes both numbers. Returns the index or -ENOMEM. Takes `filter`.
 */
static ssize_t add_reason(struct exit_reasons *reasons, const char *name, char *filter)
{
	struct exit_reason *grown;
	size_t i;

	if (!filter)
		return -ENOMEM;
	for (i = 0; i < reasons->count; i++) {
		struct exit_reason *reason = &reasons->list[i];
		char *both;

		if (strcmp(reason->name, name))
			continue;
		if (asprintf(&both, "%s||%s", reason->filter, filter) < 0) {
			free(filter);
			return -ENOMEM;
		}
		free(filter);
		free(reason->filter);
		reason->filter = both;
		return (ssize_t)i;
	}
	grown = reallocarray(reasons->list, reasons->count + 1, sizeof(*grown));
	if (grown)
		reasons->list = grown;
	if (!grown || !(grown[i].name = strdup(name))) {
		free(filter);
		return -ENOMEM;
	}
	grown[i].filter = filter;
	reasons->count++;
	return (ssize_t)i;
}

static const char *name_of(const struct reason_name *names, uint64_t value)
{
	for (; names && names->name; names++) {
		if (names->value == value)
			return names->name;
	}
	return NULL;
}

/*
 * A kernel's name as a row shows it: without KVM_EXIT_, without blanks (the log's banner is split
 * at them), and in capitals where the kernel prints small letters.
 */
static char *spell(const char *name, bool capitals)
{
	char *copy, *p;

	if (strncmp(name, "KVM_EXIT_", 9) == 0)
		name += 9;
	copy = strdup(name);
	for (p = copy; p && *p; p++) {
		if (!isalnum((unsigned char)*p))
			*p = '_';
		else if (capitals)
			*p = (char)toupper((unsigned char)*p);
	}
	return copy;
}

static int set_add_value(struct exit_reasons *reasons, struct exit_code_set *set, uint64_t value,
			 const char *name)
{
	uint64_t *values;
	size_t *indexes;
	size_t at = set->count;
	ssize_t index = add_reason(reasons, name, clause(&set->guards, set->field.name, value));

	if (index < 0)
		return -ENOMEM;
	values = reallocarray(set->values, set->count + 1, sizeof(*values));
	if (values)
		set->values = values;
	indexes = reallocarray(set->reasons, set->count + 1, sizeof(*indexes));
	if (indexes)
		set->reasons = indexes;
	if (!values || !indexes)
		return -ENOMEM;
	while (at > 0 && values[at - 1] > value)
		at--;
	memmove(values + at + 1, values + at, (set->count - at) * sizeof(*values));
	memmove(indexes + at + 1, indexes + at, (set->count - at) * sizeof(*indexes));
	values[at] = value;
	indexes[at] = (size_t)index;
	set->count++;
	return 0;
}

static bool set_find(const struct exit_code_set *set, uint64_t value, size_t *ret_reason)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->values[middle] == value) {
			*ret_reason = set->reasons[middle];
			return true;
		}
		if (set->values[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static uint64_t field_bits(const struct event_field *field)
{
	return field->size >= 8 ? UINT64_MAX : (UINT64_C(1) << (field->size * 8)) - 1;
}

/* Whether the guards already exclude `value` of their set's field, as ret != TRAP does. */
static bool is_excluded(const struct exit_code_set *set, uint64_t value)
{
	size_t i;

	for (i = 0; i < set->guards.count; i++) {
		const struct event_guard *guard = &set->guards.list[i];

		if (strcmp(guard->field.name, set->field.name) == 0 &&
		    guard->operator== EVENT_NE && guard->value ==(int64_t) value)
			return true;
	}
	return false;
}

/* Fills a set from the kernel's table, with other names and further ones from `names`. */
static int fill_set(struct exit_reasons *reasons, struct exit_code_set *set,
		    const struct event_symbol *symbols, size_t count,
		    const struct reason_name *names, bool capitals)
{
	size_t i, ignored;

	for (i = 0; i < count; i++) {
		/* A value such as -1 means all bits of the field. */
		uint64_t value = symbols[i].value & field_bits(&set->field);
		const char *known = name_of(names, value);
		cleanup_free char *spelled = known ? strdup(known)
						   : spell(symbols[i].name, capitals);

		if (!spelled)
			return -ENOMEM;
		if (!is_excluded(set, value) && !set_find(set, value, &ignored) &&
		    set_add_value(reasons, set, value, spelled) < 0)
			return -ENOMEM;
	}
	for (; names && names->name; names++) {
		if (!set_find(set, names->value, &ignored) &&
		    set_add_value(reasons, set, names->value, names->name) < 0)
			return -ENOMEM;
	}
	return 0;
}

static struct exit_code_set *new_set(struct exit_reasons *reasons, const struct event_field *field,
				     uint64_t mask)
{
	struct exit_code_set *grown = reallocarray(reasons->sets, reasons->set_count + 1,
						   sizeof(*grown));
	struct exit_code_set *set;

	if (!grown)
		return NULL;
	reasons->sets = grown;
	set = &grown[reasons->set_count];
	*set = (struct exit_code_set){.field = *field, .mask = mask & field_bits(field)};
	set->field.name = strdup(field->name);
	if (!set->field.name)
		return NULL;
	reasons->set_count++;
	return set;
}

static int copy_flags(const struct event_format *format, const struct event_table *codes,
		      struct exit_code_set *set)
{
	size_t i, j;

	for (i = 0; i < format->table_count; i++) {
		const struct event_table *table = &format->tables[i];

		if (table->kind != EVENT_FLAGS || set->flags ||
		    strcmp(table->field.name, codes->field.name))
			continue;
		set->flags = calloc(table->count ? table->count : 1, sizeof(*set->flags));
		if (!set->flags)
			return -ENOMEM;
		for (j = 0; j < table->count; j++) {
			set->flags[j] = (struct event_symbol){table->symbols[j].value,
							      spell(table->symbols[j].name, false)};
			if (!set->flags[j].name)
				return -ENOMEM;
			set->flag_count++;
		}
	}
	return 0;
}

/* On x86 the table under "isa != 1" is SVM's. */
static bool is_svm_table(const struct event_table *table)
{
	size_t i;

	for (i = 0; i < table->guards.count; i++) {
		const struct event_guard *guard = &table->guards.list[i];

		if (strcmp(guard->field.name, "isa") == 0)
			return guard->operator== EVENT_NE && guard->value == EXIT_ISA_VMX;
	}
	return false;
}

static const struct reason_name *names_for(const char *event, const struct event_table *table)
{
	if (strcmp(event, "kvm_userspace_exit") == 0)
		return userspace_reason_names;
	return is_svm_table(table) ? svm_reason_names : NULL;
}

/*
 * arm64: "ret" says why the guest stopped and "esr_ec" which trap it was. The kernel writes
 * esr_ec 0 (UNKNOWN) where "ret" is no TRAP, and prints both; but an exit has one reason. Adds the
 * guard that makes it so.
 */
static int add_arm64_guard(const struct event_format *format, const struct event_table *table,
			   struct event_guards *guards)
{
	bool is_trap = strcmp(table->field.name, "esr_ec") == 0;
	size_t i, j;

	if (!is_trap && strcmp(table->field.name, "ret"))
		return 0;
	for (i = 0; i < format->table_count; i++) {
		const struct event_table *ret = &format->tables[i];

		if (ret->kind != EVENT_SYMBOLS || strcmp(ret->field.name, "ret"))
			continue;
		for (j = 0; j < ret->count; j++) {
			struct event_guard *guard = &guards->list[guards->count];

			if (strcmp(ret->symbols[j].name, "TRAP") ||
			    guards->count == EVENT_GUARDS_MAX)
				continue;
			*guard = (struct event_guard){.field = ret->field,
						      .operator= is_trap ? EVENT_EQ : EVENT_NE,
						      .value = (int64_t)ret->symbols[j].value};
			guard->field.name = strdup(ret->field.name);
			if (!guard->field.name)
				return -ENOMEM;
			guards->count++;
			return 0;
		}
	}
	return 0;
}

static int add_symbols(struct exit_reasons *reasons, const char *event,
		       const struct event_format *format, const struct event_table *table,
		       enum exit_isa isa)
{
	struct event_guards guards = {0};
	struct exit_code_set *set;
	int r = reduce_guards(&table->guards, isa, &guards);

	if (r <= 0)
		return r;
	r = add_arm64_guard(format, table, &guards);
	set = r < 0 ? NULL : new_set(reasons, &table->field, table->mask);
	if (!set) {
		event_guards_free(&guards);
		return -ENOMEM;
	}
	set->guards = guards;
	r = fill_set(reasons, set, table->symbols, table->count, names_for(event, table),
		     is_svm_table(table));
	if (r == 0 && set->mask != field_bits(&set->field))
		r = copy_flags(format, table, set);
	return r;
}

static int add_text(struct exit_reasons *reasons, const struct event_table *table,
		    enum exit_isa isa)
{
	struct event_guards guards = {0};
	cleanup_free char *name = NULL;
	struct exit_text *grown;
	ssize_t reason;
	int r = reduce_guards(&table->guards, isa, &guards);

	if (r <= 0)
		return r;
	name = spell(table->symbols[0].name, false);
	reason = name ? add_reason(reasons, name, clause(&guards, NULL, 0)) : -ENOMEM;
	grown = reallocarray(reasons->texts, reasons->text_count + 1, sizeof(*grown));
	if (grown)
		reasons->texts = grown;
	if (reason < 0 || !grown) {
		event_guards_free(&guards);
		return -ENOMEM;
	}
	grown[reasons->text_count++] = (struct exit_text){guards, (size_t)reason};
	return 0;
}

/* SEV-ES: the codes are those of kvm_exit on SVM, but the format has no table of its own. */
static int add_vmgexit(struct exit_reasons *reasons, const struct event_format *format,
		       const struct event_format *exit_format)
{
	const struct event_field *field = event_format_field(format, "exit_reason");
	size_t i;

	for (i = 0; field && exit_format && i < exit_format->table_count; i++) {
		const struct event_table *table = &exit_format->tables[i];
		struct exit_code_set *set;

		if (table->kind != EVENT_SYMBOLS || !is_svm_table(table))
			continue;
		set = new_set(reasons, field, UINT64_MAX);
		return set ? fill_set(reasons, set, table->symbols, table->count, svm_reason_names,
				      true)
			   : -ENOMEM;
	}
	return 0;
}

static int add_riscv(struct exit_reasons *reasons, const struct event_format *format)
{
	const struct event_field *field = event_format_field(format, "scause");
	struct exit_code_set *set = field ? new_set(reasons, field, UINT64_MAX) : NULL;

	if (!field)
		return 0;
	return set ? fill_set(reasons, set, NULL, 0, riscv_reason_names, false) : -ENOMEM;
}

static void write_known_values(FILE *out, const struct exit_code_set *set)
{
	size_t i, end;

	for (i = 0; i < set->count; i = end) {
		for (end = i + 1; end < set->count && set->values[end] == set->values[end - 1] + 1;)
			end++;
		if (i)
			fputs("||", out);
		if (end - i > 2)
			fprintf(out, "(%s>=%" PRIu64 "&&%s<=%" PRIu64 ")", set->field.name,
				set->values[i], set->field.name, set->values[end - 1]);
		else if (end - i == 2)
			fprintf(out, "%s==%" PRIu64 "||%s==%" PRIu64, set->field.name,
				set->values[i], set->field.name, set->values[end - 1]);
		else
			fprintf(out, "%s==%" PRIu64, set->field.name, set->values[i]);
	}
}

static int write_rest_filter(struct exit_reasons *reasons)
{
	size_t i, length, written = 0;
	FILE *out = open_memstream(&reasons->rest_filter, &length);

	if (!out)
		return -ENOMEM;
	for (i = 0; i < reasons->set_count; i++) {
		const struct exit_code_set *set = &reasons->sets[i];

		if (!set->count && !set->guards.count)
			continue;
		fputs(written++ ? "||(" : "(", out);
		write_guards(out, &set->guards);
		if (set->count) {
			fputs(set->guards.count ? "&&!(" : "!(", out);
			write_known_values(out, set);
			putc(')', out);
		}
		putc(')', out);
	}
	if (fclose(out))
		return -ENOMEM;
	if (!written)
		return -ENOENT;
	if (length > FILTER_MAX) {
		free(reasons->rest_filter);
		reasons->rest_filter = NULL;
	}
	return 0;
}

int exit_reasons_build(const char *event, const struct event_format *format, enum exit_isa isa,
		       const struct event_format *exit_format, struct exit_reasons **ret_reasons)
{
	struct exit_reasons *reasons = calloc(1, sizeof(*reasons));
	size_t i;
	int r = reasons ? 0 : -ENOMEM;

	for (i = 0; r == 0 && i < format->table_count; i++) {
		const struct event_table *table = &format->tables[i];

		if (table->kind == EVENT_SYMBOLS && table->count)
			r = add_symbols(reasons, event, format, table, isa);
		else if (table->kind == EVENT_TEXT)
			r = add_text(reasons, table, isa);
	}
	if (r == 0 && !reasons->set_count && strcmp(event, "kvm_vmgexit_enter") == 0)
		r = add_vmgexit(reasons, format, exit_format);
	if (r == 0 && !reasons->set_count)
		r = add_riscv(reasons, format);
	if (r == 0 && !reasons->set_count)
		r = -ENOENT;
	if (r == 0)
		r = write_rest_filter(reasons);
	if (r < 0) {
		exit_reasons_free(reasons);
		return r;
	}
	*ret_reasons = reasons;
	return 0;
}

/* Tells the reason and the flags that a field's value stands for. */
static struct exit_decoded decode_value(const struct exit_code_set *set, uint64_t value)
{
	struct exit_decoded decoded = {.reason = -1, .number = value};
	size_t reason;

	if (!set_find(set, value, &reason)) {
		decoded.number = value & set->mask;
		decoded.flags = value & ~set->mask;
	}
	if (set_find(set, decoded.number, &reason))
		decoded.reason = (ssize_t)reason;
	return decoded;
}

int exit_reasons_decode(const struct exit_reasons *reasons, const void *record, size_t size,
			struct exit_decoded *ret_decoded)
{
	size_t i, reason;

	for (i = 0; i < reasons->set_count; i++) {
		const struct exit_code_set *set = &reasons->sets[i];
		uint64_t value;

		if (!event_guards_hold(&set->guards, record, size) ||
		    event_field_read(&set->field, record, size, &value) < 0)
			continue;
		value &= field_bits(&set->field);
		/* A value that its own filter counts: this set is not why the record is here. */
		if (set_find(set, value, &reason))
			continue;
		*ret_decoded = decode_value(set, value);
		return 0;
	}
	return -EBADMSG;
}

int exit_reasons_classify(const struct exit_reasons *reasons, const void *record, size_t size,
			  struct exit_decoded *ret_decoded)
{
	size_t i;

	for (i = 0; i < reasons->set_count; i++) {
		const struct exit_code_set *set = &reasons->sets[i];
		uint64_t value;

		if (!event_guards_hold(&set->guards, record, size) ||
		    event_field_read(&set->field, record, size, &value) < 0)
			continue;
		value &= field_bits(&set->field);
		*ret_decoded = decode_value(set, value);
		return 0;
	}
	for (i = 0; i < reasons->text_count; i++) {
		if (!event_guards_hold(&reasons->texts[i].guards, record, size))
			continue;
		*ret_decoded = (struct exit_decoded){.reason = (ssize_t)reasons->texts[i].reason};
		return 0;
	}
	return -EBADMSG;
}

/* Adds a field unless it is there. Returns whether there was room. */
static bool add_field(const struct event_field *field, struct event_field *fields, size_t room,
		      size_t *count)
{
	size_t i;

	for (i = 0; i < *count; i++) {
		if (fields[i].offset == field->offset)
			return true;
	}
	if (*count == room)
		return false;
	fields[(*count)++] = *field;
	return true;
}

static bool add_guard_fields(const struct event_guards *guards, struct event_field *fields,
			     size_t room, size_t *count)
{
	size_t i;

	for (i = 0; i < guards->count; i++) {
		if (!add_field(&guards->list[i].field, fields, room, count))
			return false;
	}
	return true;
}

ssize_t exit_reasons_fields(const struct exit_reasons *reasons, struct event_field *ret_fields,
			    size_t room)
{
	size_t i, count = 0;
	bool fits = true;

	for (i = 0; i < reasons->set_count && fits; i++)
		fits = add_field(&reasons->sets[i].field, ret_fields, room, &count) &&
		       add_guard_fields(&reasons->sets[i].guards, ret_fields, room, &count);
	for (i = 0; i < reasons->text_count && fits; i++)
		fits = add_guard_fields(&reasons->texts[i].guards, ret_fields, room, &count);
	return fits ? (ssize_t)count : -E2BIG;
}

const char *exit_reasons_flag_name(const struct exit_reasons *reasons, uint64_t bit)
{
	size_t i, j;

	for (i = 0; i < reasons->set_count; i++) {
		for (j = 0; j < reasons->sets[i].flag_count; j++) {
			if (reasons->sets[i].flags[j].value == bit)
				return reasons->sets[i].flags[j].name;
		}
	}
	return NULL;
}
