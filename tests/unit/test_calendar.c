/* Windows and freezes to openings: a table of stories, what is left in them, and the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "calendar.h"
#include "civil.h"
#include "zone_bytes.h"

enum zone {
	BERLIN,
	SHANGHAI,
	LORD_HOWE,
	DUBLIN,
	APIA,
	ZONE_N,
};

static const struct zone_plan plans[ZONE_N] = {
	[BERLIN] = { .n_offsets = 1, .rule = RULE_BERLIN },
	[SHANGHAI] = { .n_offsets = 1, .rule = RULE_SHANGHAI },
	[LORD_HOWE] = { .n_offsets = 1, .rule = RULE_LORD_HOWE },
	[DUBLIN] = { .n_offsets = 1, .rule = RULE_DUBLIN },
	[APIA] = PLAN_APIA,
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

enum { MON = 1, TUE = 2, WED = 4, THU = 8, FRI = 16, SAT = 32, SUN = 64, DAILY = 127 };
#define H 3600

struct window_plan {
	enum zone zone;
	uint8_t days;
	int32_t start_s;
	int64_t length_s; /* 0: no window */
};

struct freeze_plan {
	enum zone zone;
	const char *from, *to; /* NULL: no freeze */
};

#define PLANS 4
/* Times of ranges and results are UTC; results are MM-DD HH:MM>MM-DD HH:MM, with one space behind each. */
static const struct story {
	const char *what, *from, *to;
	bool is_always;
	struct window_plan windows[PLANS];
	struct freeze_plan freezes[PLANS];
	const char *open, *frozen;
} stories[] = {
	{ .what = "a night in Shanghai, twice",
	  .from = "2026-11-02", .to = "2026-11-04", /* from a Monday on */
	  .windows = { { SHANGHAI, MON | TUE | WED, 1 * H, 4 * H } },
	  .open = "11-02 17:00>11-02 21:00 11-03 17:00>11-03 21:00 " },
	{ .what = "no window, no opening", .from = "2026-11-02", .to = "2026-11-04", .open = "" },
	{ .what = "always", .from = "2026-11-02", .to = "2026-11-04", .is_always = true, .open = "11-02 00:00>11-04 00:00 " },
	{ .what = "an empty range", .from = "2026-11-02", .to = "2026-11-02", .is_always = true, .open = "" },
	{ .what = "a day that is not in the range",
	  .from = "2026-11-02", .to = "2026-11-06", .windows = { { SHANGHAI, SUN, 9 * H, 4 * H } }, .open = "" },
	{ .what = "across midnight: the day is that of the start",
	  .from = "2026-01-05", .to = "2026-01-08", .windows = { { BERLIN, MON, 22 * H, 6 * H } }, .open = "01-05 21:00>01-06 03:00 " },
	{ .what = "across the end of the week",
	  .from = "2026-01-04", .to = "2026-01-12", .windows = { { BERLIN, SUN, 23 * H, 4 * H } },
	  .open = "01-04 22:00>01-05 02:00 01-11 22:00>01-12 00:00 " },
	{ .what = "across the end of the year",
	  .from = "2026-12-30", .to = "2027-01-03", .windows = { { SHANGHAI, THU, 23 * H + 1800, 24 * H } },
	  .open = "12-31 15:30>01-01 15:30 " },
	{ .what = "29 February",
	  .from = "2028-02-28", .to = "2028-03-02", .windows = { { BERLIN, TUE, 0, 24 * H } }, .open = "02-28 23:00>02-29 23:00 " },
	{ .what = "both ends cut by the range",
	  .from = "2026-01-05 22:00", .to = "2026-01-06 02:00", .windows = { { BERLIN, MON, 22 * H, 6 * H } }, .open = "01-05 22:00>01-06 02:00 " },
	{ .what = "over exactly as the range begins, and begins exactly as it ends",
	  .from = "2026-01-06 03:00", .to = "2026-01-12 21:00", .windows = { { BERLIN, MON, 22 * H, 6 * H } }, .open = "" },
	{ .what = "the longest window, begun a week before the range",
	  .from = "2026-01-12", .to = "2026-01-13", .windows = { { SHANGHAI, MON, 8 * H + 1, 7 * 24 * H } }, .open = "01-12 00:00>01-13 00:00 " },

	{ .what = "a start in a gap counts with the offset before it",
	  .from = "2026-03-28", .to = "2026-03-31", .windows = { { BERLIN, DAILY, 2 * H + 1800, 1 * H } },
	  .open = "03-28 01:30>03-28 02:30 03-29 01:30>03-29 02:30 03-30 00:30>03-30 01:30 " },
	{ .what = "a start that comes twice is the first",
	  .from = "2026-10-24", .to = "2026-10-27", .windows = { { BERLIN, DAILY, 2 * H + 1800, 1 * H } },
	  .open = "10-24 00:30>10-24 01:30 10-25 00:30>10-25 01:30 10-26 01:30>10-26 02:30 " },
	{ .what = "elapsed time through a gap",
	  .from = "2026-03-28", .to = "2026-03-30", .windows = { { BERLIN, SUN, 1 * H, 4 * H } }, .open = "03-29 00:00>03-29 04:00 " },
	{ .what = "elapsed time through an overlap",
	  .from = "2026-10-24", .to = "2026-10-27", .windows = { { BERLIN, SUN, 1 * H, 4 * H } }, .open = "10-24 23:00>10-25 03:00 " },
	{ .what = "a gap of half an hour",
	  .from = "2026-10-03", .to = "2026-10-04", .windows = { { LORD_HOWE, SUN, 2 * H + 900, 1 * H } }, .open = "10-03 15:45>10-03 16:45 " },
	{ .what = "an overlap of half an hour",
	  .from = "2026-04-04", .to = "2026-04-05", .windows = { { LORD_HOWE, SUN, 1 * H + 2700, 1 * H } }, .open = "04-04 14:45>04-04 15:45 " },
	{ .what = "DST that is negative",
	  .from = "2026-03-28 12:00", .to = "2026-03-30 12:00", .windows = { { DUBLIN, DAILY, 1 * H + 1800, 1 * H } },
	  .open = "03-29 01:30>03-29 02:30 03-30 00:30>03-30 01:30 " },
	{ .what = "the day that Apia left out: its Friday counts with the offset before it",
	  .from = "2011-12-29", .to = "2012-01-01", .windows = { { APIA, FRI, 1 * H, 1 * H } }, .open = "12-30 11:00>12-30 12:00 " },
	{ .what = "and its Saturday comes at the same time",
	  .from = "2011-12-29", .to = "2012-01-01", .windows = { { APIA, FRI | SAT, 1 * H, 1 * H } }, .open = "12-30 11:00>12-30 12:00 " },

	{ .what = "windows that overlap, touch, and repeat each other",
	  .from = "2026-01-05", .to = "2026-01-06",
	  .windows = { { BERLIN, MON, 12 * H, 2 * H }, { BERLIN, MON, 2 * H, 2 * H }, { BERLIN, MON, 4 * H, 1 * H }, { SHANGHAI, MON, 19 * H, 3 * H } },
	  .open = "01-05 01:00>01-05 04:00 01-05 11:00>01-05 14:00 " },
	{ .what = "one second apart stays two; one inside of another is lost in it",
	  .from = "2026-01-05", .to = "2026-01-06",
	  .windows = { { BERLIN, MON, 2 * H, 2 * H - 1 }, { BERLIN, MON, 4 * H, 3 * H }, { BERLIN, MON, 5 * H, 1 * H } },
	  .open = "01-05 01:00>01-05 02:59:59 01-05 03:00>01-05 06:00 " },
	{ .what = "daily for 24 hours is always, also when a day has 23 or 25",
	  .from = "2026-03-28", .to = "2026-11-01", .windows = { { SHANGHAI, DAILY, 0, 24 * H } }, .open = "03-28 00:00>11-01 00:00 " },

	{ .what = "a freeze inside of a window",
	  .from = "2026-01-05", .to = "2026-01-06", .windows = { { BERLIN, MON, 10 * H, 6 * H } },
	  .freezes = { { BERLIN, "2026-01-05 12:00", "2026-01-05 13:00" } },
	  .open = "01-05 09:00>01-05 11:00 01-05 12:00>01-05 15:00 ", .frozen = "01-05 11:00>01-05 12:00 " },
	{ .what = "freezes across both ends, and their own zones",
	  .from = "2026-01-05", .to = "2026-01-06", .windows = { { BERLIN, MON, 10 * H, 6 * H } },
	  .freezes = { { SHANGHAI, "2026-01-05 16:00", "2026-01-05 18:00" }, { BERLIN, "2026-01-05 15:00", "2026-01-05 17:00" } },
	  .open = "01-05 10:00>01-05 14:00 ", .frozen = "01-05 08:00>01-05 10:00 01-05 14:00>01-05 16:00 " },
	{ .what = "freezes that touch a window take nothing",
	  .from = "2026-01-05", .to = "2026-01-06", .windows = { { BERLIN, MON, 10 * H, 6 * H } },
	  .freezes = { { BERLIN, "2026-01-05 08:00", "2026-01-05 10:00" }, { BERLIN, "2026-01-05 16:00", "2026-01-05 17:00" } },
	  .open = "01-05 09:00>01-05 15:00 ", .frozen = "01-05 07:00>01-05 09:00 01-05 15:00>01-05 16:00 " },
	{ .what = "a freeze over two windows and into a third",
	  .from = "2026-01-05", .to = "2026-01-08", .windows = { { BERLIN, DAILY, 10 * H, 2 * H } },
	  .freezes = { { BERLIN, "2026-01-05", "2026-01-07 11:00" } }, .open = "01-07 10:00>01-07 11:00 ", .frozen = "01-05 00:00>01-07 10:00 " },
	{ .what = "the same times as the window",
	  .from = "2026-01-05", .to = "2026-01-06", .windows = { { BERLIN, MON, 10 * H, 6 * H } },
	  .freezes = { { BERLIN, "2026-01-05 10:00", "2026-01-05 16:00" } }, .open = "", .frozen = "01-05 09:00>01-05 15:00 " },
	{ .what = "freezes beat everything, always too",
	  .from = "2026-11-08", .to = "2026-11-12", .is_always = true, .windows = { { SHANGHAI, DAILY, 1 * H, 24 * H } },
	  .freezes = { { SHANGHAI, "2026-11-09", "2026-11-12" } },
	  .open = "11-08 00:00>11-08 16:00 11-11 16:00>11-12 00:00 ", .frozen = "11-08 16:00>11-11 16:00 " },
	{ .what = "freezes are merged, and shown without windows",
	  .from = "2026-11-08", .to = "2026-11-12",
	  .freezes = { { SHANGHAI, "2026-11-10", "2026-11-11" }, { SHANGHAI, "2026-11-09", "2026-11-10" }, { BERLIN, "2026-01-01", "2026-01-02" },
		       { BERLIN, "2026-11-09", "2026-11-10" } },
	  .open = "", .frozen = "11-08 16:00>11-10 16:00 " },
	{ .what = "a freeze from an hour that comes twice to one that never comes",
	  .from = "2026-03-28", .to = "2026-10-26", .is_always = true,
	  .freezes = { { BERLIN, "2026-10-25 02:30", "2026-10-25 04:00" }, { BERLIN, "2026-03-29 00:00", "2026-03-29 02:30" } },
	  .open = "03-28 00:00>03-28 23:00 03-29 01:30>10-25 00:30 10-25 03:00>10-26 00:00 ",
	  .frozen = "03-28 23:00>03-29 01:30 10-25 00:30>10-25 03:00 " },
	{ .what = "a freeze that ends before it begins is none",
	  .from = "2026-11-08", .to = "2026-11-09", .is_always = true, .freezes = { { BERLIN, "2026-11-08 12:00", "2026-11-08 11:00" } },
	  .open = "11-08 00:00>11-09 00:00 " },
};

