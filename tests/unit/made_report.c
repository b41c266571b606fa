/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/made_report.h"

#define SECOND UINT64_C(1000000000)

/* Values in nanoseconds that a distribution has in the first sample, and after them. */
static const uint64_t before[] = {1500, 2000, 70000};
static const uint64_t both[] = {1500, 2000, 70000, 0, 1, 1023, 1024, 5000000, UINT64_C(3000000000)};

/* A row, and what of it counts in both samples. */
struct made_row {
	struct sample_row row;
	uint64_t first; /* its value in the first sample */
	enum made_spread {
		MADE_NONE,
		MADE_LOG2,    /* `before`, then `both` */
		MADE_BUCKETS, /* the same without sums and extremes, as the kernel's statistics */
		MADE_LINEAR,  /* 4 buckets of 10 */
	} spread;
};

#define VCPU(n, t)                                                                                 \
	{                                                                                          \
		.is_vcpu = true, .vcpu = (n), .tid = (t)                                           \
	}
#define THREAD(t)                                                                                  \
	{                                                                                          \
		.tid = (t)                                                                         \
	}
#define REASON(r) .name = "kvm_exit(" r ")", .parent = "kvm_exit"
#define HOSTILE   1001
#define NAMELESS  1002

static const struct made_row by_field[] = {
	{.row = {.name = "cycles_spent", .unit = UNIT_CYCLES, .value = UINT64_MAX},
	 .first = UINT64_MAX - 5},
	{.row = {.name = "dirty", .kind = FIELD_GAUGE, .unit = UNIT_BOOLEAN, .value = 1}},
	{.row = {.name = "exit_instruction", .value = 100}, .first = 40},
	{.row = {.name = "halt_wait_hist",
		 .kind = FIELD_HISTOGRAM,
		 .unit = UNIT_NANOSECONDS,
		 .value = 9},
	 .first = 3,
	 .spread = MADE_BUCKETS},
	{.row = {.name = "halt_wait_ns", .kind = FIELD_TIME, .value = 12 * SECOND + 345},
	 .first = 10 * SECOND},
	{.row = {.name = "instruction_sie", .parent = "exit_instruction", .value = 70},
	 .first = 30},
	{.row = {.name = "kvm_exit", .value = 12}, .first = 4},
	{.row = {REASON("FAILED_VMENTRY"), .is_flag = true, .value = 2}},
	{.row = {REASON("HLT"), .value = 9}, .first = 3, .spread = MADE_LOG2},
	{.row = {REASON("NEVER"), .value = 0}},
	{.row = {REASON("say \"\\\""), .value = 3}, .first = 1},
	{.row = {.name = "max_rmap_size", .kind = FIELD_PEAK, .value = 17}, .first = 16},
	{.row = {.name = "memory", .kind = FIELD_GAUGE, .unit = UNIT_BYTES, .value = 4096},
	 .first = 8192},
	{.row = {.name = "sizes", .kind = FIELD_HISTOGRAM, .value = 6}, .spread = MADE_LINEAR},
};

static const struct made_row by_guest[] = {
	{.row = {.name = "exits", .guest = 1000, .value = 50}, .first = 20},
	{.row = {.name = "exits", .guest = HOSTILE, .value = 60}, .first = 20},
	{.row = {.name = "exits", .guest = NAMELESS, .value = 70}},
	{.row = {.name = "kvm_exit", .guest = 1000, .value = 9}},
	{.row = {.name = "kvm_exit", .guest = HOSTILE, .value = 0}},
	{.row = {REASON("HLT"), .guest = 1000, .value = 9}, .first = 3, .spread = MADE_LOG2},
	{.row = {REASON("HLT"), .guest = HOSTILE, .value = 0}},
	{.row = {.name = "pages_4k", .kind = FIELD_GAUGE, .guest = 1000, .value = 7}, .first = 7},
};

static const struct made_row by_vcpu[] = {
	{.row = {.name = "kvm_exit", .guest = 1000, .thread = VCPU(0, 1010), .value = 9}},
	{.row = {.name = "kvm_exit", .guest = 1000, .thread = VCPU(1, 1011), .value = 4}},
	{.row = {.name = "kvm_exit", .guest = 1000, .thread = THREAD(1000), .value = 1}},
	{.row = {.name = "kvm_exit", .guest = HOSTILE, .thread = VCPU(0, 2010), .value = 8}},
	{.row = {REASON("HLT"), .guest = 1000, .thread = VCPU(0, 1010), .value = 9},
	 .spread = MADE_LOG2},
	{.row = {REASON("HLT"), .guest = 1000, .thread = VCPU(1, 1011), .value = 4}, .first = 4},
	{.row = {REASON("HLT"), .guest = 1000, .thread = THREAD(1000), .value = 1}},
	{.row = {REASON("HLT"), .guest = HOSTILE, .thread = VCPU(0, 2010), .value = 8}},
};

