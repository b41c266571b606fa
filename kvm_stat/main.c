/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/run.h"

int main(int argc, char *argv[])
{
	return kvm_stat_run(argc, argv);
}
