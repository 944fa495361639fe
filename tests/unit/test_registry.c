/* Series: found again, cleaned, dropped; and what process_* makes of them. */
#include "process.h"
#include "registry.h"
#include "series.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static struct registry *make_registry(void)
{
	struct registry *r;

	assert_int_equal(registry_new(&r), 0);
	return r;
}

static void test_same_labels_same_series(void **state)
{
	struct registry *r = make_registry();
	struct series *a = registry_series(r, METRIC_UP, (const char *const[]){ "a", "b" });

	(void)state;
	assert_non_null(a);
	assert_true(series_value(a) == 0);
	assert_ptr_equal(registry_series(r, METRIC_UP, (const char *const[]){ "a", "b" }), a);
	assert_ptr_not_equal(registry_series(r, METRIC_UP, (const char *const[]){ "ab", "" }), a);
	assert_ptr_not_equal(registry_series(r, METRIC_UP, (const char *const[]){ "", "ab" }), a);
	assert_ptr_not_equal(registry_series(r, METRIC_INVENTORY_DURATION, (const char *const[]){ "a", "b" }), a);
	assert_int_equal(registry_family(r, METRIC_UP)->n, 3);
	registry_free(r);
	assert_null(registry_free(NULL));
}

/* Far past the first size of every table; in order of creation; pointers stay. */
static void test_many(void **state)
{
	struct registry *r = make_registry();
	struct series *first[3000];
	char name[16];

	(void)state;
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 3000; i++) {
			struct series *s;

			snprintf(name, sizeof(name), "r%u", i);
			s = registry_series(r, METRIC_UP, (const char *const[]){ "a", name });
			assert_non_null(s);
			if (round == 0)
				first[i] = s;
			assert_ptr_equal(s, first[i]);
			assert_ptr_equal(registry_family(r, METRIC_UP)->series[i], s);
		}
	}
	assert_int_equal(registry_family(r, METRIC_UP)->n, 3000);
	registry_free(r);
}

static void test_labels_are_cleaned_and_cut(void **state)
{
	struct registry *r = make_registry();
	char at[SERIES_LABEL_MAX + 1], past[SERIES_LABEL_MAX + 2];
	struct series *s = registry_series(r, METRIC_CONFIG_INFO, (const char *const[]){ "a\xff\nb" });

	(void)state;
	assert_non_null(s);
	assert_string_equal(s->labels[0], "a\xef\xbf\xbd b");
	memset(past, 'x', sizeof(past));
	past[sizeof(past) - 1] = '\0';
	memset(at, 'x', sizeof(at));
	at[sizeof(at) - 1] = '\0';
	s = registry_series(r, METRIC_CONFIG_INFO, (const char *const[]){ past });
	assert_non_null(s);
	assert_int_equal(s->label_lens[0], SERIES_LABEL_MAX);
	assert_ptr_equal(registry_series(r, METRIC_CONFIG_INFO, (const char *const[]){ at }), s);
	registry_free(r);
}

static void test_clear(void **state)
{
	struct registry *r = make_registry();
	struct series *kept = registry_series(r, METRIC_UP, (const char *const[]){ "a", "b" });

	(void)state;
	assert_non_null(registry_series(r, METRIC_CONFIG_INFO, (const char *const[]){ "one" }));
	assert_non_null(registry_series(r, METRIC_CONFIG_INFO, (const char *const[]){ "two" }));
	registry_clear(r, METRIC_CONFIG_INFO);
	assert_int_equal(registry_family(r, METRIC_CONFIG_INFO)->n, 0);
	assert_ptr_equal(registry_series(r, METRIC_UP, (const char *const[]){ "a", "b" }), kept);
	assert_non_null(registry_series(r, METRIC_CONFIG_INFO, (const char *const[]){ "two" }));
	assert_int_equal(registry_family(r, METRIC_CONFIG_INFO)->n, 1);
	registry_free(r);
}

static void test_histogram(void **state)
{
	struct registry *r = make_registry();
	struct series *s = registry_series(r, METRIC_UPGRADE_DURATION, NULL);
	size_t last = metric_catalogue[METRIC_UPGRADE_DURATION].n_buckets;

	(void)state;
	assert_non_null(s);
	series_observe(s, 60); /* an upper bound belongs to its bucket */
	series_observe(s, 60.5);
	series_observe(s, 1e9);
	assert_int_equal(s->counts[0], 1);
	assert_int_equal(s->counts[1], 1);
	assert_int_equal(s->counts[last], 1);
	assert_true(series_value(s) == 60 + 60.5 + 1e9);
	registry_free(r);
}

static double value_of(struct registry *r, enum metric_id id)
{
	assert_int_equal(registry_family(r, id)->n, 1);
	return series_value(registry_family(r, id)->series[0]);
}

static void test_process(void **state)
{
	struct registry *r = make_registry();
	double now = (double)time(NULL), start;

	(void)state;
	process_update(r);
	start = value_of(r, METRIC_PROCESS_START_TIME);
	assert_true(start > now - 3600 && start < now + 2);
	assert_true(value_of(r, METRIC_PROCESS_CPU_SECONDS) > 0);
	assert_true(value_of(r, METRIC_PROCESS_OPEN_FDS) >= 3 && value_of(r, METRIC_PROCESS_OPEN_FDS) < 100);
	assert_true(value_of(r, METRIC_PROCESS_MAX_FDS) >= value_of(r, METRIC_PROCESS_OPEN_FDS));
	assert_true(value_of(r, METRIC_PROCESS_RESIDENT_MEMORY) > 1e5);
	assert_true(value_of(r, METRIC_PROCESS_VIRTUAL_MEMORY) > value_of(r, METRIC_PROCESS_RESIDENT_MEMORY));
	/* The start does not move, however the clocks do. */
	series_set(registry_family(r, METRIC_PROCESS_START_TIME)->series[0], start - 1);
	process_update(r);
	assert_true(value_of(r, METRIC_PROCESS_START_TIME) == start - 1);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_labels_same_series), cmocka_unit_test(test_many),
		cmocka_unit_test(test_labels_are_cleaned_and_cut), cmocka_unit_test(test_clear),
		cmocka_unit_test(test_histogram), cmocka_unit_test(test_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
