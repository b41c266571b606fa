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
	}
	return "unknown";
}
