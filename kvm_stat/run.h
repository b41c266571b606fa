/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The whole program. Returns its exit status: 0 done, 1 failed, 2 usage. */
int kvm_stat_run(int argc, char *argv[]);
