/* The order of versions: a table of pairs, and the laws of an order over all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/model.h"
#include "core/version.h"

/* Each is older than every one below it. */
static const char *const ascending[] = {
	"0",
	"0.9.9",
	"1",
	"2.9.0",
	"v2.10.0-alpha",
	"2.10.0-alpha.1",
	"2.10.0-alpha.beta",
	"2.10.0-rc2",
	"2.10.0-rc10",
	"2.10.0",
	"2.10.0.1",
	"V2.11",
	"3.0.18446744073709551615",
	"3.0.18446744073709551616",
	"3.0.99999999999999999999999999999999999999999999999999999999999",
	"10.0.0",
};
#define N_ASCENDING (sizeof(ascending) / sizeof(ascending[0]))

static const char *const same[][2] = {
	{ "1.2.3", "1.2.3" },   { "1.2", "1.2.0.0" },          { "v1.2", "V1.2" },
	{ "1.02", "1.2" },      { "1.2+build7", "1.2+other" }, { "1.2-rc1+a", "1.2-rc1" },
	{ "", "" },             { "garbage!", "garbage!" },    { "1.2-rc-1", "1.2-rc-1" },
};

static const char *const malformed[] = {
	"", "v", "vv1", "1..2", ".1", "1.", "1.2a", "a.b", "1.2 ", " 1.2", "1.2-", "1.2-rc..1", "1.2-rc_1", "1.2+", "1,2", "-1", "+1", "1.2+b!",
};

static void test_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ASCENDING; i++)
		for (size_t j = 0; j < N_ASCENDING; j++) {
			enum version_order expected = i < j ? VERSION_ORDER_OLDER : i > j ? VERSION_ORDER_NEWER : VERSION_ORDER_SAME;

			if (version_compare(ascending[i], ascending[j]) != expected)
				fail_msg("%s and %s", ascending[i], ascending[j]);
		}
}

static void test_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (version_compare(same[i][0], same[i][1]) != VERSION_ORDER_SAME ||
		    version_compare(same[i][1], same[i][0]) != VERSION_ORDER_SAME)
			fail_msg("%s and %s", same[i][0], same[i][1]);
}

static void test_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		for (size_t j = 0; j < N_ASCENDING; j++)
			if (version_compare(malformed[i], ascending[j]) != VERSION_ORDER_INCOMPARABLE ||
			    version_compare(ascending[j], malformed[i]) != VERSION_ORDER_INCOMPARABLE)
				fail_msg("\"%s\" and %s", malformed[i], ascending[j]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_malformed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