struct made {
	struct calendar calendar;
	struct calendar_window windows[PLANS];
	struct calendar_freeze freezes[PLANS];
};

static void make(const struct story *s, struct made *m)
{
	*m = (struct made){ .calendar = { .is_always = s->is_always, .windows = m->windows, .freezes = m->freezes } };
	for (size_t i = 0; i < PLANS && s->windows[i].length_s; i++) {
		const struct window_plan *w = &s->windows[i];

		m->windows[m->calendar.n_windows++] = (struct calendar_window){ zones[w->zone], w->days, w->start_s, w->length_s };
	}
	for (size_t i = 0; i < PLANS && s->freezes[i].from; i++) {
		const struct freeze_plan *f = &s->freezes[i];

		m->freezes[m->calendar.n_freezes++] = (struct calendar_freeze){ zones[f->zone], at(f->from), at(f->to) };
	}
}

#define SKIPPED 9 /* "Mon 2026-" */
static void show(const struct calendar_intervals *list, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < list->n && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s>%s ", civil_print(list->items[i].from_s).text + SKIPPED,
					civil_print(list->items[i].to_s).text + SKIPPED);
}

static void expect(const char *what, const struct calendar_intervals *list, const char *want)
{
	char got[512];

	show(list, got, sizeof(got));
	if (strcmp(got, want) != 0)
		print_error("%s\n", what);
	assert_string_equal(got, want);
}

