/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What rows that are gone had counted, or rows that have fallen: of threads it lives on in their
 * guest's rows, of guests in those of the host, so that totals never go back.
 */
#pragma once

#include "kvm_stat/recording_rows.h"

/*
 * Retires the rows of the sample written last that are not in `now`, and adds to `now` what was
 * retired, which leaves it sorted. Names are borrowed as those of samples. Returns 0 or -ENOMEM.
 */
int recording_retired_add(struct sample *retired, const struct written_rows *rows,
			  const struct written_names *names, struct sample *now) must_check;
