/*
 * Any bytes as a zone file. What is taken must give offsets and openings as tzif.h and calendar.h promise; the window and
 * the freeze that are tried come from the 15 bytes of the header that have no meaning. The same bytes as a date.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "calendar.h"
#include "civil.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UNUSED_AT 5
#define HOUR_S 3600
#define WEEKDAY_LEN 4 /* "Mon " */
#define DATE_LEN 10

static void expect(bool is_right)
{
	if (!is_right)
		abort();
}

static void expect_times(const struct tzif *zone, int64_t utc_s)
{
	struct tz_span span = tzif_span(zone, utc_s);
	int64_t local_s = tzif_local(zone, utc_s), first_s = tzif_utc(zone, local_s);

	expect(span.offset_s >= -TZIF_OFFSET_MAX_S && span.offset_s <= TZIF_OFFSET_MAX_S && span.end_s > utc_s);
	expect(local_s - utc_s == span.offset_s && tzif_offset(zone, span.end_s - 1) == span.offset_s);
	expect(first_s - local_s >= -TZIF_OFFSET_MAX_S && first_s - local_s <= TZIF_OFFSET_MAX_S);
}

static void expect_list(const struct calendar_intervals *list, struct calendar_interval range)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct calendar_interval *it = &list->items[i];

		expect(it->from_s < it->to_s && it->from_s >= range.from_s && it->to_s <= range.to_s);
		expect(i == 0 || it[-1].to_s < it->from_s);
	}
}

static void try_calendar(const struct tzif *zone, const uint8_t *drawn)
{
	int64_t around_s = (int64_t)(int32_t)((uint32_t)drawn[0] << 24 | (uint32_t)drawn[1] << 16 | (uint32_t)drawn[2] << 8 | drawn[3]) * 16;
	const struct calendar_window window = {
		.zone = zone,
		.days = (uint8_t)(drawn[4] % CALENDAR_EVERY_DAY + 1),
		.start_s = (drawn[5] << 8 | drawn[6]) * 7 % CIVIL_DAY_S,
		.length_s = 1 + (drawn[7] << 8 | drawn[8]) * INT64_C(9),
	};
	const struct calendar_freeze freeze = { zone, around_s + drawn[9] * HOUR_S, around_s + drawn[10] * HOUR_S };
	const struct calendar calendar = { drawn[11] & 1, &window, 1, &freeze, 1 };
	const struct calendar_interval range = { around_s, around_s + drawn[12] * 3 * HOUR_S };
	struct calendar_intervals openings = { 0 }, freezes = { 0 };

	expect_times(zone, around_s);
	if (calendar_openings(&calendar, range, &openings, &freezes) != 0)
		abort();
	expect_list(&openings, range);
	expect_list(&freezes, range);
	for (size_t i = 0; i < openings.n; i++)
		for (size_t k = 0; k < freezes.n; k++)
			expect(openings.items[i].to_s <= freezes.items[k].from_s || freezes.items[k].to_s <= openings.items[i].from_s);
	calendar_intervals_deinit(&openings);
	calendar_intervals_deinit(&freezes);
}

static void try_texts(const uint8_t *data, size_t size)
{
	char text[40] = "";
	int64_t civil_s;
	int32_t time_s;
	int weekday;

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	if (civil_parse_datetime(text, &civil_s))
		expect(memcmp(civil_print(civil_s).text + WEEKDAY_LEN, text, DATE_LEN) == 0);
	if (civil_parse_time_of_day(text, &time_s))
		expect(time_s >= 0 && time_s < CIVIL_DAY_S);
	if (civil_parse_weekday(text, &weekday))
		expect(weekday >= 0 && weekday < CIVIL_WEEK_DAYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct error error;
	struct tzif *zone;

	try_texts(data, size);
	if (tzif_new(data, size, &zone, &error) != 0) {
		expect(*error.text && strlen(error.text) < sizeof(error.text) - 1);
		return 0;
	}
	for (int64_t year = 1900; year < 2200; year += 30)
		expect_times(zone, civil_day(year, 1, 1) * CIVIL_DAY_S);
	try_calendar(zone, data + UNUSED_AT);
	tzif_free(zone);
	return 0;
}
