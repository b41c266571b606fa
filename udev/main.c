/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "udev/run.h"

int main(int argc, char *argv[])
{
	return kvm_device_run(argc, argv);
}
