/* Is it open, and when does it open next: stories of windows at times around their boundaries, and the look that is spared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "civil.h"
#include "window_state.h"
#include "zone_bytes.h"

enum zone {
	UTC,
	BERLIN,
	SHANGHAI,
	ZONE_N,
};

static const struct zone_plan plans[ZONE_N] = {
	[UTC] = { .n_offsets = 1, .rule = "UTC0" },
	[BERLIN] = { .n_offsets = 1, .rule = RULE_BERLIN },
	[SHANGHAI] = { .n_offsets = 1, .rule = RULE_SHANGHAI },
};
static struct tzif *zones[ZONE_N];

static int set_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < ZONE_N; i++) {
		struct zone_bytes b = zone_make(&plans[i]);
		struct error error;

		if (tzif_new(b.data, b.len, &zones[i], &error) != 0)
			return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < ZONE_N; i++)
		zones[i] = tzif_free(zones[i]);
	return 0;
}

static int64_t at(const char *text)
{
	int64_t s = 0;

	assert_true(civil_parse_datetime(text, &s));
	return s;
}

enum { MON = 1, TUE = 2, SUN = 64, DAILY = 127 };
#define H 3600

struct story {
	enum zone zone;
	uint8_t days;
	int32_t start_s;
	int64_t length_s;
	const char *now; /* UTC; 2026-11-23 is a Monday */
	bool is_open;
	const char *next; /* UTC; NULL: none */
};

static const struct story stories[] = {
	{ UTC, MON | TUE, 1 * H, 4 * H, "2026-11-23 00:59:59", false, "2026-11-23 01:00" },
	{ UTC, MON | TUE, 1 * H, 4 * H, "2026-11-23 01:00", true, "2026-11-24 01:00" },
	{ UTC, MON | TUE, 1 * H, 4 * H, "2026-11-23 04:59:59", true, "2026-11-24 01:00" },
	{ UTC, MON | TUE, 1 * H, 4 * H, "2026-11-23 05:00", false, "2026-11-24 01:00" },
	{ UTC, MON | TUE, 1 * H, 4 * H, "2026-11-24 05:00", false, "2026-11-30 01:00" },
	{ SHANGHAI, MON, 1 * H, 4 * H, "2026-11-22 17:00", true, "2026-11-29 17:00" },
	/* over midnight and the end of the week */
	{ UTC, SUN, 22 * H, 6 * H, "2026-11-23 03:59:59", true, "2026-11-29 22:00" },
	{ UTC, SUN, 22 * H, 6 * H, "2026-11-23 04:00", false, "2026-11-29 22:00" },
	/* never closes: a day each day, a week each week */
	{ UTC, DAILY, 0, 24 * H, "2026-11-23 12:00", true, NULL },
	{ UTC, MON, 0, 7 * 24 * H, "2026-11-25 12:00", true, NULL },
	{ UTC, MON, 0, 7 * 24 * H - 1, "2026-11-25 12:00", true, "2026-11-30" },
	/* a day of 25 hours leaves an hour of pause, and a start in the night of a change is that of its own offset */
	{ BERLIN, DAILY, 0, 24 * H, "2026-10-24 12:00", true, "2026-10-25 23:00" },
	{ BERLIN, DAILY, 0, 24 * H, "2026-10-25 22:30", false, "2026-10-25 23:00" },
	{ BERLIN, SUN, 4 * H, 1 * H, "2026-10-24 12:00", false, "2026-10-25 03:00" },
};

static void test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		const struct story *t = &stories[i];
		const struct calendar_window w = { zones[t->zone], t->days, t->start_s, t->length_s };
		struct window_state s = { 0 };
		int64_t now_s = at(t->now);

		assert_int_equal(window_state_look(&w, now_s, &s), 0);
		assert_int_equal(s.is_open, t->is_open);
		assert_int_equal(s.next_open_s, t->next ? at(t->next) : 0);
		assert_int_equal(s.from_s, now_s);
		assert_true(s.until_s > now_s);
	}
}

/* Kept from boundary to boundary, a month of quarters of an hour tells the same as looking anew each time; back and forth. */
static void test_what_is_kept_is_right(void **state)
{
	const struct calendar_window w = { zones[BERLIN], MON | SUN, 23 * H, 5 * H };
	struct window_state kept = { 0 };
	int64_t from_s = at("2026-10-10"), looks = 0;

	(void)state;
	for (int64_t i = -2700; i < 2700; i++) {
		struct window_state fresh = { 0 }, before = kept;
		int64_t now_s = from_s + (i < 0 ? -i : i) * 900;

		assert_int_equal(window_state_look(&w, now_s, &kept), 0);
		assert_int_equal(window_state_look(&w, now_s, &fresh), 0);
		assert_int_equal(kept.is_open, fresh.is_open);
		assert_int_equal(kept.next_open_s, fresh.next_open_s);
		looks += kept.from_s != before.from_s;
	}
	/* on the way back each time is before the last look; on the way on a look at each of two boundaries a week */
	assert_in_range(looks, 2700 + 10, 2700 + 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_what_is_kept_is_right),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
