/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/format.h"

#include <math.h>
#include <stdio.h>

#include "host/cleanup.h"

void format_time(char *out, size_t size, double ns, const char *suffix)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	size_t unit = 0;

	if (isnan(ns)) {
		snprintf(out, size, "-");
		return;
	}
	while (unit + 1 < array_size(units) && ns >= 999.5) {
		ns /= 1000;
		unit++;
	}
	snprintf(out, size, "%.*f%s%s", unit && ns < 9.95 ? 1 : 0, ns, units[unit], suffix);
}
