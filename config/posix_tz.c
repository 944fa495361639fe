/*
 * Reads the rule, and looks for the changes around a time among those of the years around it. Pure.
 */
#include "posix_tz.h"

#include <stddef.h>
#include <string.h>

#include "civil.h"

#define NAME_LEN_MIN 3
#define OFFSET_HOURS_MAX 24
#define TIME_HOURS_MAX 167
#define NUMBER_DIGITS_MAX 3
#define DEFAULT_TIME_S (2 * 3600)
#define DEFAULT_SAVING_S 3600

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* Names are not kept: nobody shows them. */
static bool take_name(const char **text)
{
	bool is_quoted = take(text, '<');
	const char *p = *text;

	while (is_letter(*p) || (is_quoted && (is_digit(*p) || *p == '+' || *p == '-')))
		p++;
	if (p - *text < NAME_LEN_MIN)
		return false;
	*text = p;
	return !is_quoted || take(text, '>');
}

static bool take_number(const char **text, int min, int max, int *ret_value)
{
	int value = 0, n = 0;

	for (; is_digit(**text) && n < NUMBER_DIGITS_MAX; (*text)++, n++)
		value = value * 10 + (**text - '0');
	if (n == 0 || is_digit(**text) || value < min || value > max)
		return false;
	*ret_value = value;
	return true;
}

/* [+-]h[:mm[:ss]] */
static bool take_time(const char **text, int hours_max, int32_t *ret_s)
{
	bool is_negative = take(text, '-');
	int hours, minutes = 0, seconds = 0;
	int32_t sum;

	if (!is_negative)
		take(text, '+');
	if (!take_number(text, 0, hours_max, &hours))
		return false;
	if (take(text, ':')) {
		if (!take_number(text, 0, 59, &minutes))
			return false;
		if (take(text, ':') && !take_number(text, 0, 59, &seconds))
			return false;
	}
	sum = hours * 3600 + minutes * 60 + seconds;
	*ret_s = is_negative ? -sum : sum;
	return true;
}

/* POSIX counts westwards. */
static bool take_offset(const char **text, int32_t *ret_east_s)
{
	int32_t west;

	if (!take_time(text, OFFSET_HOURS_MAX, &west))
		return false;
	*ret_east_s = -west;
	return true;
}

static bool take_day(const char **text, struct posix_tz_date *date)
{
	if (take(text, 'J')) {
		date->form = POSIX_TZ_FORM_JULIAN;
		return take_number(text, 1, 365, &date->day);
	}
	if (take(text, 'M')) {
		date->form = POSIX_TZ_FORM_WEEK;
		return take_number(text, 1, 12, &date->month) && take(text, '.') && take_number(text, 1, 5, &date->week) && take(text, '.') &&
		       take_number(text, 0, 6, &date->day);
	}
	date->form = POSIX_TZ_FORM_DAY;
	return take_number(text, 0, 365, &date->day);
}

static bool take_date(const char **text, struct posix_tz_date *date)
{
	date->time_s = DEFAULT_TIME_S;
	if (!take(text, ',') || !take_day(text, date))
		return false;
	return !take(text, '/') || take_time(text, TIME_HOURS_MAX, &date->time_s);
}

bool posix_tz_parse(const char *text, struct posix_tz *ret_rule)
{
	struct posix_tz rule = { .has_dst = false };

	if (!take_name(&text) || !take_offset(&text, &rule.standard_s))
		return false;
	if (*text) {
		rule.has_dst = true;
		rule.dst_s = rule.standard_s + DEFAULT_SAVING_S;
		if (!take_name(&text))
			return false;
		if (*text && *text != ',' && !take_offset(&text, &rule.dst_s))
			return false;
		if (!take_date(&text, &rule.dst_start) || !take_date(&text, &rule.dst_end) || *text)
			return false;
	}
	*ret_rule = rule;
	return true;
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t week_day(const struct posix_tz_date *date, int64_t year)
{
	int64_t first = civil_day(year, date->month, 1);
	int64_t next = date->month == 12 ? civil_day(year + 1, 1, 1) : civil_day(year, date->month + 1, 1);
	int want = (date->day + CIVIL_WEEK_DAYS - 1) % CIVIL_WEEK_DAYS; /* from Sunday first to Monday first */
	int64_t day = first + (want - civil_weekday(first) + CIVIL_WEEK_DAYS) % CIVIL_WEEK_DAYS +
		      (int64_t)(date->week - 1) * CIVIL_WEEK_DAYS;

	return day < next ? day : day - CIVIL_WEEK_DAYS;
}

/* When that date of a year comes on a clock with that offset, in UTC. */
static int64_t instant(const struct posix_tz_date *date, int64_t year, int32_t offset_s)
{
	int64_t day = 0;

	switch (date->form) {
	case POSIX_TZ_FORM_JULIAN:
		day = civil_day(year, 1, 1) + date->day - 1 + (date->day >= 60 && is_leap(year));
		break;
	case POSIX_TZ_FORM_DAY:
		day = civil_day(year, 1, 1) + date->day;
		break;
	case POSIX_TZ_FORM_WEEK:
		day = week_day(date, year);
		break;
	}
	return day * CIVIL_DAY_S + date->time_s - offset_s;
}

struct search {
	int64_t utc_s;
	int64_t last_s; /* the last change that is not after utc_s */
	struct tz_span span;
};

static void look_at(struct search *s, int64_t change_s, int32_t offset_s)
{
	if (change_s > s->utc_s) {
		if (change_s < s->span.end_s)
			s->span.end_s = change_s;
	} else if (change_s >= s->last_s) {
		s->last_s = change_s;
		s->span.offset_s = offset_s;
	}
}

/*
 * A change may be up to 192 hours away from its date, so two years before and behind are enough to find one on each side.
 * Where DST starts in the moment in which it ends, it lasts (all-year DST, RFC 9636 3.3.2): the start is looked at last.
 */
struct tz_span posix_tz_span(const struct posix_tz *rule, int64_t utc_s)
{
	struct search s = { .utc_s = utc_s, .last_s = INT64_MIN, .span = { rule->standard_s, INT64_MAX } };
	int64_t year = civil_year(civil_day_of(utc_s));

	if (!rule->has_dst)
		return s.span;
	for (int64_t y = year - 2; y <= year + 2; y++)
		look_at(&s, instant(&rule->dst_end, y, rule->dst_s), rule->standard_s);
	for (int64_t y = year - 2; y <= year + 2; y++)
		look_at(&s, instant(&rule->dst_start, y, rule->standard_s), rule->dst_s);
	return s.span;
}