static void test_stories(void **state)
{
	struct calendar_intervals openings = { 0 }, freezes = { 0 }; /* one pair for all: each run replaces what was in it */

	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		const struct story *s = &stories[i];
		struct made m;

		make(s, &m);
		assert_int_equal(calendar_openings(&m.calendar, (struct calendar_interval){ at(s->from), at(s->to) }, &openings, &freezes), 0);
		expect(s->what, &openings, s->open);
		expect(s->what, &freezes, s->frozen ? s->frozen : "");
	}
	calendar_intervals_deinit(&openings);
	calendar_intervals_deinit(&freezes);
}

static void test_freeze_interval(void **state)
{
	const struct calendar_freeze good = { zones[SHANGHAI], at("2026-11-09"), at("2026-11-12") };
	/* On the wall clock an hour long, and yet empty: both ends are in a gap and behind it. */
	const struct calendar_freeze empty = { zones[BERLIN], at("2026-03-29 02:00"), at("2026-03-29 03:00") };
	struct calendar_interval interval = calendar_freeze_interval(&good);

	(void)state;
	assert_int_equal(interval.from_s, at("2026-11-08 16:00"));
	assert_int_equal(interval.to_s, at("2026-11-11 16:00"));
	interval = calendar_freeze_interval(&empty);
	assert_int_equal(interval.from_s, interval.to_s);
}

