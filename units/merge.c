/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/merge.h"

#include <errno.h>
#include <string.h>

static int move_lines(struct unit_section *to, struct unit_section *from)
{
	int r = unit_section_reserve(to, from->count);

	if (r < 0)
		return r;
	memcpy(to->lines + to->count, from->lines, from->count * sizeof(*from->lines));
	to->count += from->count;
	from->count = 0;
	return 0;
}

int merge_unit(struct unit *base, struct unit *extra, char **ret_why)
{
	size_t i;
	int r = 0;

	*ret_why = NULL;
	for (i = 0; r == 0 && i < extra->section_count; i++) {
		struct unit_section *from = &extra->sections[i];
		struct unit_section *to = unit_section(base, from->name);

		if (from->count == 0)
			continue;
		if (!to) {
			*ret_why =
				unit_why(&from->lines[0],
					 "section [%s] is not in the base, but this is in it: %s",
					 from->name, from->lines[0].text);
			return *ret_why ? -EBADMSG : -ENOMEM;
		}
		r = move_lines(to, from);
	}
	return r;
}
