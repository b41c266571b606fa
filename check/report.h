/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report for support: what a stranger needs to know about this host, and nothing more. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "check/result.h"
#include "host/root.h"

/*
 * Writes the report: the system, the results, KVM's modules, devices, and how many guests run.
 * Of the kernel's command line and modprobe.d only what concerns KVM is told. The names and command
 * lines of guests, which may hold secrets, come `with_guests` only. Returns 0 or -ENOMEM.
 */
int report_write(FILE *stream, const struct host_root *root, const struct result *results,
		 size_t count, bool with_guests) must_check;
