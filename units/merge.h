/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts the lines of one unit behind those of another, section by section. */
#pragma once

#include "units/unit_file.h"

/*
 * Moves all lines of `extra` to `base`, section by section; what is left of `extra` is to be freed.
 * A section that `base` does not have is an error. Returns 0 or -errno with *ret_why (to be freed,
 * NULL without memory).
 */
int merge_unit(struct unit *base, struct unit *extra, char **ret_why) must_check;
