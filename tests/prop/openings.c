/*
 * Properties of windows and freezes (rules 6 and 12) over random zones, windows and freezes, against a model that
 * goes through the time minute by minute.
 *
 *     openings [--seed S] [--runs N]
 */
#include "../unit/zone_bytes.h"
#include "calendar.h"
#include "civil.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS 4
#define MINUTES_OF_DAY 1440
#define BEFORE (10 * MINUTES_OF_DAY) /* the longest window, and the largest step of a clock */
#define RANGE_MAX (12 * MINUTES_OF_DAY)
#define BEHIND (4 * MINUTES_OF_DAY)
#define OFFSET_MAX (15 * 60)
#define MINUTES_MAX (BEFORE + RANGE_MAX + BEHIND)

static uint64_t seed, state;

static uint32_t upto(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static int failures;

static void expect(bool is_right, const char *what)
{
	if (is_right)
		return;
	failures++;
	fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
}

/* Days around which clocks change, and ends of months, years and weeks. */
static const char *const anchors[] = {
	"2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04", "2026-03-08", "2011-12-30", "2027-01-01", "2028-02-29", "2026-07-01",
};
static const char *const rules[] = {
	RULE_BERLIN, RULE_NEW_YORK, RULE_LORD_HOWE, RULE_DUBLIN, RULE_NUUK, RULE_SHANGHAI, "",
};

/* A life: all its times are minutes from `base` on, but those of the calendar. */
struct life {
	struct tzif *zones[ITEMS];
	struct calendar calendar;
	struct calendar_window windows[ITEMS];
	struct calendar_freeze freezes[ITEMS];
	int64_t base_s;
	int from, to;
	int32_t offsets[ITEMS][MINUTES_MAX]; /* in minutes, of each zone */
	bool is_open[MINUTES_MAX], is_frozen[MINUTES_MAX];
};

static struct tzif *draw_zone(int64_t around_s)
{
	struct zone_plan plan = { .n_offsets = ZONE_TYPES, .rule = rules[upto(sizeof(rules) / sizeof(rules[0]))] };
	int64_t at_s = around_s - 86400 * upto(10);
	struct zone_bytes b;
	struct tzif *z;
	struct error error;

	for (int i = 0; i < ZONE_TYPES; i++)
		plan.offsets[i] = (int32_t)upto(105) * 900 - 12 * 3600;
	plan.n_changes = upto(2) ? 0 : upto(ZONE_CHANGES);
	for (size_t i = 0; i < plan.n_changes; i++) {
		plan.changes[i].at_s = at_s;
		plan.changes[i].to = (unsigned char)upto(ZONE_TYPES);
		at_s += 60 * (1 + (int64_t)upto(5 * MINUTES_OF_DAY));
	}
	if (upto(8) == 0)
		plan = (struct zone_plan)PLAN_APIA;
	b = zone_make(&plan);
	if (tzif_new(b.data, b.len, &z, &error) != 0)
		abort();
	return z;
}

static void draw(struct life *l)
{
	int64_t anchor_s;

	if (!civil_parse_datetime(anchors[upto(sizeof(anchors) / sizeof(anchors[0]))], &anchor_s))
		abort();
	l->base_s = anchor_s - 60 * (int64_t)(BEFORE + upto(RANGE_MAX));
	l->from = BEFORE;
	l->to = BEFORE + (int)upto(RANGE_MAX);
	l->calendar = (struct calendar){ .is_always = upto(6) == 0, .windows = l->windows, .freezes = l->freezes };
	l->calendar.n_windows = upto(ITEMS + 1);
	l->calendar.n_freezes = upto(3) ? upto(ITEMS + 1) : 0;
	for (int i = 0; i < ITEMS; i++) {
		int64_t from_s = l->base_s / 60 * 60 + 60 * (int64_t)(2 * MINUTES_OF_DAY + upto(MINUTES_MAX - 5 * MINUTES_OF_DAY));

		l->zones[i] = draw_zone(anchor_s);
		l->windows[i] = (struct calendar_window){
			.zone = l->zones[i],
			.days = (uint8_t)(upto(3) ? 1 + upto(CALENDAR_EVERY_DAY) : 1u << upto(7)),
			.start_s = 60 * (int32_t)(upto(2) ? upto(MINUTES_OF_DAY) : 15 * upto(MINUTES_OF_DAY / 15)),
			.length_s = 60 * (int64_t)(1 + (upto(4) ? upto(MINUTES_OF_DAY) : upto(7 * MINUTES_OF_DAY))),
		};
		l->freezes[i] = (struct calendar_freeze){ l->zones[upto((uint32_t)i + 1)], from_s, from_s + 60 * (int64_t)upto(MINUTES_OF_DAY) };
	}
}

/* ---- the model ---- */

static int64_t at(const struct life *l, int minute)
{
	return l->base_s + 60 * (int64_t)minute;
}

/* The first minute in which the clock shows at least that; when it shows more, what the offset before would have given. */
static int64_t model_minute(const struct life *l, size_t zone, int64_t civil)
{
	int64_t first = civil - l->base_s / 60 - OFFSET_MAX - 1; /* no clock here can be that far ahead */

	for (int64_t i = first < 1 ? 1 : first; i < MINUTES_MAX; i++) {
		int64_t shown = l->base_s / 60 + i + l->offsets[zone][i];

		if (shown >= civil)
			return shown == civil ? i : civil - l->offsets[zone][i - 1] - l->base_s / 60;
	}
	return MINUTES_MAX;
}

static void mark(bool *minutes, int64_t from, int64_t to)
{
	for (int64_t i = from < 0 ? 0 : from; i < to && i < MINUTES_MAX; i++)
		minutes[i] = true;
}

static size_t zone_index(const struct life *l, const struct tzif *zone)
{
	size_t i = 0;

	while (l->zones[i] != zone)
		i++;
	return i;
}

static void model(struct life *l)
{
	for (size_t z = 0; z < ITEMS; z++) {
		struct tz_span span = { 0, INT64_MIN }; /* check_zones() sees to it that spans are right */

		for (int i = 0; i < MINUTES_MAX; i++) {
			if (at(l, i) >= span.end_s)
				span = tzif_span(l->zones[z], at(l, i));
			l->offsets[z][i] = span.offset_s / 60;
		}
	}
	memset(l->is_open, l->calendar.is_always, sizeof(l->is_open));
	memset(l->is_frozen, 0, sizeof(l->is_frozen));
	for (size_t w = 0; w < l->calendar.n_windows; w++)
		for (int64_t day = l->base_s / 86400 - 1; day < l->base_s / 86400 + MINUTES_MAX / MINUTES_OF_DAY; day++) {
			const struct calendar_window *window = &l->windows[w];
			int64_t start = model_minute(l, w, day * MINUTES_OF_DAY + window->start_s / 60);

			if (window->days >> (day + 3) % 7 & 1)
				mark(l->is_open, start, start + window->length_s / 60);
		}
	for (size_t f = 0; f < l->calendar.n_freezes; f++) {
		const struct calendar_freeze *freeze = &l->freezes[f];
		size_t z = zone_index(l, freeze->zone);

		mark(l->is_frozen, model_minute(l, z, freeze->from_civil_s / 60), model_minute(l, z, freeze->to_civil_s / 60));
	}
	for (int i = 0; i < MINUTES_MAX; i++)
		l->is_open[i] = l->is_open[i] && !l->is_frozen[i];
}

/* ---- what must hold ---- */

static void check_list(const struct life *l, const struct calendar_intervals *list, const bool *want, const char *what)
{
	static bool got[MINUTES_MAX];

	memset(got, 0, sizeof(got));
	for (size_t i = 0; i < list->n; i++) {
		const struct calendar_interval *it = &list->items[i];

		expect(it->from_s < it->to_s && it->from_s >= at(l, l->from) && it->to_s <= at(l, l->to), "an interval is empty or not in the range");
		expect(i == 0 || it[-1].to_s < it->from_s, "intervals are not in order, or touch");
		mark(got, (it->from_s - l->base_s) / 60, (it->to_s - l->base_s) / 60);
	}
	expect(memcmp(got + l->from, want + l->from, (size_t)(l->to - l->from)) == 0, what);
}

static void check_next(const struct life *l)
{
	uint32_t days = (uint32_t)(l->to - l->from) / MINUTES_OF_DAY;
	int after = l->from + (int)upto((uint32_t)(l->to - l->from) % MINUTES_OF_DAY + 1);
	int end = after + (int)days * MINUTES_OF_DAY, want = after, want_end;
	struct calendar_interval next;

	while (want < end && !l->is_open[want])
		want++;
	for (want_end = want; want_end < end && l->is_open[want_end];)
		want_end++;
	if (calendar_next(&l->calendar, at(l, after), days, &next) != 0)
		abort();
	expect(next.from_s == (want < end ? at(l, want) : CALENDAR_NEVER), "the next opening begins at another time");
	expect(next.to_s == (want < end ? at(l, want_end) : CALENDAR_NEVER), "the next opening ends at another time");
}

static void check_room(const struct life *l, const struct calendar_intervals *openings)
{
	int64_t takes = 1 + upto(2 * MINUTES_OF_DAY), open = 0, usable = 0;
	struct calendar_room room = calendar_room(openings, 60 * takes);
	int left = 0;

	for (int i = l->to - 1; i >= l->from; i--) {
		left = l->is_open[i] ? left + 1 : 0;
		open += l->is_open[i];
		usable += left >= takes;
	}
	expect(room.open_s == 60 * open, "another sum of open time");
	/* The last start of an opening may be at a full minute, and no second later. */
	expect(room.usable_s == 60 * usable - 59 * (int64_t)room.n_usable, "another sum of time for starts");
}

static void check_zones(const struct life *l)
{
	for (size_t z = 0; z < ITEMS; z++)
		for (int i = 0; i < 100; i++) {
			int64_t utc_s = l->base_s + upto(60 * MINUTES_MAX);
			struct tz_span span = tzif_span(l->zones[z], utc_s);
			int64_t civil = l->base_s / 60 + 2 * OFFSET_MAX + upto(MINUTES_MAX - 4 * OFFSET_MAX);

			expect(tzif_utc(l->zones[z], civil * 60) == l->base_s + 60 * model_minute(l, z, civil), "a wall clock time is at another time");
			expect(utc_s < span.end_s, "a span is over before it is");
			expect(tzif_offset(l->zones[z], span.end_s - 1) == span.offset_s, "a span has two offsets");
		}
}

static void live(void)
{
	static struct life l;
	struct calendar_intervals openings = { 0 }, freezes = { 0 };

	draw(&l);
	model(&l);
	if (calendar_openings(&l.calendar, (struct calendar_interval){ at(&l, l.from), at(&l, l.to) }, &openings, &freezes) != 0)
		abort();
	check_list(&l, &openings, l.is_open, "open at other minutes than the model");
	check_list(&l, &freezes, l.is_frozen, "frozen at other minutes than the model");
	check_next(&l);
	check_room(&l, &openings);
	check_zones(&l);
	calendar_intervals_deinit(&openings);
	calendar_intervals_deinit(&freezes);
	for (size_t i = 0; i < ITEMS; i++)
		l.zones[i] = tzif_free(l.zones[i]);
}

int main(int argc, char **argv)
{
	uint64_t first = 1, runs = 1000;

	for (int i = 1; i + 1 < argc; i += 2)
		*(strcmp(argv[i], "--seed") == 0 ? &first : &runs) = strtoull(argv[i + 1], NULL, 10);
	fprintf(stderr, "seed %llu\n", (unsigned long long)first);
	for (seed = first; seed < first + runs && failures < 5; seed++) {
		state = seed;
		live();
	}
	return failures != 0;
}
