/* SPDX-License-Identifier: GPL-2.0-or-later */
/* made-reports json | openmetrics NUMBER | prometheus NUMBER [LIMIT]: prints made reports. */
#include <string.h>

#include "host/number.h"
#include "kvm_stat/json.h"
#include "kvm_stat/metrics.h"
#include "tests/unit/made_report.h"

int main(int argc, char *argv[])
{
	struct metrics_options options = {.limit = 20000, .write_errors = 4};
	struct made_report made;
	uint64_t number = 0;
	size_t dropped;

	if (argc == 2 && strcmp(argv[1], "json") == 0) {
		for (unsigned int i = 0; made_report_fill(&made, i); i++) {
			if (json_write_report(stdout, &made.report) < 0)
				return 1;
			made_report_done(&made);
		}
		return 0;
	}
	if (argc < 3 || number_parse_u64(argv[2], 0, 100, &number) < 0 ||
	    (argc > 3 && number_parse_u64(argv[3], 1, UINT32_MAX, &options.limit) < 0))
		return 2;
	options.openmetrics = strcmp(argv[1], "openmetrics") == 0;
	if (!made_report_fill(&made, (unsigned int)number))
		return 3;
	if (metrics_write(stdout, &made.report, &options, &dropped) < 0)
		return 1;
	made_report_done(&made);
	return 0;
}