static void test_next(void **state)
{
	static const struct story weekly = { .windows = { { BERLIN, MON, 22 * H, 6 * H } }, .freezes = { { BERLIN, "2026-01-12", "2026-01-14" } } };
	static const struct {
		const char *after;
		uint32_t days;
		const char *from, *to; /* NULL: never */
	} cases[] = {
		{ "2026-01-05 00:00", 7, "2026-01-05 21:00", "2026-01-06 03:00" },
		{ "2026-01-05 22:00", 7, "2026-01-05 22:00", "2026-01-06 03:00" },
		{ "2026-01-06 02:59:59", 7, "2026-01-06 02:59:59", "2026-01-06 03:00" },
		{ "2026-01-06 03:00", 14, "2026-01-19 21:00", "2026-01-20 03:00" }, /* the one between is frozen */
		{ "2026-01-06 03:00", 13, NULL, NULL },
		{ "2026-01-05 00:00", 0, NULL, NULL },
		{ "2026-01-05 00:00", 1, "2026-01-05 21:00", "2026-01-06 00:00" },
		{ "2026-01-05 00:00", CALENDAR_RANGE_DAYS_MAX, "2026-01-05 21:00", "2026-01-06 03:00" },
	};
	struct made m;

	(void)state;
	make(&weekly, &m);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct calendar_interval next;

		assert_int_equal(calendar_next(&m.calendar, at(cases[i].after), cases[i].days, &next), 0);
		assert_int_equal(next.from_s, cases[i].from ? at(cases[i].from) : CALENDAR_NEVER);
		assert_int_equal(next.to_s, cases[i].to ? at(cases[i].to) : CALENDAR_NEVER);
	}
}

static void test_room(void **state)
{
	struct calendar_interval items[] = { { 0, 900 }, { 1000, 1899 }, { 2000, 5600 } };
	const struct calendar_intervals openings = { .items = items, .n = 3 }, none = { 0 };
	static const struct {
		int64_t takes_s;
		struct calendar_room want;
	} cases[] = {
		{ 1, { 5399, 5399, 5399, 3 } },
		{ 899, { 5399, 2 + 1 + 2702, 1 + 1 + 4, 3 } },
		{ 900, { 5399, 1 + 2701, 1 + 4, 2 } },
		{ 3600, { 5399, 1, 1, 1 } },
		{ 3601, { 5399, 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct calendar_room room = calendar_room(&openings, cases[i].takes_s);

		assert_int_equal(room.open_s, cases[i].want.open_s);
		assert_int_equal(room.usable_s, cases[i].want.usable_s);
		assert_int_equal(room.n_turns, cases[i].want.n_turns);
		assert_int_equal(room.n_usable, cases[i].want.n_usable);
	}
	assert_int_equal(calendar_room(&none, 900).open_s, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_freeze_interval),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
