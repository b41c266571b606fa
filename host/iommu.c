/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/iommu.h"

#include <errno.h>

#include "host/text.h"

static int count(const struct host_root *root, const char *path)
{
	int n = host_count_entries(root, path);

	return n == -ENOENT ? 0 : n;
}

/* Intel's, AMD's, ARM's and RISC-V's. */
static const char *find_acpi_table(const struct host_root *root)
{
	static const char *const tables[] = {"DMAR", "IVRS", "IORT", "RIMT"};
	size_t i;

	for (i = 0; i < array_size(tables); i++) {
		cleanup_free char *path = text_format("sys/firmware/acpi/tables/%s", tables[i]);

		if (path && host_exists(root, path))
			return tables[i];
	}
	return NULL;
}

int iommu_read(const struct host_root *root, struct iommu *ret_iommu)
{
	struct iommu iommu;

	/* Without /sys nothing is known; that is not "no IOMMU". */
	if (!host_exists(root, "sys/kernel"))
		return -ENOENT;
	iommu.units = count(root, "sys/class/iommu");
	if (iommu.units < 0)
		return iommu.units;
	iommu.groups = count(root, "sys/kernel/iommu_groups");
	if (iommu.groups < 0)
		return iommu.groups;
	iommu.acpi_table = find_acpi_table(root);
	*ret_iommu = iommu;
	return 0;
}
