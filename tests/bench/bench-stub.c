/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench-stub stands in for QEMU and ends at once. bench-exec, the same file with EXECUTES defined,
 * only becomes the program that its first argument names: the least that a launcher can do.
 */
#include <unistd.h>

int main(int argc, char *argv[])
{
#ifdef EXECUTES
	if (argc > 1)
		execv(argv[1], argv + 1);
	return 1;
#else
	(void)argv;
	return argc == 0;
#endif
}
