/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The whole program. Returns its exit status: that of enum outcome, or 2 for usage. */
int kvm_modprobe_run(int argc, char *argv[]);
