/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of libvirt's daemons this host is set up to start: one for all, or one each. */
#pragma once

#include "host/root.h"

struct libvirt_units {
	bool monolithic_installed, modular_installed; /* there are unit files */
	char *monolithic; /* a unit of libvirtd that is enabled, such as "libvirtd.socket"; NULL */
	char *modular;    /* likewise of virtqemud, virtproxyd and so on */
	char *clash;      /* of the modular ones, one whose socket's path is libvirtd's own; NULL */
};

#define cleanup_libvirt_units cleanup(libvirt_units_free)

/*
 * Reads systemd's unit files and the links that enable them; systemd itself is not asked. A unit
 * that is masked is not enabled. Returns 0 or -errno (a directory that cannot be read, other than
 * one that is not there); *ret is to be freed with libvirt_units_free().
 */
int libvirt_units_read(const struct host_root *root, struct libvirt_units *ret) must_check;

/* Releases what it owns. */
void libvirt_units_free(struct libvirt_units *units);
