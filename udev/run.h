/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kvm-device(8) from its arguments to its exit status. */
#pragma once

/* Runs the program and returns its exit status. */
int kvm_device_run(int argc, char *argv[]);
