/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether devices can be given to guests: the IOMMU. */
#pragma once

#include "host/root.h"

struct iommu {
	int units;              /* entries of /sys/class/iommu */
	int groups;             /* of /sys/kernel/iommu_groups, what VFIO hands out */
	const char *acpi_table; /* that describes an IOMMU, "DMAR"; NULL: there is none */
};

/* Reads it. A directory that is not there counts as empty. Returns 0 or -errno. */
int iommu_read(const struct host_root *root, struct iommu *ret_iommu) must_check;
