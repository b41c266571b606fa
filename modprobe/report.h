/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user gets to see of the work. */
#pragma once

#include "modprobe/options.h"
#include "modprobe/work.h"

/* Prints the work, and what failed on stderr. `status` is that of the program. */
int report_work(const struct options *options, const struct work *work, int status) must_check;
