/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/event_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <traceevent/event-parse.h>

#define TABLES_MAX  32
#define SYMBOLS_MAX 4096
#define DEPTH_MAX   64 /* of nested operators; the kernel's own reach about 6 */

static const char *const operators[] = {
	[EVENT_EQ] = "==", [EVENT_NE] = "!=", [EVENT_LT] = "<",
	[EVENT_GE] = ">=", [EVENT_GT] = ">",  [EVENT_LE] = "<=",
};

static const enum event_operator opposite[] = {
	[EVENT_EQ] = EVENT_NE, [EVENT_NE] = EVENT_EQ, [EVENT_LT] = EVENT_GE,
	[EVENT_GE] = EVENT_LT, [EVENT_GT] = EVENT_LE, [EVENT_LE] = EVENT_GT,
};

const char *event_operator_text(enum event_operator operator)
{
	return operators[operator];
}

static int copy_field(const struct event_field *from, struct event_field *to)
{
	char *name = strdup(from->name);

	if (!name)
		return -ENOMEM;
	*to = *from;
	to->name = name;
	return 0;
}

int event_guards_copy(const struct event_guards *from, struct event_guards *to)
{
	to->count = 0;
	for (; to->count < from->count; to->count++) {
		to->list[to->count] = from->list[to->count];
		if (copy_field(&from->list[to->count].field, &to->list[to->count].field) < 0)
			return -ENOMEM;
	}
	return 0;
}

void event_guards_free(struct event_guards *guards)
{
	size_t i;

	for (i = 0; i < guards->count; i++)
		free(guards->list[i].field.name);
	guards->count = 0;
}

static void free_table(struct event_table *table)
{
	size_t i;

	event_guards_free(&table->guards);
	for (i = 0; i < table->count; i++)
		free(table->symbols[i].name);
	free(table->symbols);
	free(table->field.name);
}

void event_format_free(struct event_format *format)
{
	size_t i;

	if (!format)
		return;
	for (i = 0; i < format->table_count; i++)
		free_table(&format->tables[i]);
	for (i = 0; i < format->field_count; i++)
		free(format->fields[i].name);
	free(format->tables);
	free(format->fields);
	free(format);
}

const struct event_field *event_format_field(const struct event_format *format, const char *name)
{
	size_t i;

	for (i = 0; i < format->field_count; i++) {
		if (strcmp(format->fields[i].name, name) == 0)
			return &format->fields[i];
	}
	return NULL;
}

static bool parse_number(const char *text, int64_t *ret_value)
{
	char *end;

	/* Values are C expressions that libtraceevent has evaluated: decimal, hex or negative. */
	errno = 0;
	*ret_value = *text == '-' ? strtoll(text, &end, 0) : (int64_t)strtoull(text, &end, 0);
	/* As in (0x01UL), which is how arm64's macros expand. */
	return end != text && !end[strspn(end, "uUlL")] && errno == 0;
}

static const struct tep_print_arg *skip_casts(const struct tep_print_arg *arg)
{
	int depth = 0;

	while (arg && arg->type == TEP_PRINT_TYPE && depth++ < DEPTH_MAX)
		arg = arg->typecast.item;
	return arg;
}

/* A constant, also one like ~0xffff or -4. */
static bool constant(const struct tep_print_arg *arg, int64_t *ret_value)
{
	arg = skip_casts(arg);
	if (!arg)
		return false;
	if (arg->type == TEP_PRINT_ATOM)
		return parse_number(arg->atom.atom, ret_value);
	/* Unary operators have their operand on the right and nothing, or a NULL arg, on the left. */
	if (arg->type == TEP_PRINT_OP && (!arg->op.left || arg->op.left->type == TEP_PRINT_NULL) &&
	    arg->op.right && constant(arg->op.right, ret_value)) {
		if (strcmp(arg->op.op, "~") == 0)
			*ret_value = ~*ret_value;
		else if (strcmp(arg->op.op, "-") == 0)
			*ret_value = -*ret_value;
		else
			return false;
		return true;
	}
	return false;
}

/* FIELD or FIELD & MASK. */
static const struct event_field *masked_field(const struct event_format *format,
					      const struct tep_print_arg *arg, uint64_t *ret_mask)
{
	int64_t mask = -1;

	arg = skip_casts(arg);
	if (arg && arg->type == TEP_PRINT_OP && strcmp(arg->op.op, "&") == 0) {
		if (!constant(arg->op.right, &mask))
			return NULL;
		arg = skip_casts(arg->op.left);
	}
	*ret_mask = (uint64_t)mask;
	return arg && arg->type == TEP_PRINT_FIELD ? event_format_field(format, arg->field.name)
						   : NULL;
}

