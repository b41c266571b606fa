/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/accel_setting.h"

#include <errno.h>

#include "host/text.h"

static int read_variable(const char *text, struct accel_setting *ret, char **ret_why)
{
	enum accel_policy policy;

	*ret_why = NULL;
	if (accel_policy_parse(text, &policy) == 0) {
		*ret = (struct accel_setting){policy, ACCEL_VARIABLE};
		return 0;
	}
	*ret_why = text_format(ACCEL_VARIABLE " is \"%s\", must be %s", text, accel_policy_names());
	return *ret_why ? -EBADMSG : -ENOMEM;
}

int accel_setting_read(const struct host_root *root, const char *text, struct accel_setting *ret,
		       char **ret_why)
{
	struct config config;
	int r;

	if (text && *text)
		return read_variable(text, ret, ret_why);
	r = config_read(root, &config, ret_why);
	if (r == 0)
		*ret = (struct accel_setting){config.accel, config.accel_source};
	return r;
}
