/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/source.h"

const char *source_name(enum source_kind kind)
{
	switch (kind) {
	case SOURCE_DEBUGFS:
		return "debugfs";
	case SOURCE_TRACEPOINTS:
		return "tracepoints";
	case SOURCE_STATS:
		return "stats";
	case SOURCE_REPLAY:
		return "recording";
	}
	return "unknown";
}

unsigned int selection_parts(const struct selection *selection, const char *name,
			     const char *parent)
{
	if (!selection_wants(selection, name))
		return 0;
	if (selection->only || !parent)
		return SELECTED_ROW;
	return SELECTED_PARENT | (selection->children ? SELECTED_ROW : 0);
}
