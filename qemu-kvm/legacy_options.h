/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of the old qemu-kvm (2006-2012) that today's QEMU does not have. */
#pragma once

#include "host/cleanup.h"

#define LEGACY_OPTIONS 9

/* Without a replacement there is advice, and the option is refused. */
struct legacy_option {
	const char *name;           /* without its dash */
	int kind;                   /* enum qemu_option_kind: FLAG or VALUE */
	const char *option, *value; /* today's; `value` is NULL where it is made of the old one */
	const char *advice;
};

/* The old option `name`, without its dashes, or NULL. */
const struct legacy_option *legacy_option_find(const char *name);

/* Its enum qemu_option_kind, or -ENOENT. */
int legacy_option_kind(const char *name) must_check;