static bool guard_from(const struct event_format *format, const struct tep_print_arg *arg,
		       struct event_guard *ret_guard)
{
	size_t i;
	uint64_t mask;
	const struct event_field *field;

	arg = skip_casts(arg);
	if (!arg || arg->type != TEP_PRINT_OP)
		return false;
	for (i = 0; i < array_size(operators); i++) {
		if (strcmp(arg->op.op, operators[i]))
			continue;
		field = masked_field(format, arg->op.left, &mask);
		if (!field || mask != UINT64_MAX || !constant(arg->op.right, &ret_guard->value))
			return false;
		ret_guard->field = *field; /* the name is borrowed until it is copied */
		ret_guard->operator=(enum event_operator) i;
		return true;
	}
	return false;
}

static int copy_symbols(const struct tep_print_flag_sym *symbol, struct event_table *table)
{
	for (; symbol && table->count < SYMBOLS_MAX; symbol = symbol->next) {
		struct event_symbol *grown;
		int64_t value;
		char *name;

		if (!symbol->value || !symbol->str || !parse_number(symbol->value, &value))
			continue;
		grown = reallocarray(table->symbols, table->count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		table->symbols = grown;
		name = strdup(symbol->str);
		if (!name)
			return -ENOMEM;
		grown[table->count++] = (struct event_symbol){(uint64_t)value, name};
	}
	return 0;
}

static int add_table(struct event_format *format, struct event_table table,
		     const struct event_guards *guards, const struct event_field *field,
		     const struct tep_print_flag_sym *symbols)
{
	struct event_table *grown;

	if (format->table_count == TABLES_MAX)
		return 0;
	if (event_guards_copy(guards, &table.guards) < 0 ||
	    (field && copy_field(field, &table.field) < 0) || copy_symbols(symbols, &table) < 0)
		goto no_memory;
	grown = reallocarray(format->tables, format->table_count + 1, sizeof(*grown));
	if (!grown)
		goto no_memory;
	format->tables = grown;
	grown[format->table_count++] = table;
	return 0;
no_memory:
	free_table(&table);
	return -ENOMEM;
}

static int add_text(struct event_format *format, const char *text,
		    const struct event_guards *guards)
{
	/* As a list of one symbol, with the text unquoted. */
	cleanup_free char *plain = strdup(text);
	struct tep_print_flag_sym symbol = {.value = (char *)"0"};
	size_t length;

	if (!plain)
		return -ENOMEM;
	length = strlen(plain);
	if (length >= 2 && plain[0] == '"' && plain[length - 1] == '"') {
		plain[length - 1] = '\0';
		memmove(plain, plain + 1, length - 1);
	}
	/* Texts that only separate others are nobody's name. */
	if (!plain[strspn(plain, " ,:|")])
		return 0;
	symbol.str = plain;
	return add_table(format, (struct event_table){.kind = EVENT_TEXT}, guards, NULL, &symbol);
}

static int walk(struct event_format *format, const struct tep_print_arg *arg,
		const struct event_guards *guards, int depth);

/* CONDITION ? YES : NO. A condition that is no simple comparison hides both from us. */
static int walk_choice(struct event_format *format, const struct tep_print_arg *arg,
		       const struct event_guards *guards, int depth)
{
	const struct tep_print_arg *branches = arg->op.right;
	struct event_guards inner = *guards;
	struct event_guard *guard = &inner.list[inner.count];
	int r;

	if (!branches || branches->type != TEP_PRINT_OP || strcmp(branches->op.op, ":") ||
	    inner.count == EVENT_GUARDS_MAX || !guard_from(format, arg->op.left, guard))
		return 0;
	inner.count++;
	r = walk(format, branches->op.left, &inner, depth);
	if (r < 0)
		return r;
	guard->operator= opposite[guard->operator];
	return walk(format, branches->op.right, &inner, depth);
}

static int walk(struct event_format *format, const struct tep_print_arg *arg,
		const struct event_guards *guards, int depth)
{
	struct event_table table = {0};
	const struct event_field *field;

	if (!arg || depth > DEPTH_MAX)
		return 0;
	switch (arg->type) {
	case TEP_PRINT_OP:
		return strcmp(arg->op.op, "?") == 0 ? walk_choice(format, arg, guards, depth + 1)
						    : 0;
	case TEP_PRINT_SYMBOL:
		field = masked_field(format, arg->symbol.field, &table.mask);
		table.kind = EVENT_SYMBOLS;
		return field ? add_table(format, table, guards, field, arg->symbol.symbols) : 0;
	case TEP_PRINT_FLAGS:
		field = masked_field(format, arg->flags.field, &table.mask);
		table.kind = EVENT_FLAGS;
		return field ? add_table(format, table, guards, field, arg->flags.flags) : 0;
	case TEP_PRINT_ATOM:
		return guards->count ? add_text(format, arg->atom.atom, guards) : 0;
	default:
		return 0;
	}
}

static int add_fields(struct event_format *format, const struct tep_format_field *field)
{
	for (; field; field = field->next) {
		struct event_field *grown;
		struct event_field copy = {.name = field->name,
					   .offset = (unsigned int)field->offset,
					   .size = (unsigned int)field->size,
					   .is_signed = field->flags & TEP_FIELD_IS_SIGNED};

		if (field->offset < 0 ||
		    (field->size != 1 && field->size != 2 && field->size != 4 &&
		     field->size != 8) ||
		    field->flags & (TEP_FIELD_IS_ARRAY | TEP_FIELD_IS_DYNAMIC))
			continue;
		grown = reallocarray(format->fields, format->field_count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		format->fields = grown;
		if (copy_field(&copy, &grown[format->field_count]) < 0)
			return -ENOMEM;
		format->field_count++;
	}
	return 0;
}

int event_format_parse(const char *text, size_t length, const char *group,
		       struct event_format **ret_format)
{
	struct tep_handle *tep = tep_alloc();
	struct event_format *format = calloc(1, sizeof(*format));
	const struct event_guards none = {0};
	const struct tep_print_arg *arg;
	struct tep_event **events;
	int r = -ENOMEM;

	if (!tep || !format)
		goto out;
	tep_set_loglevel(TEP_LOG_NONE);
	r = -EBADMSG;
	if (tep_parse_event(tep, text, length, group) != 0)
		goto out;
	events = tep_list_events(tep, TEP_EVENT_SORT_ID);
	if (!events || !events[0])
		goto out;
	if (!events[0]->format.nr_common)
		goto out;
	r = add_fields(format, events[0]->format.fields);
	for (arg = events[0]->print_fmt.args; arg && r == 0; arg = arg->next)
		r = walk(format, arg, &none, 0);
	if (r == 0)
		*ret_format = take_ptr(format);
out:
	event_format_free(format);
	if (tep)
		tep_free(tep);
	return r;
}

int event_field_read(const struct event_field *field, const void *record, size_t size,
		     uint64_t *ret_value)
{
	const unsigned char *p = record;
	uint64_t wide = 0;
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} value;

	if (field->offset > size || field->size > size - field->offset ||
	    field->size > sizeof(value))
		return -EBADMSG;
	memcpy(&value, p + field->offset, field->size);
	switch (field->size) {
	case 1:
		wide = field->is_signed ? (uint64_t)(int8_t)value.u8 : value.u8;
		break;
	case 2:
		wide = field->is_signed ? (uint64_t)(int16_t)value.u16 : value.u16;
		break;
	case 4:
		wide = field->is_signed ? (uint64_t)(int32_t)value.u32 : value.u32;
		break;
	default:
		wide = value.u64;
	}
	*ret_value = wide;
	return 0;
}

static bool guard_holds(const struct event_guard *guard, const void *record, size_t size)
{
	uint64_t raw;
	int64_t value;

	if (event_field_read(&guard->field, record, size, &raw) < 0)
		return false;
	value = (int64_t)raw;
	switch (guard->operator) {
	case EVENT_EQ:
		return value == guard->value;
	case EVENT_NE:
		return value != guard->value;
	case EVENT_LT:
		return value < guard->value;
	case EVENT_GE:
		return value >= guard->value;
	case EVENT_GT:
		return value > guard->value;
	case EVENT_LE:
		return value <= guard->value;
	}
	return false;
}

bool event_guards_hold(const struct event_guards *guards, const void *record, size_t size)
{
	size_t i;

	for (i = 0; i < guards->count; i++) {
		if (!guard_holds(&guards->list[i], record, size))
			return false;
	}
	return true;
}
