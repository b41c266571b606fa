/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/run.h"

int main(int argc, char *argv[])
{
	return kvm_modprobe_run(argc, argv);
}
