/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "kvm_stat/sample.h"

static void add(struct sample *sample, const char *name, const char *parent, pid_t guest,
		uint64_t value)
{
	struct sample_row row = {.name = name, .parent = parent, .guest = guest, .value = value};

	assert_int_equal(sample_add(sample, row), 0);
}

/* Upstream's keys are "name parent" (children) or "name" (the others), sorted as bytes. */
static const struct {
	const char *name, *parent;
} sorted[] = {
	{"A", NULL},
	{"_", NULL},
	{"a", NULL},
	{"a", "kvm_exit"},
	{"a", "kvm_exit_2"},
	{"a_", NULL},
	{"kvm_exit", NULL},
	{"kvm_exit(", NULL},
	{"kvm_exit(CPUID)", "kvm_exit"},
	{"kvm_exit(HLT)", "kvm_exit"},
	{"kvm_exit_2", NULL},
	{"z", NULL},
	{"\xc3\xa9", NULL}, /* bytes, not signed characters */
};

static void test_order(void **state)
{
	struct sample sample = {0};
	size_t i, n = array_size(sorted);

	(void)state;
	for (i = 0; i < n; i++)
		add(&sample, sorted[i * 5 % n].name, sorted[i * 5 % n].parent, 0, i);
	sample_sort(&sample);
	assert_int_equal(sample.count, n);
	for (i = 0; i < n; i++) {
		assert_string_equal(sample.rows[i].name, sorted[i].name);
		assert_string_equal(sample.rows[i].parent ? sample.rows[i].parent : "-",
				    sorted[i].parent ? sorted[i].parent : "-");
	}
	sample_done(&sample);
}

static void test_compare(void **state)
{
	size_t i, j, n = array_size(sorted);

	(void)state;
	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++) {
			struct sample_row a = {.name = sorted[i].name, .parent = sorted[i].parent};
			struct sample_row b = {.name = sorted[j].name, .parent = sorted[j].parent};
			int r = sample_row_compare(&a, &b);

			assert_int_equal((r > 0) - (r < 0), (i > j) - (i < j));
		}
	}
}

static void test_merge(void **state)
{
	struct sample sample = {0};

	(void)state;
	add(&sample, "b", NULL, 0, 1);
	add(&sample, "a", NULL, 7, 10);
	add(&sample, "a", "b", 7, 1000);
	add(&sample, "a", NULL, 5, 100);
	add(&sample, "b", NULL, 0, 2);
	add(&sample, "a", NULL, 7, 20);
	add(&sample, "b", "", 0, 4); /* as good as none */
	sample_sort(&sample);
	assert_int_equal(sample.count, 4);
	assert_int_equal(sample.rows[0].guest, 5);
	assert_int_equal(sample.rows[0].value, 100);
	assert_int_equal(sample.rows[1].guest, 7);
	assert_int_equal(sample.rows[1].value, 30);
	assert_int_equal(sample.rows[2].value, 1000);
	assert_int_equal(sample.rows[3].value, 7);
	sample_done(&sample);
}

static void test_memory(void **state)
{
	struct sample sample = {0};
	struct sample_row *rows;
	int i;

	(void)state;
	sample_sort(&sample);
	assert_int_equal(sample.count, 0);
	for (i = 0; i < 1000; i++)
		add(&sample, "x", NULL, i, 1);
	sample.partial = true;
	rows = sample.rows;
	sample_clear(&sample);
	assert_int_equal(sample.count, 0);
	assert_false(sample.partial);
	add(&sample, "x", NULL, 1, 1);
	assert_ptr_equal(sample.rows, rows);
	sample_done(&sample);
	assert_null(sample.rows);
	sample_done(&sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
