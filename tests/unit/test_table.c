/* Tables at several widths: what stays, what is cut, what is left out. */
#include "plan/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct table_column columns[] = {
	{ "IN", 8, 0, false }, { "AT", 23, 5, false }, { "INSTANCE", 12, 0, false }, { "SERIAL", 10, 9, false },
	{ "VERSION", 13, 0, false }, { "POLICY", 6, 7, false }, { "EMPTY", 6, 0, false }, { "WHY", 13, 6, true },
};
#define N (sizeof(columns) / sizeof(columns[0]))
static const char *const cells[] = {
	"now", "2026-11-23 02:50 +08:00", "sag-bp1longinstanceid00001", "sage0123456789", "3.3.0 \xe2\x86\x92 3.4.2", "branches", "", "max_in_flight",
	"in 3h12m", "2026-11-23 06:02 +08:00", "sag-\xe4\xb8\x8a\xe6\xb5\xb7", "s", "3.4.0 \xe2\x86\x92 3.4.2", "\xe5\x88\x86\xe6\x94\xaf", "", "rate",
};
static const struct table table = { columns, N, cells, NULL, 2 };

static char *printed(const struct table *t, size_t width, bool is_styled)
{
	static char *text;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	table_print(t, width, is_styled, out);
	fclose(out);
	return text;
}

static void test_text_width(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("\xe4\xb8\x8a\xe6\xb5\xb7"), 4); /* two wide ones */
	assert_int_equal(text_width("e\xcc\x81"), 1);                /* a mark on top */
	assert_int_equal(text_width("\xe2\x86\x92"), 1);
	assert_int_equal(text_width("\xff\xc3"), 2); /* no UTF-8 */
}

static void test_no_line_is_wider(void **state)
{
	(void)state;
	for (size_t width = 20; width <= 200; width++) {
		char *text = printed(&table, width, false), *rest = text, *line;

		while ((line = strsep(&rest, "\n")))
			if (text_width(line) > width)
				fail_msg("at %zu: %zu: %s", width, text_width(line), line);
		free(text);
	}
}

static void test_narrow(void **state)
{
	char *text = printed(&table, 40, false);

	(void)state;
	assert_string_equal(text, "IN        INSTANCE         VERSION\n"
				  "now       sag-bp1longins\xe2\x80\xa6  3.3.0 \xe2\x86\x92 3.4.2\n"
				  "in 3h12m  sag-\xe4\xb8\x8a\xe6\xb5\xb7         3.4.0 \xe2\x86\x92 3.4.2\n");
	free(text);
}

static void test_usual(void **state)
{
	char *text = printed(&table, 80, false);

	(void)state;
	assert_string_equal(text, "IN        AT                       INSTANCE         VERSION                  WHY\n"
				  "now       2026-11-23 02:50 +08:00  sag-bp1longins\xe2\x80\xa6  3.3.0 \xe2\x86\x92 3.4.2  max_in_flight\n"
				  "in 3h12m  2026-11-23 06:02 +08:00  sag-\xe4\xb8\x8a\xe6\xb5\xb7         3.4.0 \xe2\x86\x92 3.4.2           rate\n");
	free(text);
}

/* All that has content, as wide as it is. */
static void test_wide(void **state)
{
	size_t widths[TABLE_COLUMNS_MAX];
	static const size_t wanted[N] = { 8, 23, 26, 14, 13, 8, 0, 13 };
	char *text = printed(&table, 200, false);

	(void)state;
	table_layout(&table, 200, widths);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(widths[i], wanted[i]);
	assert_non_null(strstr(text, "sag-bp1longinstanceid00001  sage0123456789  3.3.0"));
	assert_null(strstr(text, "EMPTY"));
	free(text);
}

static void test_narrower_than_all(void **state)
{
	char *text = printed(&table, 3, false), *rest = text, *line;

	(void)state;
	while ((line = strsep(&rest, "\n")))
		assert_true(text_width(line) <= TABLE_WIDTH_MIN);
	free(text);
}

static void test_styles(void **state)
{
	static const char *const styles[] = { "\033[31m", NULL };
	struct table styled = table;
	char *text;

	(void)state;
	styled.styles = styles;
	text = printed(&styled, 80, true);
	assert_true(strncmp(text, "\033[1mIN", 6) == 0);
	assert_non_null(strstr(text, "\n\033[31mnow"));
	assert_non_null(strstr(text, "\nin 3h12m"));
	free(text);
	text = printed(&styled, 80, false);
	assert_null(strchr(text, '\033'));
	free(text);
}

static void test_no_rows(void **state)
{
	struct table none = table;
	char *text;

	(void)state;
	none.n_rows = 0;
	text = printed(&none, 80, false);
	assert_string_equal(text, "\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_width), cmocka_unit_test(test_no_line_is_wider), cmocka_unit_test(test_narrow), cmocka_unit_test(test_usual),
		cmocka_unit_test(test_wide), cmocka_unit_test(test_narrower_than_all), cmocka_unit_test(test_styles), cmocka_unit_test(test_no_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
