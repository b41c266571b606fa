/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/metrics_name.h"

#include <ctype.h>
#include <string.h>

#include "host/text.h"

static void drop_end(char *text, const char *end)
{
	if (text_ends_with(text, end))
		text[strlen(text) - strlen(end)] = '\0';
}

enum field_unit metrics_unit(const struct rate *rate, enum metrics_type type)
{
	return type == METRICS_HISTOGRAM ? rate_distribution_unit(rate) : rate_unit(rate);
}

const char *metrics_unit_suffix(enum field_unit unit)
{
	static const char *const suffixes[] = {[UNIT_NONE] = "",
					       [UNIT_BYTES] = "_bytes",
					       [UNIT_NANOSECONDS] = "_seconds",
					       [UNIT_CYCLES] = "_cycles",
					       [UNIT_BOOLEAN] = ""};

	return suffixes[unit];
}

/* What the unit adds to the name, which has it once. */
static const char *take_suffix(char *base, enum field_unit unit)
{
	if (unit == UNIT_NANOSECONDS)
		drop_end(base, "_ns");
	drop_end(base, metrics_unit_suffix(unit));
	return metrics_unit_suffix(unit);
}

bool metrics_is_reason(const struct rate *rate, char **ret_reason)
{
	size_t length = rate->parent ? strlen(rate->parent) : 0;

	if (!length || strncmp(rate->name, rate->parent, length) != 0 ||
	    rate->name[length] != '(' || !text_ends_with(rate->name, ")"))
		return false;
	if (ret_reason)
		*ret_reason = strndup(rate->name + length + 1, strlen(rate->name) - length - 2);
	return true;
}

char *metrics_family_name(const struct rate *rate, enum metrics_type type)
{
	bool is_reason = metrics_is_reason(rate, NULL);
	cleanup_free char *base = strdup(is_reason ? rate->parent : rate->name);
	enum field_unit unit = metrics_unit(rate, type);
	const char *prefix, *suffix;
	char *p;

	if (!base)
		return NULL;
	for (p = base; *p; p++) {
		if (!isascii(*p) || !isalnum((unsigned char)*p))
			*p = '_';
	}
	prefix = strncmp(base, "kvm_", 4) == 0 ? "" : "kvm_";
	if (type == METRICS_HISTOGRAM) {
		drop_end(base, "_hist");
		suffix = take_suffix(base, unit);
		return text_format("%s%s_%s%s", prefix, base,
				   unit == UNIT_NANOSECONDS ? "duration" : "distribution", suffix);
	}
	suffix = take_suffix(base, unit);
	return text_format("%s%s%s%s", prefix, base, rate->is_flag ? "_flags" : "", suffix);
}

void metrics_write_label(FILE *stream, const char *clean)
{
	const char *p;

	putc('"', stream);
	for (p = clean; *p; p++) {
		if (*p == '\\' || *p == '"')
			putc('\\', stream);
		putc(*p, stream);
	}
	putc('"', stream);
}
