/* The small parts: durations, rates, shares, globs, near words. */
#include "config_test.h"

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ns; /* -1: none */
	} cases[] = {
		{ "90s", 90 * NS_PER_S }, { "15m", 900 * NS_PER_S }, { "1h30m", 5400 * NS_PER_S }, { "7d", 7 * 86400 * NS_PER_S },
		{ "500ms", 500 * NS_PER_MS }, { "1d2h3m4s5ms", 93784005 * NS_PER_MS }, { "0s", 0 }, { "1m0s", 60 * NS_PER_S },
		{ "007s", 7 * NS_PER_S }, { "1s500ms", 1500 * NS_PER_MS }, { "106751d", INT64_C(106751) * 86400 * NS_PER_S },
		{ "", -1 }, { "5", -1 }, { "s", -1 }, { "5x", -1 }, { "1.5h", -1 }, { "-5s", -1 }, { "+5s", -1 }, { " 5s", -1 }, { "5s ", -1 },
		{ "5 s", -1 }, { "30m1h", -1 }, { "1s1s", -1 }, { "5ss", -1 }, { "5md", -1 }, { "5S", -1 }, { "1h30", -1 }, { "1ms5s", -1 },
		{ "106752d", -1 }, { "9223372036854775808s", -1 }, { "99999999999999999999ms", -1 }, { "106751d24h", -1 }, { "5us", -1 },
		{ "5d\xc2\xa0", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ns = -1;

		print_message("%s\n", cases[i].text);
		assert_int_equal(units_duration(cases[i].text, &ns), cases[i].ns >= 0);
		assert_true(ns == cases[i].ns); /* written on success only */
	}
	assert_string_equal(units_print_duration(93784005 * NS_PER_MS).text, "1d2h3m4s5ms");
	assert_string_equal(units_print_duration(0).text, "0s");
	assert_string_equal(units_print_duration(INT64_MAX).text, "106751d23h47m16s854ms");
}

