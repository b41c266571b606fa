/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What systemd does with several assignments of the same key. */
#pragma once

#include <stdbool.h>

/* Whether the last one counts alone. A key that is not known does not. */
bool key_is_scalar(const char *key);

/* Whether its value is a set of words: neither their order counts nor how often one is there. */
bool key_is_set(const char *section, const char *key);

/*
 * The name of all the keys that an empty assignment of this one resets: its own, or the start that
 * they have in common. *ret_length is the length of that name.
 */
const char *key_reset_group(const char *section, const char *key, unsigned *ret_length);
