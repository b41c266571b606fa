/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/run.h"

int main(int argc, char *argv[])
{
	return systemd_unit_merge_run(argc, argv);
}