static void test_decimals(void **state)
{
	static const struct {
		const char *text;
		double value; /* -1: none */
	} cases[] = {
		{ "10", 10 }, { "0.5", 0.5 }, { "10.0", 10 }, { "0", 0 }, { "123456789012345", 123456789012345 }, { "0.1", 0.1 },
		{ "", -1 }, { ".5", -1 }, { "5.", -1 }, { "1,5", -1 }, { "1e3", -1 }, { "-1", -1 }, { "+1", -1 }, { "nan", -1 }, { "inf", -1 },
		{ "0x1", -1 }, { " 1", -1 }, { "1 ", -1 }, { "1.2.3", -1 }, { "1234567890123456", -1 }, { "0.1234567890123456", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double value = -1;

		print_message("%s\n", cases[i].text);
		assert_int_equal(units_decimal(cases[i].text, &value), cases[i].value >= 0);
		assert_true(value == cases[i].value);
	}
}

static void test_shares(void **state)
{
	static const struct {
		const char *text;
		double share; /* -1: none */
	} cases[] = {
		{ "5%", 0.05 }, { "100%", 1 }, { "0.5%", 0.005 }, { "100.0%", 1 }, { "0%", 0 }, { "0.0%", 0 },
		{ "101%", -1 }, { "100.1%", -1 }, { "%", -1 }, { "5", -1 }, { "", -1 }, { "5 %", -1 }, { "-5%", -1 }, { "5%%", -1 },
		{ "0.00000000000000000000000001%", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double share = -1;

		print_message("%s\n", cases[i].text);
		assert_int_equal(units_share(cases[i].text, &share), cases[i].share >= 0);
		assert_true(share == cases[i].share);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		double value;
		bool is_good;
	} cases[] = {
		{ "10", 10, true }, { "-0.5", -0.5, true }, { "0", 0, true }, { "-0", 0, true },
		{ "--1", 7, false }, { "-", 7, false }, { "", 7, false }, { "+1", 7, false }, { "1e3", 7, false }, { "nan", 7, false }, { "- 1", 7, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double value = 7;

		print_message("%s\n", cases[i].text);
		assert_int_equal(units_number(cases[i].text, &value), cases[i].is_good);
		assert_true(value == cases[i].value);
	}
}

static void test_excluding_globs(void **state)
{
	static const struct {
		const char *a, *b;
		bool is_excluded;
	} cases[] = {
		{ "*", "*", false }, { "a", "a", false }, { "a", "b", true }, { "a*", "b*", true }, { "a*", "ab*", false }, { "a*", "*a", false },
		{ "*-canary", "shop-*", false }, { "*-canary", "*-shop", true }, { "*-canary", "*y", false }, { "shop-1", "lab-*", true },
		{ "shop-1", "*-1", false }, { "shop-?", "shop-12", true }, { "?hop", "shop", false }, { "?hop", "shot", true }, { "*x*", "y", true },
		{ "a?", "a*b", false }, { "?", "?", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s %s\n", cases[i].a, cases[i].b);
		assert_int_equal(glob_excludes(cases[i].a, cases[i].b), cases[i].is_excluded);
		assert_int_equal(glob_excludes(cases[i].b, cases[i].a), cases[i].is_excluded);
	}
}

static void test_globs(void **state)
{
	static const struct {
		const char *wide, *narrow;
		bool is_covered;
	} cases[] = {
		{ "*", "", true }, { "", "", true }, { "", "a", false }, { "a", "", false }, { "?", "", false }, { "**", "", true },
		{ "abc", "abc", true }, { "abc", "abd", false }, { "a?c", "abc", true }, { "a?c", "ac", false }, { "a*c", "abbc", true },
		{ "a*c", "ac", true }, { "a*c", "acb", false }, { "*a*b", "xxaxxbaxb", true }, { "?", "\xc3\xa4", true }, { "??", "\xc3\xa4", false },
		{ "?x", "\xe6\x9d\xadx", true },
		/* among globs */
		{ "*", "shop-*", true }, { "shop-*", "*", false }, { "shop-*", "shop-b*", true }, { "shop-b*", "shop-*", false },
		{ "shop-*", "shop-?", true }, { "shop-?", "shop-*", false }, { "shop-?", "shop-?", true }, { "a", "?", false }, { "?", "a", true },
		{ "?", "*", false }, { "*?", "?*", false }, { "a*", "a*c", true }, { "a*c", "a*bc", true }, { "a*c", "a*", false }, { "*", "**", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s %s\n", cases[i].wide, cases[i].narrow);
		assert_int_equal(glob_covers(cases[i].wide, cases[i].narrow), cases[i].is_covered);
	}
}

/* A straightforward recursive matcher of plain texts, to compare with. */
static bool matches(const char *glob, const char *text)
{
	if (!*glob)
		return !*text;
	if (*glob == '*')
		return matches(glob + 1, text) || (*text && matches(glob, text + 1));
	return *text && (*glob == '?' || *glob == *text) && matches(glob + 1, text + 1);
}

static void every_text(const char *letters, size_t len_max, void (*visit)(const char *text, const void *context), const void *context)
{
	size_t n = strlen(letters), total = 1;
	char text[16] = "";

	for (size_t len = 0; len <= len_max; len++, total *= n) {
		for (size_t number = 0; number < total; number++) {
			size_t rest = number;

			for (size_t i = 0; i < len; i++, rest /= n)
				text[i] = letters[rest % n];
			text[len] = '\0';
			visit(text, context);
		}
	}
}

struct pair {
	const char *wide, *narrow;
	bool is_covered, is_excluded;
};

static void check_text(const char *text, const void *context)
{
	const struct pair *pair = context;

	assert_int_equal(glob_covers(pair->wide, text), matches(pair->wide, text));
	if (pair->is_covered && matches(pair->narrow, text))
		assert_true(matches(pair->wide, text));
	if (pair->is_excluded)
		assert_false(matches(pair->narrow, text) && matches(pair->wide, text));
}

static void with_narrow(const char *narrow, const void *context)
{
	const struct pair pair = { context, narrow, glob_covers(context, narrow), glob_excludes(context, narrow) };

	every_text("ab", 5, check_text, &pair);
}

static void with_wide(const char *wide, const void *context)
{
	(void)context;
	every_text("ab*?", 3, with_narrow, wide);
}

/* For all short globs: it is the plain match on plain texts, and never claims more than what holds. */
static void test_all_short_globs(void **state)
{
	(void)state;
	every_text("ab*?", 4, with_wide, NULL);
}

static void test_glob_time(void **state)
{
	char wide[LIMIT_NAME + 1], narrow[LIMIT_NAME + 1];

	(void)state;
	for (size_t i = 0; i < LIMIT_NAME; i++) {
		wide[i] = i % 2 ? 'a' : '*';
		narrow[i] = 'a';
	}
	wide[LIMIT_NAME - 1] = 'b';
	wide[LIMIT_NAME] = narrow[LIMIT_NAME] = '\0';
	assert_false(glob_covers(wide, narrow)); /* exponential for a naive matcher */
}

static void test_near_words(void **state)
{
	static const char *const words[] = { "deadline", "retry", "name", "id" };
	static const struct {
		const char *text, *nearest;
	} cases[] = {
		{ "deadlin", "deadline" }, { "dedlin", "deadline" }, { "retr", "retry" }, { "nane", "name" }, { "rretyr", NULL }, { "x", NULL },
		{ "ip", NULL }, { "", NULL }, { "something", NULL },
		{ "deadlinedeadlinedeadlinedeadlinedeadlinedeadlinedeadlinedeadlinedeadline", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *nearest = words_nearest(cases[i].text, words, 4);

		print_message("%s\n", cases[i].text);
		if (cases[i].nearest)
			assert_string_equal(nearest, cases[i].nearest);
		else
			assert_null(nearest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_decimals),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_excluding_globs),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_all_short_globs),
		cmocka_unit_test(test_glob_time),
		cmocka_unit_test(test_near_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
