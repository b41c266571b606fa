/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user's arguments ask of QEMU, as far as the launcher must know. */
#pragma once

#include <stdbool.h>

#include "host/root.h"

struct request {
	bool information; /* QEMU will print something and end, or only answer questions: then
			   * nothing else is asked for */
	char *choice;     /* how the user chose the accelerator, to be shown; NULL: he did not */
	bool needs_kvm;   /* that choice is KVM and leaves no other */
	char *unseen;     /* a pipe of -readconfig, which was not looked into */
	bool vhost_net;   /* a tap device asks for vhost and brings no descriptor for it */
	bool vhost_vsock; /* likewise a vhost-vsock device */
};

/*
 * Reads a NULL-terminated argv, the files its -readconfig options name, and QEMU's own default
 * configuration below `root`. A file that cannot be read holds nothing; QEMU will complain about
 * it. Returns 0 or -ENOMEM; *ret is to be freed with request_free().
 */
int request_read(char *const argv[], const struct host_root *root, struct request *ret) must_check;

/* Releases what the request owns. */
void request_free(struct request *request);
