/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports as JSON lines: kvm_stat-json(5), of which man/kvm_stat-1.schema.json is the form. */
#pragma once

#include <stdio.h>

#include "kvm_stat/report.h"

/* To be changed when what is there changes its meaning or goes; new members do not count. */
#define JSON_SCHEMA "kvm_stat/1"

/* Writes the report as one object on one line. Returns 0, or -ENOMEM amid the line. */
int json_write_report(FILE *stream, const struct report *report) must_check;
