/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu-kvm/argument.h"

#include <errno.h>

#include "qemu-kvm/legacy_options.h"
#include "qemu-kvm/qemu_options.h"

static int option_kind(const char *name)
{
	int kind = qemu_option_kind(name);

	return kind == -ENOENT ? legacy_option_kind(name) : kind;
}

static bool takes_value(int kind, const char *next)
{
	switch (kind) {
	case QEMU_OPTION_FLAG:
	case QEMU_OPTION_INFORMATION:
		return false;
	case -ENOENT: /* of a QEMU newer than the table; a file name or number is the likely value */
		return next && *next != '-';
	default:
		return true;
	}
}

bool argument_next(char *const argv[], int *position, struct argument *ret)
{
	const char *text = argv[*position];

	if (!text)
		return false;
	*ret = (struct argument){.index = (*position)++, .kind = -ENOENT};
	if (*text != '-')
		return true;
	ret->name = text[1] == '-' ? text + 2 : text + 1;
	ret->kind = option_kind(ret->name);
	/* A last option that lacks its value has none here; QEMU will complain. */
	if (argv[*position] && takes_value(ret->kind, argv[*position]))
		ret->value = argv[(*position)++];
	return true;
}
