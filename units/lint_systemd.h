/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The units that are there wherever systemd is. */
#pragma once

#include <stdbool.h>

/* Whether it is a name of one of them. */
bool lint_is_of_systemd(const char *name);
