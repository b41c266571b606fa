/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine-exit N: ends the virtual machine it runs in by QEMU's device isa-debug-exit, which turns
 * N into QEMU's exit status 2 * N + 1. By ioperm(): stock cloud kernels have no /dev/port.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <unistd.h>

#define DEBUG_EXIT_PORT 0xf4

int main(int argc, char *argv[])
{
	if (argc != 2) {
		fprintf(stderr, "usage: machine-exit N\n");
		return 2;
	}
	sync();
	if (ioperm(DEBUG_EXIT_PORT, 4, 1) < 0) {
		perror("machine-exit: ioperm");
		return 1;
	}
	outl((unsigned int)strtoul(argv[1], NULL, 10), DEBUG_EXIT_PORT);
	fprintf(stderr, "machine-exit: there is no device at port %#x\n", DEBUG_EXIT_PORT);
	return 1;
}
