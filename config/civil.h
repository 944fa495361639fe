/*
 * Dates and times of day as people write them, in the Gregorian calendar. Pure, and independent of the locale.
 *
 * A civil time is a count of seconds since 1970-01-01 00:00 on some wall clock, as if every day had 86400 of them. Which
 * clock, and so which instant, a zone says (tzif.h). Days count from 1970-01-01, weekdays from Monday, which is 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_DAY_S 86400
#define CIVIL_WEEK_DAYS 7

/* The day of a date, which may be of any year within +-2^40; month 1 to 12, day 1 to 31 (no more checks here). */
int64_t civil_day(int64_t year, int month, int day);
/* The year that a day is in. */
int64_t civil_year(int64_t day);
/* The day that a civil time is in; right for negative ones, too. */
int64_t civil_day_of(int64_t civil_s);
/* 0 is Monday, 6 is Sunday. */
int civil_weekday(int64_t day);

/*
 * Parsers: strict, nothing may stand before or behind, false leaves the result as it was.
 * Times of day are "HH:MM" or "HH:MM:SS", from "00:00" to "23:59:59".
 */
bool civil_parse_time_of_day(const char *text, int32_t *ret_s);
/* "YYYY-MM-DD", which means its 00:00, or a date, one space and a time of day. Years 1970 to 9999; the date must exist. */
bool civil_parse_datetime(const char *text, int64_t *ret_civil_s);
/* "Mon" to "Sun" or "Monday" to "Sunday", with capital letters as here. */
bool civil_parse_weekday(const char *text, int *ret_weekday);

struct civil_text {
	char text[48];
};
/* "Mon 2026-11-09 01:00", and ":30" behind it when the second is not 0. */
struct civil_text civil_print(int64_t civil_s);
