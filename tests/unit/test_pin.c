/* Globs, selectors, and that the index finds what a plain walk over all pins would find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "core/pin.h"

static const struct {
	const char *glob, *text;
	bool is_match;
} globs[] = {
	{ "", "", true },           { "", "a", false },         { "*", "", true },        { "*", "anything", true },
	{ "a", "a", true },         { "a", "A", false },        { "a", "ab", false },     { "?", "", false },
	{ "?", "x", true },         { "?", "é", true },         { "??", "é", false },     { "shop-*", "shop-1", true },
	{ "shop-*", "shop", false },{ "*-canary", "a-canary-canary", true },              { "a*b*c", "axxbyybzzc", true },
	{ "a*b*c", "axxbyybzz", false },                        { "**", "x", true },      { "*?", "", false },
	{ "[a]", "a", false },      { "[a]", "[a]", true },     { "\\*", "\\x", true },   { "a*", "b", false },
	{ "*ab", "aab", true },     { "*aab", "aaaab", true },  { "?*?", "é", false },
};

static void test_glob(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++)
		if (glob_match(globs[i].glob, globs[i].text) != globs[i].is_match)
			fail_msg("glob \"%s\" on \"%s\"", globs[i].glob, globs[i].text);
}

/* A glob that makes a backtracking matcher take 2^n steps. */
static void test_glob_is_not_exponential(void **state)
{
	char text[LIMIT_NAME + 1];

	(void)state;
	memset(text, 'a', LIMIT_NAME);
	text[LIMIT_NAME] = '\0';
	assert_false(glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*ab", text));
}

static void test_selector(void **state)
{
	struct selector s = { .glob = { [SELECTOR_NAME] = "shop-*", [SELECTOR_SERIAL_NUMBER] = "sn2*" } };
	struct pin_subject subject = { .attribute = { [SELECTOR_NAME] = "shop-1" }, .serial_numbers = { "sn1", "sn2" } };

	(void)state;
	assert_true(selector_match(&s, &subject));
	subject.serial_numbers[1] = "";
	assert_false(selector_match(&s, &subject));
	s.glob[SELECTOR_SERIAL_NUMBER] = "*";
	assert_true(selector_match(&s, &subject));
	subject.serial_numbers[0] = NULL; /* no device: a serial selector cannot match */
	assert_false(selector_match(&s, &subject));
	s.glob[SELECTOR_SERIAL_NUMBER] = NULL;
	assert_true(selector_match(&s, &subject));
	s.glob[SELECTOR_CITY] = "";
	assert_true(selector_match(&s, &subject)); /* NULL counts as "" */
	s.glob[SELECTOR_CITY] = "?*";
	assert_false(selector_match(&s, &subject));
}

#define N_PINS 3000
static void test_index_is_first_match(void **state)
{
	static struct pin pins[N_PINS];
	static char ids[N_PINS][16];
	struct settings settings = { .pins = pins, .n_pins = N_PINS };
	struct pin_index *index = NULL;

	(void)state;
	for (uint32_t i = 0; i < N_PINS; i++) { /* ids repeat, some only with a name, every 500th is a glob */
		snprintf(ids[i], sizeof(ids[i]), i % 500 == 499 ? "sag-%u*" : "sag-%u", (i * 7919u) % 1000);
		pins[i].match.glob[SELECTOR_ID] = i % 700 == 699 ? NULL : ids[i];
		pins[i].match.glob[SELECTOR_NAME] = i % 3 ? "b*" : "a*";
	}
	assert_int_equal(pin_index_new(&settings, &index), 0);
	for (uint32_t i = 0; i < 1200; i++) {
		char id[16];
		struct pin_subject subject = { .attribute = { [SELECTOR_ID] = id, [SELECTOR_NAME] = i % 2 ? "axe" : i % 5 ? "box" : "cat" } };
		uint32_t expected = 0;

		snprintf(id, sizeof(id), "sag-%u", i);
		while (expected < N_PINS && !selector_match(&pins[expected].match, &subject))
			expected++;
		assert_int_equal(pin_index_find(index, &subject), expected < N_PINS ? expected : PIN_NONE);
	}
	assert_null(pin_index_free(index));
}

static void test_index_without_pins(void **state)
{
	struct settings settings = { .n_pins = 0 };
	struct pin_subject subject = { .attribute = { [SELECTOR_ID] = "sag-1" } };
	struct pin_index *index = NULL;

	(void)state;
	assert_int_equal(pin_index_new(&settings, &index), 0);
	assert_int_equal(pin_index_find(index, &subject), PIN_NONE);
	assert_null(pin_index_free(index));
	assert_null(pin_index_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_glob_is_not_exponential),
		cmocka_unit_test(test_selector),
		cmocka_unit_test(test_index_is_first_match),
		cmocka_unit_test(test_index_without_pins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
