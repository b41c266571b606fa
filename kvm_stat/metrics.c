/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/text.h"
#include "kvm_stat/metrics_name.h"
#include "version.h"

/*
 * The bounds of durations, 2^10 to 2^30 nanoseconds: the same for all, so that buckets can be added
 * up, and few enough for each reason of each guest.
 */
#define DURATION_FIRST 10U
#define DURATION_LAST  30U

#define SECOND 1000000000U /* ns */

/* Metrics of one name and type. */
struct family {
	char *name; /* without a counter's "_total" */
	enum metrics_type type;
	enum field_unit unit;
};

/* One series, or one histogram. */
struct series {
	struct family family;
	char *reason; /* the label's value; NULL: none */
	const struct rate *rate;
};

/* How many series a guest has, and whether they are within the limit. */
struct share {
	pid_t pid;
	size_t series;
	bool dropped;
};

struct metrics {
	FILE *stream;
	const struct report *report;
	const struct metrics_options *options;
	struct series *series;
	size_t count, room;
	struct share *shares; /* ascending by pid */
	size_t share_count;
	size_t dropped_guests, dropped_series;
};

static void metrics_done(struct metrics *metrics)
{
	size_t i;

	for (i = 0; i < metrics->count; i++) {
		free(metrics->series[i].family.name);
		free(metrics->series[i].reason);
	}
	free(metrics->series);
	free(metrics->shares);
}

/* Whether a bucket's upper end is a bound that is shown. */
static bool is_bound(const struct rate *rate, unsigned int bucket)
{
	const struct distribution *distribution = rate->distribution;

	if (bucket + 1 >= distribution->bucket_count) /* the last one has no upper end */
		return false;
	if (distribution->scale == DISTRIBUTION_LOG2 &&
	    rate_distribution_unit(rate) == UNIT_NANOSECONDS)
		return bucket >= DURATION_FIRST && bucket <= DURATION_LAST;
	return true;
}

/* How many lines a series takes. */
static size_t series_size(const struct series *series)
{
	size_t size = 3; /* +Inf, sum, count */
	unsigned int i;

	if (series->family.type != METRICS_HISTOGRAM)
		return 1;
	for (i = 0; i < series->rate->distribution->bucket_count; i++)
		size += is_bound(series->rate, i);
	return size;
}

/* What stands below a field: its reasons are in the same family and must not be counted twice. */
struct reasons {
	const char *name; /* the field */
	bool exist, have_distributions;
};

/* Looks for the reasons of the field that `rate` is the first row of. */
static struct reasons find_reasons(const struct rates *rates, const struct rate *rate)
{
	struct reasons reasons = {.name = rate->name};
	size_t length = strlen(rate->name);

	/* They stand behind it: rows are sorted by name, and "(" before what names are made of. */
	for (; rate < rates->rows + rates->count; rate++) {
		if (strncmp(rate->name, reasons.name, length) != 0)
			break;
		if (!rate->parent || strcmp(rate->parent, reasons.name) != 0 || rate->is_flag ||
		    !metrics_is_reason(rate, NULL))
			continue;
		reasons.exist = true;
		reasons.have_distributions |= rate->distribution != NULL;
	}
	return reasons;
}

