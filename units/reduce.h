/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leaves out of a merged unit what later lines make useless. Comments stay. */
#pragma once

#include "units/unit_file.h"

/*
 * As drop-ins do: of scalars only the last assignment stays, and an empty one takes away all that
 * come before it and itself stays. Returns 0 or -ENOMEM.
 */
int reduce_overridden(struct unit *unit) must_check;

/*
 * Drops assignments that say again what is said already: the same value of a scalar, and words that
 * dependencies and [Install] have. Returns 0 or -ENOMEM.
 */
int reduce_repeated(struct unit *unit) must_check;
