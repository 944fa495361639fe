/*
 * Days and dates by the usual arithmetic of eras of 400 years that begin with March, so that a leap day is the last of
 * its year. Pure.
 */
#include "civil.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ERA_YEARS 400
#define ERA_DAYS 146097
#define EPOCH_ERA_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */
#define EPOCH_WEEKDAY 3       /* a Thursday */

static const char *const weekday_names[CIVIL_WEEK_DAYS] = {
	"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
};
#define SHORT_NAME_LEN 3

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t civil_day(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = floor_div(y, ERA_YEARS), year_of_era = y - era * ERA_YEARS;
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

	return era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_ERA_DAYS;
}

struct date {
	int64_t year;
	int month, day;
};

static struct date date_of(int64_t day)
{
	int64_t since = day + EPOCH_ERA_DAYS, era = floor_div(since, ERA_DAYS), day_of_era = since - era * ERA_DAYS;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int day_of_year = (int)(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
	int from_march = (5 * day_of_year + 2) / 153;
	struct date date = {
		.month = from_march < 10 ? from_march + 3 : from_march - 9,
		.day = day_of_year - (153 * from_march + 2) / 5 + 1,
	};

	date.year = era * ERA_YEARS + year_of_era + (date.month <= 2);
	return date;
}

int64_t civil_year(int64_t day)
{
	return date_of(day).year;
}

int64_t civil_day_of(int64_t civil_s)
{
	return floor_div(civil_s, CIVIL_DAY_S);
}

int civil_weekday(int64_t day)
{
	return (int)((day % CIVIL_WEEK_DAYS + CIVIL_WEEK_DAYS + EPOCH_WEEKDAY) % CIVIL_WEEK_DAYS);
}

/* Exactly n digits from *text on, which moves behind them. */
static bool take_digits(const char **text, int n, int max, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		char c = (*text)[i];

		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	if (value > max)
		return false;
	*text += n;
	*ret_value = value;
	return true;
}

static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

bool civil_parse_time_of_day(const char *text, int32_t *ret_s)
{
	int hour, minute, second = 0;

	if (!take_digits(&text, 2, 23, &hour) || !take(&text, ':') || !take_digits(&text, 2, 59, &minute))
		return false;
	if (take(&text, ':') && !take_digits(&text, 2, 59, &second))
		return false;
	if (*text)
		return false;
	*ret_s = hour * 3600 + minute * 60 + second;
	return true;
}

bool civil_parse_datetime(const char *text, int64_t *ret_civil_s)
{
	int32_t second = 0;
	struct date real;
	int year, month, day;
	int64_t days;

	if (!take_digits(&text, 4, 9999, &year) || !take(&text, '-') || !take_digits(&text, 2, 12, &month) || !take(&text, '-') ||
	    !take_digits(&text, 2, 31, &day))
		return false;
	if (year < 1970 || month < 1 || day < 1)
		return false;
	days = civil_day(year, month, day);
	real = date_of(days);
	if (real.month != month) /* a 30th of February would be one of March */
		return false;
	if (take(&text, ' ')) {
		if (!civil_parse_time_of_day(text, &second))
			return false;
	} else if (*text) {
		return false;
	}
	*ret_civil_s = days * CIVIL_DAY_S + second;
	return true;
}

bool civil_parse_weekday(const char *text, int *ret_weekday)
{
	size_t len = strlen(text);

	for (int i = 0; i < CIVIL_WEEK_DAYS; i++) {
		if (strncmp(text, weekday_names[i], len) == 0 && (len == SHORT_NAME_LEN || !weekday_names[i][len])) {
			*ret_weekday = i;
			return true;
		}
	}
	return false;
}

struct civil_text civil_print(int64_t civil_s)
{
	int64_t day = civil_day_of(civil_s);
	int second = (int)(civil_s - day * CIVIL_DAY_S);
	struct date date = date_of(day);
	struct civil_text out;
	int n = snprintf(out.text, sizeof(out.text), "%.3s %04lld-%02d-%02d %02d:%02d", weekday_names[civil_weekday(day)],
			 (long long)date.year, date.month, date.day, second / 3600, second / 60 % 60);

	if (second % 60 && n > 0 && (size_t)n < sizeof(out.text))
		snprintf(out.text + n, sizeof(out.text) - (size_t)n, ":%02d", second % 60);
	return out;
}
