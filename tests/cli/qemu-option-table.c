/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows the table of QEMU's options: "name kind" for each of them. With pairs of NAME and VALUE
 * instead, one line for each: "help" when the value asks for help, else "value".
 */
#include <stdio.h>

#include "qemu-kvm/qemu_options.h"

static const char *const kinds[] = {
	[QEMU_OPTION_FLAG] = "flag",
	[QEMU_OPTION_VALUE] = "value",
	[QEMU_OPTION_HELP] = "help",
	[QEMU_OPTION_INFORMATION] = "information",
};

int main(int argc, char *argv[])
{
	size_t count, i;
	const struct qemu_option *table = qemu_option_table(&count);
	int arg;

	for (arg = 1; arg + 1 < argc; arg += 2)
		puts(qemu_option_asks_for_help(argv[arg], argv[arg + 1]) ? "help" : "value");
	for (i = 0; argc == 1 && i < count; i++)
		printf("%s %s\n", table[i].name, kinds[table[i].kind]);
	return 0;
}
