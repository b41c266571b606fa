/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The launcher: becomes the emulator, or prints why not and returns the exit status. */
int qemu_kvm_run(int argc, char *argv[]);
