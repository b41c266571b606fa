/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/run.h"

int main(int argc, char *argv[])
{
	return kvm_check_run(argc, argv);
}
