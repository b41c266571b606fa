/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The whole program. Returns its exit status: 0 usable, 1 not usable or failed, 2 usage. */
int kvm_check_run(int argc, char *argv[]);
