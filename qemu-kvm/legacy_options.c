/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/legacy_options.h"

#include <errno.h>
#include <string.h>

#include "qemu-kvm/qemu_options.h"

static const struct legacy_option legacy_options[LEGACY_OPTIONS] = {
	{"enable-nesting", QEMU_OPTION_FLAG, NULL, NULL,
	 "give the guest a CPU with virtualisation, as with \"-cpu host\" or \"-cpu ...,+svm\" "
	 "(+vmx)"},
	{"kvm-shadow-memory", QEMU_OPTION_VALUE, "-machine", NULL, NULL},
	/* Not "-accel tcg", which QEMU refuses beside an "-enable-kvm" or "accel=" of the user. */
	{"no-kvm", QEMU_OPTION_FLAG, "-machine", "accel=tcg", NULL},
	{"no-kvm-irqchip", QEMU_OPTION_FLAG, "-machine", "kernel-irqchip=off", NULL},
	{"no-kvm-pit", QEMU_OPTION_FLAG, NULL, NULL,
	 "\"-machine kernel-irqchip=split\" has the timer in QEMU"},
	{"no-kvm-pit-reinjection", QEMU_OPTION_FLAG, "-global", "kvm-pit.lost_tick_policy=discard",
	 NULL},
	{"pcidevice", QEMU_OPTION_VALUE, NULL, NULL,
	 "\"-device vfio-pci,host=ADDRESS\" assigns a PCI device"},
	{"rtc-td-hack", QEMU_OPTION_FLAG, "-rtc", "driftfix=slew", NULL},
	{"tdf", QEMU_OPTION_FLAG, "-global", "kvm-pit.lost_tick_policy=delay", NULL},
};

const struct legacy_option *legacy_option_find(const char *name)
{
	size_t i;

	for (i = 0; i < array_size(legacy_options); i++) {
		if (strcmp(name, legacy_options[i].name) == 0)
			return &legacy_options[i];
	}
	return NULL;
}

int legacy_option_kind(const char *name)
{
	const struct legacy_option *option = legacy_option_find(name);

	return option ? option->kind : -ENOENT;
}
