/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program without its main(). */
#pragma once

/* Runs systemd-unit-merge with the arguments of main() and returns the exit status. */
int systemd_unit_merge_run(int argc, char *argv[]);
