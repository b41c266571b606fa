/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every unit test includes first: cmocka, and what cmocka needs before it. */
#pragma once

/* clang-format off: cmocka.h needs these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
/* clang-format on */

/* Fails with the row of a table that was at work. */
#define assert_row(condition, row)                                                                 \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("%s: %s", #condition, row);                                       \
	} while (0)
