/* Cleaning of text: a table of sequences, and properties over every short byte string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/utf8.h"

#define R "\xef\xbf\xbd"
#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *text;
	size_t len;
	const char *want;
} cases[] = {
	{ TEXT(""), "" },
	{ TEXT("sag-0ovhf732a9j"), "sag-0ovhf732a9j" },
	{ TEXT("Z\xc3\xbcrich \xe6\x9d\xad\xe5\xb7\x9e \xf0\x9f\x98\x80"), "Z\xc3\xbcrich \xe6\x9d\xad\xe5\xb7\x9e \xf0\x9f\x98\x80" },
	{ TEXT("a\nb\tc\x1b[31m\x7f"), "a b c [31m " },
	{ TEXT("a\0b"), "a b" },
	{ TEXT("\xc2\x80\xc2\x85\xc2\x9f\xc2\xa0"), "   \xc2\xa0" },   /* C1 is control, U+00A0 is not */
	{ TEXT("\xff\xfe\x80\xbf"), R R R R },
	{ TEXT("\xc0\xaf\xc1\xbf"), R R R R },                            /* overlong, two bytes */
	{ TEXT("\xe0\x80\xaf"), R R R },                                  /* overlong, three bytes */
	{ TEXT("\xe0\xa0\x80"), "\xe0\xa0\x80" },                         /* U+0800, the least of three */
	{ TEXT("\xed\x9f\xbf\xed\xa0\x80\xee\x80\x80"), "\xed\x9f\xbf" R R R "\xee\x80\x80" }, /* surrogate */
	{ TEXT("\xf0\x8f\xbf\xbf"), R R R R },                            /* overlong, four bytes */
	{ TEXT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
	{ TEXT("\xf4\x90\x80\x80\xf5\x80\x80\x80"), R R R R R R R R },    /* above U+10FFFF */
	{ TEXT("\xe4\xb8"), R },                                          /* cut: one part, one replacement */
	{ TEXT("\xe4\xb8x\xf0\x9f\x98y"), R "x" R "y" },
	{ TEXT("\xe4\xc3\xbc"), R "\xc3\xbc" },                           /* the next character is not eaten */
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char buf[128];
		size_t n = utf8_clean(cases[i].text, cases[i].len, buf, sizeof(buf));

		assert_string_equal(buf, cases[i].want);
		assert_int_equal(n, strlen(cases[i].want));
		assert_int_equal(utf8_is_clean(cases[i].text, cases[i].len),
				 n == cases[i].len && !memcmp(buf, cases[i].text, n));
	}
}

static void test_cut_at_a_character(void **state)
{
	static const char text[] = "a\xc3\xbc\xe6\x9d\xad\xf0\x9f\x98\x80";
	static const size_t want[] = { 0, 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 }; /* by size of the buffer */

	(void)state;
	for (size_t size = 1; size < sizeof(want) / sizeof(want[0]); size++) {
		char buf[16];

		memset(buf, 'x', sizeof(buf));
		assert_int_equal(utf8_clean(text, sizeof(text) - 1, buf, size), want[size]);
		assert_memory_equal(buf, text, want[size]);
		assert_int_equal(buf[want[size]], '\0');
		assert_int_equal(buf[size], 'x'); /* nothing behind the buffer is touched */
	}
}

/* Every string of four bytes out of those that any rule looks at: clean, idempotent, within the growth told. */
static void test_every_short_string(void **state)
{
	static const unsigned char bytes[] = { 0x00, 0x1f, 0x20, 0x41, 0x7e, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
					       0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1,
					       0xf4, 0xf5, 0xff };
	const size_t n = sizeof(bytes);

	(void)state;
	for (size_t i = 0; i < n * n * n * n; i++) {
		const char text[4] = { (char)bytes[i % n], (char)bytes[i / n % n], (char)bytes[i / n / n % n],
				       (char)bytes[i / n / n / n] };
		char once[4 * UTF8_CLEAN_GROWTH + 1], twice[sizeof(once)];
		size_t len = utf8_clean(text, 4, once, sizeof(once));

		assert_true(utf8_is_clean(once, len));
		assert_int_equal(utf8_clean(once, len, twice, sizeof(twice)), len);
		assert_memory_equal(once, twice, len + 1);
		assert_int_equal(utf8_is_clean(text, 4), len == 4 && !memcmp(text, once, 4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_cut_at_a_character),
		cmocka_unit_test(test_every_short_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
