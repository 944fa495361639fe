/* Memory that runs out at every place: -ENOMEM, nothing lost, and what was there before is as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "calendar.h"
#include "zone_bytes.h"
#include "zones.h"

static long left = -1; /* how many allocations still work; -1: all */

static bool is_out(void)
{
	return left >= 0 && left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);

void *__wrap_malloc(size_t size)
{
	return is_out() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_out() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return is_out() ? NULL : __real_reallocarray(old, n, size);
}

static void test_openings(void **state)
{
	struct zone_bytes b = zone_make(&(struct zone_plan){ .n_offsets = 1, .rule = RULE_BERLIN });
	struct calendar_intervals openings = { 0 }, freezes = { 0 };
	const struct calendar_interval year = { 1767225600, 1798761600 };
	struct calendar_interval next = { 1, 2 };
	struct tzif *zone = NULL;
	struct error error;
	int failures = 0, r;

	(void)state;
	left = 0;
	assert_int_equal(tzif_new(b.data, b.len, &zone, &error), -ENOMEM);
	assert_null(zone);
	left = -1;
	assert_int_equal(tzif_new(b.data, b.len, &zone, &error), 0);
	const struct calendar_window window = { zone, CALENDAR_EVERY_DAY, 3600, 7200 };
	const struct calendar_freeze freeze = { zone, year.from_s, year.from_s + 86400 };
	const struct calendar before = { .is_always = true, .freezes = &freeze, .n_freezes = 1 };
	const struct calendar calendar = { .windows = &window, .n_windows = 1, .freezes = &freeze, .n_freezes = 1 };

	assert_int_equal(calendar_openings(&before, year, &openings, &freezes), 0);
	for (;; failures++) {
		left = failures;
		r = calendar_openings(&calendar, year, &openings, &freezes);
		if (!r)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(openings.n, 1);
		assert_int_equal(freezes.n, 1);
		left = failures;
		assert_int_equal(calendar_next(&calendar, year.from_s, 365, &next), -ENOMEM);
		assert_int_equal(next.from_s, 1);
	}
	left = -1;
	assert_true(failures > 8); /* lists grow several times */
	assert_int_equal(openings.n, 364);
	calendar_intervals_deinit(&openings);
	calendar_intervals_deinit(&freezes);
	tzif_free(zone);
}

static void test_zones(void **state)
{
	const struct tzif *zone = NULL;
	struct zones *z = NULL;
	struct error error;
	int failures = 0, r;

	(void)state;
	left = 0;
	assert_int_equal(zones_new(&z), -ENOMEM);
	assert_null(z);
	left = -1;
	assert_int_equal(zones_new(&z), 0);
	for (;; failures++) {
		left = failures;
		r = zones_get(z, "UTC", &zone, &error);
		if (!r)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(zone);
	}
	left = -1;
	assert_int_equal(failures, 3); /* what is kept, the file's bytes, the zone */
	zones_free(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openings),
		cmocka_unit_test(test_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
