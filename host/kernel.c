/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kernel.h"

#include <errno.h>
#include <string.h>

#include "host/number.h"

enum kernel_lockdown kernel_lockdown(const struct host_root *root)
{
	char buf[128];

	if (host_read(root, "sys/kernel/security/lockdown", buf, sizeof(buf)) < 0)
		return KERNEL_LOCKDOWN_UNKNOWN;
	if (strstr(buf, "[confidentiality]"))
		return KERNEL_LOCKDOWN_CONFIDENTIALITY;
	if (strstr(buf, "[integrity]"))
		return KERNEL_LOCKDOWN_INTEGRITY;
	return strstr(buf, "[none]") ? KERNEL_LOCKDOWN_NONE : KERNEL_LOCKDOWN_UNKNOWN;
}

bool kernel_has_module(const struct host_root *root, const char *name)
{
	char path[128];

	return snprintf(path, sizeof(path), "sys/module/%s", name) < (int)sizeof(path) &&
	       host_exists(root, path);
}

int kernel_perf_paranoid(const struct host_root *root, int *ret_level)
{
	char buf[16];
	ssize_t length = host_read(root, "proc/sys/kernel/perf_event_paranoid", buf, sizeof(buf));
	uint64_t level;
	bool negative;

	if (length < 0)
		return (int)length;
	negative = buf[0] == '-';
	buf[strcspn(buf, "\n")] = '\0';
	if (number_parse_u64(buf + negative, 0, 100, &level) < 0)
		return -EBADMSG;
	*ret_level = negative ? -(int)level : (int)level;
	return 0;
}
