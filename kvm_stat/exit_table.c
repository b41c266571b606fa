/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/exit_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool exit_reason_is_halt(const char *reason)
{
	/* x86 with SVM's two that are newer and of SEV-ES, arm64's WFI and WFE, loongarch. */
	static const char *const halts[] = {
		"HLT",       "MWAIT_INSTRUCTION",   "MWAIT", "MWAIT_COND",
		"IDLE_HALT", "VMGEXIT_AP_HLT_LOOP", "WFx",   "IDLE"};
	size_t i;

	for (i = 0; i < array_size(halts); i++) {
		if (strcmp(reason, halts[i]) == 0)
			return true;
	}
	return false;
}

/* Whether a row "event(reason)" is a halt. */
static bool is_halt(const struct rate *rate)
{
	size_t parent = rate->parent ? strlen(rate->parent) : 0, length = strlen(rate->name);
	char reason[32];

	if (!parent || length < parent + 2 || length - parent - 2 >= sizeof(reason))
		return false;
	memcpy(reason, rate->name + parent + 1, length - parent - 2);
	reason[length - parent - 2] = '\0';
	return exit_reason_is_halt(reason);
}

/* Whether an event has reasons, whose rows come after its own. */
static bool has_reasons(const struct rates *rates, size_t event)
{
	size_t i;

	for (i = event + 1; i < rates->count; i++) {
		const char *parent = rates->rows[i].parent;

		if (parent && strcmp(parent, rates->rows[event].name) == 0)
			return true;
	}
	return false;
}

static int compare_rows(const void *a, const void *b)
{
	const struct exit_row *left = a, *right = b;

	if (left->halted != right->halted)
		return left->halted ? 1 : -1;
	if (left->times->sum != right->times->sum)
		return left->times->sum > right->times->sum ? -1 : 1;
	return (left->rate > right->rate) - (left->rate < right->rate);
}

int exit_table_update(struct exit_table *table, const struct rates *rates, enum exit_span span)
{
	size_t i;

	table->count = 0;
	table->exits = table->time = 0;
	if (rates->count > table->room) {
		struct exit_row *grown = reallocarray(table->rows, rates->count, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		table->rows = grown;
		table->room = rates->count;
	}
	for (i = 0; i < rates->count; i++) {
		const struct rate *rate = &rates->rows[i];
		struct exit_row *row = &table->rows[table->count];
		const struct distribution *times = span == EXIT_TOTAL ? rate->distribution
								      : rate->interval;

		if (!times || !times->count || !times->has_moments ||
		    (!rate->parent && has_reasons(rates, i)))
			continue;
		*row = (struct exit_row){.rate = rate, .times = times, .halted = is_halt(rate)};
		if (!row->halted) {
			table->exits += times->count;
			table->time += times->sum;
		}
		table->count++;
	}
	for (i = 0; i < table->count; i++) {
		struct exit_row *row = &table->rows[i];

		if (row->halted)
			continue;
		row->count_share = (double)row->times->count / (double)table->exits;
		row->time_share = table->time ? (double)row->times->sum / (double)table->time : 0;
	}
	if (table->count)
		qsort(table->rows, table->count, sizeof(*table->rows), compare_rows);
	return 0;
}

void exit_table_done(struct exit_table *table)
{
	free(table->rows);
	*table = (struct exit_table){0};
}