static int add_series(struct metrics *metrics, const struct rate *rate, enum metrics_type type)
{
	struct series series = {.family = {.type = type, .unit = metrics_unit(rate, type)},
				.rate = rate};

	if (metrics->count == metrics->room) {
		size_t room = metrics->room ? metrics->room * 2 : 256;
		struct series *grown = reallocarray(metrics->series, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		metrics->series = grown;
		metrics->room = room;
	}
	series.family.name = metrics_family_name(rate, type);
	if (!series.family.name)
		return -ENOMEM;
	if (metrics_is_reason(rate, &series.reason) && !series.reason) {
		free(series.family.name);
		return -ENOMEM;
	}
	metrics->series[metrics->count++] = series;
	return 0;
}

static int add_rate(struct metrics *metrics, const struct rate *rate, const struct reasons *reasons)
{
	int r = 0;

	/* With many guests most reasons never happen; a field is there from the start. */
	if (metrics_is_reason(rate, NULL) && metrics->report->by != BY_FIELD && !rate->total)
		return 0;
	if (rate->kind != FIELD_HISTOGRAM && !reasons->exist)
		r = add_series(metrics, rate,
			       field_counts_up(rate->kind) ? METRICS_COUNTER : METRICS_GAUGE);
	if (r == 0 && rate->distribution && !reasons->have_distributions)
		r = add_series(metrics, rate, METRICS_HISTOGRAM);
	return r;
}

static int add_rates(struct metrics *metrics)
{
	const struct rates *rates = metrics->report->rates;
	struct reasons reasons = {0};
	size_t i;
	int r = 0;

	/* As with all guests: the series of one that has ended end. */
	for (i = 0; r == 0 && i < rates->count && !metrics->report->ended; i++) {
		const struct rate *rate = &rates->rows[i];

		if (!reasons.name || strcmp(reasons.name, rate->name) != 0)
			reasons = find_reasons(rates, rate);
		r = add_rate(metrics, rate, &reasons);
	}
	return r;
}

static int compare_labels(const struct series *a, const struct series *b)
{
	const struct rate *left = a->rate, *right = b->rate;

	if (left->guest != right->guest)
		return left->guest < right->guest ? -1 : 1;
	if (left->thread.is_vcpu != right->thread.is_vcpu)
		return left->thread.is_vcpu < right->thread.is_vcpu ? -1 : 1;
	if (left->thread.vcpu != right->thread.vcpu)
		return left->thread.vcpu < right->thread.vcpu ? -1 : 1;
	if (left->thread.tid != right->thread.tid)
		return left->thread.tid < right->thread.tid ? -1 : 1;
	return strcmp(a->reason ? a->reason : "", b->reason ? b->reason : "");
}

static int compare_series(const void *a, const void *b)
{
	const struct series *left = a, *right = b;
	int r = strcmp(left->family.name, right->family.name);

	if (r == 0)
		r = (left->family.type > right->family.type) -
		    (left->family.type < right->family.type);
	return r ? r : compare_labels(left, right);
}

static int compare_shares(const void *a, const void *b)
{
	const struct share *left = a, *right = b;

	return (left->pid > right->pid) - (left->pid < right->pid);
}

static struct share *find_share(const struct metrics *metrics, pid_t pid)
{
	struct share key = {.pid = pid};

	return bsearch(&key, metrics->shares, metrics->share_count, sizeof(key), compare_shares);
}

/* Makes a share for each guest that a series is of. */
static int list_shares(struct metrics *metrics)
{
	size_t i, kept = 0;

	metrics->shares = calloc(metrics->count + 1, sizeof(*metrics->shares));
	if (!metrics->shares)
		return -ENOMEM;
	for (i = 0; i < metrics->count; i++)
		metrics->shares[i].pid = metrics->series[i].rate->guest;
	qsort(metrics->shares, metrics->count, sizeof(*metrics->shares), compare_shares);
	for (i = 0; i < metrics->count; i++) {
		if (i == 0 || metrics->shares[i].pid != metrics->shares[i - 1].pid)
			metrics->shares[kept++] = metrics->shares[i];
	}
	metrics->share_count = kept;
	return 0;
}

/*
 * Drops the guests that would exceed the limit, in the order of their processes, so that the same
 * ones stay from sample to sample. Rows that are of no guest are bounded by the kernel.
 */
static int apply_limit(struct metrics *metrics)
{
	size_t i, sum = 0;
	int r = list_shares(metrics);

	if (r < 0)
		return r;
	for (i = 0; i < metrics->count; i++)
		find_share(metrics, metrics->series[i].rate->guest)->series +=
			series_size(&metrics->series[i]);
	for (i = 0; i < metrics->share_count; i++) {
		struct share *share = &metrics->shares[i];

		if (share->pid && sum + share->series > metrics->options->limit) {
			share->dropped = true;
			metrics->dropped_guests++;
			metrics->dropped_series += share->series;
		} else {
			sum += share->series;
		}
	}
	return 0;
}

static void drop(struct series *series)
{
	free(series->family.name);
	free(series->reason);
}

/*
 * Removes what may not be written: guests beyond the limit; and what is named like another metric,
 * as two fields are whose names differ in characters that metrics cannot have. One such pair would
 * make the whole text invalid.
 */
static void remove_dropped(struct metrics *metrics)
{
	size_t i, kept = 0;

	for (i = 0; i < metrics->count; i++) {
		struct series *series = &metrics->series[i];
		const struct series *before = kept ? &metrics->series[kept - 1] : NULL;
		bool clashes = before && strcmp(before->family.name, series->family.name) == 0 &&
			       (before->family.type != series->family.type ||
				compare_labels(before, series) == 0);

		if (find_share(metrics, series->rate->guest)->dropped) {
			drop(series);
		} else if (clashes) {
			metrics->dropped_series += series_size(series);
			drop(series);
		} else {
			metrics->series[kept++] = *series;
		}
	}
	metrics->count = kept;
}

static const char *type_name(enum metrics_type type)
{
	static const char *const names[] = {[METRICS_COUNTER] = "counter",
					    [METRICS_GAUGE] = "gauge",
					    [METRICS_HISTOGRAM] = "histogram"};

	return names[type];
}

/* Writes the lines that describe a family. */
static void begin_family(const struct metrics *metrics, const struct family *family,
			 const char *help)
{
	bool openmetrics = metrics->options->openmetrics;
	const char *total = family->type == METRICS_COUNTER && !openmetrics ? "_total" : "";
	const char *unit = metrics_unit_suffix(family->unit);

	fprintf(metrics->stream, "# HELP %s%s %s\n", family->name, total, help);
	fprintf(metrics->stream, "# TYPE %s%s %s\n", family->name, total, type_name(family->type));
	if (openmetrics && *unit)
		fprintf(metrics->stream, "# UNIT %s %s\n", family->name, unit + strlen("_"));
}

/* Writes the labels of a row, and one more if `last` is not NULL. */
static void write_labels(const struct metrics *metrics, const struct series *series,
			 const char *last)
{
	const struct rate *rate = series->rate;
	const struct guest *guest = report_guest(metrics->report, rate);
	pid_t pid = report_guest_pid(metrics->report, rate);
	FILE *stream = metrics->stream;
	char separator = '{';

	if (guest) {
		fprintf(stream, "%cguest=", separator);
		metrics_write_label(stream, guest->name);
		separator = ',';
	}
	if (pid) {
		fprintf(stream, "%cpid=\"%d\"", separator, (int)pid);
		separator = ',';
	}
	if (rate->thread.is_vcpu) {
		fprintf(stream, "%cvcpu=\"%u\"", separator, rate->thread.vcpu);
		separator = ',';
	}
	if (rate->thread.tid) {
		fprintf(stream, "%ctid=\"%d\"", separator, (int)rate->thread.tid);
		separator = ',';
	}
	if (series->reason) {
		cleanup_free char *clean = text_clean(series->reason);

		fprintf(stream, "%c%s=", separator, rate->is_flag ? "flag" : "reason");
		metrics_write_label(stream, clean ? clean : "");
		separator = ',';
	}
	if (last) {
		fprintf(stream, "%c%s", separator, last);
		separator = ',';
	}
	if (separator == ',')
		putc('}', stream);
}

/* Writes a number in the base unit, to its last digit. */
static void write_value(FILE *stream, uint64_t value, enum field_unit unit)
{
	if (unit == UNIT_NANOSECONDS)
		fprintf(stream, " %" PRIu64 ".%09" PRIu64 "\n", value / SECOND, value % SECOND);
	else
		fprintf(stream, " %" PRIu64 "\n", value);
}

/* A bound as OpenMetrics wants it: the shortest digits, with a point where there is no exponent. */
static void format_bound(char *text, size_t size, double bound)
{
	int digits = 0;

	if (bound < 1e6 && nearbyint(bound) >= bound && nearbyint(bound) <= bound) {
		snprintf(text, size, "le=\"%.1f\"", bound);
		return;
	}
	do
		snprintf(text, size, "%.*g", ++digits, bound);
	while (digits < 17 && (strtod(text, NULL) < bound || strtod(text, NULL) > bound));
	snprintf(text, size, "le=\"%.*g\"", digits, bound);
}

static void write_bucket(const struct metrics *metrics, const struct series *series,
			 const char *bound, uint64_t count)
{
	fprintf(metrics->stream, "%s_bucket", series->family.name);
	write_labels(metrics, series, bound);
	write_value(metrics->stream, count, UNIT_NONE);
}

static void write_histogram(const struct metrics *metrics, const struct series *series)
{
	const struct distribution *distribution = series->rate->distribution;
	enum field_unit unit = rate_distribution_unit(series->rate);
	uint64_t below = 0;
	unsigned int i;

	for (i = 0; i < distribution->bucket_count; i++) {
		uint64_t low, high;
		char bound[48];

		below += distribution->buckets[i];
		if (!is_bound(series->rate, i))
			continue;
		distribution_bucket(distribution, i, &low, &high);
		format_bound(bound, sizeof(bound),
			     unit == UNIT_NANOSECONDS ? (double)high / 1e9 : (double)high);
		write_bucket(metrics, series, bound, below);
	}
	write_bucket(metrics, series, "le=\"+Inf\"", distribution->count);
	/* OpenMetrics wants the count with the sum or not at all, and knows no sum that is NaN. */
	if (!distribution->has_moments && metrics->options->openmetrics)
		return;
	fprintf(metrics->stream, "%s_sum", series->family.name);
	write_labels(metrics, series, NULL);
	if (distribution->has_moments)
		write_value(metrics->stream, distribution->sum, unit);
	else
		fputs(" NaN\n", metrics->stream); /* node_exporter would make 0 of a missing one */
	fprintf(metrics->stream, "%s_count", series->family.name);
	write_labels(metrics, series, NULL);
	write_value(metrics->stream, distribution->count, UNIT_NONE);
}

static void write_series(const struct metrics *metrics, const struct series *series)
{
	if (series->family.type == METRICS_HISTOGRAM) {
		write_histogram(metrics, series);
		return;
	}
	fprintf(metrics->stream, "%s%s", series->family.name,
		series->family.type == METRICS_COUNTER ? "_total" : "");
	write_labels(metrics, series, NULL);
	write_value(metrics->stream, series->rate->total, rate_unit(series->rate));
}

static const char *help_of(const struct series *series)
{
	switch (series->rate->kind) {
	case FIELD_GAUGE:
		return "State of KVM now";
	case FIELD_PEAK:
		return "Highest state of KVM so far";
	case FIELD_TIME:
		return series->family.type == METRICS_HISTOGRAM ? "How long it took"
								: "Time KVM has spent so";
	case FIELD_HISTOGRAM:
		return "How what KVM measured is spread";
	case FIELD_EVENTS:
		break;
	}
	if (series->family.type == METRICS_HISTOGRAM)
		return "How long events of KVM took";
	return series->rate->is_flag ? "Events of KVM that had a flag beside their reason"
				     : "Events of KVM";
}

static void write_fields(const struct metrics *metrics)
{
	size_t i;

	for (i = 0; i < metrics->count; i++) {
		const struct series *series = &metrics->series[i];

		if (i == 0 || strcmp(series[-1].family.name, series->family.name) != 0) {
			cleanup_free char *help = NULL;
			const char *field = metrics_is_reason(series->rate, NULL)
						    ? series->rate->parent
						    : series->rate->name;
			cleanup_free char *clean = text_clean(field);

			/* The backslash begins an escape there. */
			if (clean && !strchr(clean, '\\') && !strchr(clean, '"'))
				help = text_format("%s: %s", help_of(series), clean);
			begin_family(metrics, &series->family, help ? help : help_of(series));
		}
		write_series(metrics, series);
	}
}

static void begin_own(const struct metrics *metrics, const char *name, enum metrics_type type,
		      enum field_unit unit, const char *help)
{
	struct family family = {.name = (char *)name, .type = type, .unit = unit};

	begin_family(metrics, &family, help);
}

static void write_gauge(const struct metrics *metrics, const char *name, const char *help,
			uint64_t value)
{
	begin_own(metrics, name, METRICS_GAUGE, UNIT_NONE, help);
	fprintf(metrics->stream, "%s %" PRIu64 "\n", name, value);
}

/* What is to be known of kvm_stat itself. */
static void write_own(const struct metrics *metrics)
{
	const struct report *report = metrics->report;
	FILE *stream = metrics->stream;
	size_t i;

	begin_own(metrics, "kvm_stat_build_info", METRICS_GAUGE, UNIT_NONE,
		  "The version of kvm_stat");
	fprintf(stream, "kvm_stat_build_info{version=\"%s\"} 1\n", PROJECT_VERSION);
	begin_own(metrics, "kvm_stat_start_time_seconds", METRICS_GAUGE, UNIT_NANOSECONDS,
		  "When counting began, in seconds since 1970");
	fprintf(stream, "kvm_stat_start_time_seconds %lld.%09ld\n", (long long)report->start.tv_sec,
		report->start.tv_nsec);
	begin_own(
		metrics, "kvm_stat_scrape_errors", METRICS_GAUGE, UNIT_NONE,
		"Fields that cannot be read, and guests of which stats cannot be read, by source");
	for (i = 0; i < report->source_count; i++)
		fprintf(stream, "kvm_stat_scrape_errors{source=\"%s\"} %zu\n",
			report->sources[i].name, report->sources[i].unreadable);
	begin_own(metrics, "kvm_stat_write_errors", METRICS_COUNTER, UNIT_NONE,
		  "How often metrics could not be written");
	fprintf(stream, "kvm_stat_write_errors_total %" PRIu64 "\n",
		metrics->options->write_errors);
	write_gauge(metrics, "kvm_stat_partial", "Whether numbers of the last interval are missing",
		    report->rates->partial);
	write_gauge(metrics, "kvm_stat_guests", "Guests that run now", report->guests->count);
	write_gauge(metrics, "kvm_stat_dropped_guests",
		    "Guests left out, as there were too many series", metrics->dropped_guests);
	write_gauge(metrics, "kvm_stat_dropped_series", "Series left out", metrics->dropped_series);
}

int metrics_write(FILE *stream, const struct report *report, const struct metrics_options *options,
		  size_t *ret_dropped)
{
	struct metrics metrics = {.stream = stream, .report = report, .options = options};
	int r = add_rates(&metrics);

	if (r == 0)
		r = apply_limit(&metrics);
	if (r == 0 && metrics.count) {
		qsort(metrics.series, metrics.count, sizeof(*metrics.series), compare_series);
		remove_dropped(&metrics);
	}
	if (r == 0) {
		write_own(&metrics);
		write_fields(&metrics);
		if (options->openmetrics)
			fputs("# EOF\n", stream);
	}
	*ret_dropped = metrics.dropped_guests;
	metrics_done(&metrics);
	return r;
}