static const struct made_row one_guest[] = {{.row = {.name = "exits", .value = 5}, .first = 2}};

static const struct made_row clashes[] = {
	{.row = {.name = "a-b", .value = 1}},
	{.row = {.name = "a.b", .value = 2}},
	{.row = {.name = "a_b", .kind = FIELD_GAUGE, .value = 3}},
	{.row = {.name = "evil\xff\nname{} 7", .value = 4}},
	{.row = {.name = "kvm_x", .value = 5}},
	{.row = {.name = "x", .value = 6}},
};

static const struct made {
	enum selection_by by;
	const struct made_row *rows;
	size_t count;
} all[] = {
	{BY_FIELD, by_field, array_size(by_field)},
	{BY_GUEST, by_guest, array_size(by_guest)},
	{BY_VCPU, by_vcpu, array_size(by_vcpu)},
	{BY_FIELD, one_guest, array_size(one_guest)},
	{BY_FIELD, NULL, 0},
	{BY_FIELD, clashes, array_size(clashes)},
};

static unsigned int bucket_of(uint64_t value)
{
	return value ? 64 - (unsigned int)__builtin_clzll(value) : 0;
}

struct distribution made_distribution(const uint64_t *values, size_t count)
{
	struct distribution made = {.scale = DISTRIBUTION_LOG2,
				    .bucket_count = 40,
				    .count = count,
				    .has_moments = true,
				    .has_extremes = true,
				    .min = UINT64_MAX};
	size_t i;

	for (i = 0; i < count; i++) {
		made.buckets[bucket_of(values[i])]++;
		made.sum += values[i];
		made.squares_low += values[i] * values[i]; /* of these it fits */
		made.min = values[i] < made.min ? values[i] : made.min;
		made.max = values[i] > made.max ? values[i] : made.max;
	}
	return made;
}

static struct distribution spread(enum made_spread kind, bool is_first)
{
	struct distribution made = is_first ? made_distribution(before, array_size(before))
					    : made_distribution(both, array_size(both));
	unsigned int i;

	if (kind == MADE_BUCKETS)
		made.has_moments = made.has_extremes = false;
	if (kind == MADE_LINEAR) {
		made = (struct distribution){
			.scale = DISTRIBUTION_LINEAR, .bucket_size = 10, .bucket_count = 4};
		for (i = 0; i < 4 && !is_first; i++)
			made.count += made.buckets[i] = i;
	}
	return made;
}

static void take(struct made_report *made, const struct made *from, bool is_first)
{
	size_t i;
	int r = 0;

	sample_clear(&made->sample);
	made->sample.time_ns = is_first ? SECOND : 3 * SECOND;
	made->sample.partial = !is_first && from->by == BY_GUEST;
	for (i = 0; i < from->count && r == 0; i++) {
		struct sample_row row = from->rows[i].row;
		struct distribution distribution = spread(from->rows[i].spread, is_first);

		row.value = is_first ? from->rows[i].first : row.value;
		r = from->rows[i].spread
			    ? sample_add_distribution(&made->sample, row, &distribution)
			    : sample_add(&made->sample, row);
	}
	sample_sort(&made->sample);
	if (r < 0 || rates_update(&made->rates, &made->sample) < 0)
		abort();
}

bool made_report_fill(struct made_report *made, unsigned int number)
{
	bool has_guests = number >= 1 && number <= 3;

	if (number >= array_size(all))
		return false;
	*made = (struct made_report){.rates.first = true};
	made->list[0] = (struct guest){1000, (char *)"web", (char *)"web"};
	made->list[1] = (struct guest){HOSTILE, (char *)"bad\\xff\"\\\\x1b\\x0a, {x=\"1\"}",
				       (char *)"bad\xff\"\\\x1b\n, {x=\"1\"}"};
	made->guests = (struct guests){.list = made->list, .count = has_guests ? 2 : 0};
	take(made, &all[number], true);
	if (number != 4)
		take(made, &all[number], false);
	made->report = (struct report){
		.time = {.tv_sec = 1700000000, .tv_nsec = 500000000},
		.start = {.tv_sec = 1699999998, .tv_nsec = 250000000},
		.rates = &made->rates,
		.guests = &made->guests,
		.pid = number == 3 ? HOSTILE : 0,
		.by = all[number].by,
		.host = number == 4 ? NULL : "host\xfe.example",
		.sources = {{"debugfs", 0}, {"tracepoints", 3}},
		.source_count = number == 4 ? 0 : 2,
	};
	return true;
}

void made_report_done(struct made_report *made)
{
	sample_done(&made->sample);
	rates_done(&made->rates);
}
