/* Dates against a calendar that is counted day by day, and every way to write one that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "civil.h"

#define DAY INT64_C(86400)

static void test_days_one_by_one(void **state)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t day = civil_day(1599, 1, 1);
	int weekday = civil_weekday(day);

	(void)state;
	assert_int_equal(civil_day(1970, 1, 1), 0);
	assert_int_equal(civil_weekday(0), 3);
	assert_int_equal(civil_weekday(-4), 6);
	for (int year = 1599; year < 2402; year++)
		for (int month = 1; month <= 12; month++) {
			int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

			for (int d = 1; d <= lengths[month - 1] + (month == 2 && is_leap); d++) {
				assert_int_equal(civil_day(year, month, d), day);
				assert_int_equal(civil_year(day), year);
				assert_int_equal(civil_weekday(day), weekday);
				day++;
				weekday = (weekday + 1) % 7;
			}
		}
	assert_int_equal(civil_day_of(-1), -1);
	assert_int_equal(civil_day_of(-DAY), -1);
	assert_int_equal(civil_day_of(DAY - 1), 0);
	assert_int_equal(civil_day(-1, 12, 31) + 1, civil_day(0, 1, 1));
	assert_int_equal(civil_year(civil_day(-1, 12, 31)), -1);
}

static void test_time_of_day(void **state)
{
	static const struct {
		const char *text;
		int32_t want; /* -1: refused */
	} cases[] = {
		{ "00:00", 0 }, { "01:00", 3600 }, { "23:59", 86340 }, { "23:59:59", 86399 }, { "09:08:07", 32887 },
		{ "24:00", -1 }, { "23:60", -1 }, { "23:59:60", -1 }, { "1:00", -1 }, { "01:0", -1 }, { "01", -1 }, { "", -1 },
		{ "01:00 ", -1 }, { " 01:00", -1 }, { "01:00:", -1 }, { "01:00:0", -1 }, { "0100", -1 }, { "+1:00", -1 }, { "-1:00", -1 },
		{ "01:00pm", -1 }, { "01.00", -1 }, { "99999999999:00", -1 }, { "\xd9\xa1\xd9\xa2:00", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int32_t s = -1;

		assert_int_equal(civil_parse_time_of_day(cases[i].text, &s), cases[i].want >= 0);
		assert_int_equal(s, cases[i].want);
	}
}

static void test_datetime(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
		const char *printed;
	} cases[] = {
		{ "1970-01-01", 0, "Thu 1970-01-01 00:00" },
		{ "2026-11-09 00:00", 1794182400, "Mon 2026-11-09 00:00" },
		{ "2026-11-09", 1794182400, "Mon 2026-11-09 00:00" },
		{ "2026-11-09 23:59:58", 1794268798, "Mon 2026-11-09 23:59:58" },
		{ "2028-02-29", 1835395200, "Tue 2028-02-29 00:00" },
		{ "2000-02-29", 951782400, "Tue 2000-02-29 00:00" },
		{ "9999-12-31 23:59:59", 253402300799, "Fri 9999-12-31 23:59:59" },
		{ "2026-02-30", -1, NULL }, { "2026-02-29", -1, NULL }, { "2100-02-29", -1, NULL }, { "2026-04-31", -1, NULL },
		{ "2026-12-32", -1, NULL }, { "2026-13-01", -1, NULL }, { "2026-00-01", -1, NULL }, { "2026-01-00", -1, NULL },
		{ "1969-12-31", -1, NULL }, { "0000-01-01", -1, NULL }, { "10000-01-01", -1, NULL }, { "26-01-01", -1, NULL },
		{ "2026-1-01", -1, NULL }, { "2026-01-1", -1, NULL }, { "2026/01/01", -1, NULL }, { "01.02.2026", -1, NULL },
		{ "2026-01-01T00:00", -1, NULL }, { "2026-01-01  00:00", -1, NULL }, { "2026-01-01 ", -1, NULL }, { "", -1, NULL },
		{ "2026-01-01 24:00", -1, NULL }, { "2026-01-01 00:00Z", -1, NULL }, { "-2026-01-01", -1, NULL }, { "2026", -1, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t s = -1;

		assert_int_equal(civil_parse_datetime(cases[i].text, &s), cases[i].want >= 0);
		assert_int_equal(s, cases[i].want);
		if (cases[i].printed)
			assert_string_equal(civil_print(s).text, cases[i].printed);
	}
	assert_string_equal(civil_print(-1).text, "Wed 1969-12-31 23:59:59");
}

static void test_weekday(void **state)
{
	static const struct {
		const char *text;
		int want; /* -1: refused */
	} cases[] = {
		{ "Mon", 0 }, { "Tue", 1 }, { "Wed", 2 }, { "Thu", 3 }, { "Fri", 4 }, { "Sat", 5 }, { "Sun", 6 },
		{ "Monday", 0 }, { "Tuesday", 1 }, { "Wednesday", 2 }, { "Thursday", 3 }, { "Friday", 4 }, { "Saturday", 5 }, { "Sunday", 6 },
		{ "", -1 }, { "M", -1 }, { "Mo", -1 }, { "T", -1 }, { "mon", -1 }, { "MON", -1 }, { "Mond", -1 }, { "Mondays", -1 },
		{ "Thurs", -1 }, { " Mon", -1 }, { "Mon ", -1 }, { "Montag", -1 }, { "0", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int day = -1;

		assert_int_equal(civil_parse_weekday(cases[i].text, &day), cases[i].want >= 0);
		assert_int_equal(day, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days_one_by_one),
		cmocka_unit_test(test_time_of_day),
		cmocka_unit_test(test_datetime),
		cmocka_unit_test(test_weekday),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
