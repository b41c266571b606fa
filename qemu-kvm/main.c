/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/run.h"

int main(int argc, char *argv[])
{
	return qemu_kvm_run(argc, argv);
}
