/* Without memory: whichever of our allocations fails, the answer is -ENOMEM, and nothing leaks or crashes. */
#include "config_test.h"

#include <errno.h>

/* The linker sends the allocations of config/ here (--wrap); those of the libraries stay as they are. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned int countdown; /* 0: never */

static bool is_failing(void)
{
	return countdown && !--countdown;
}

void *__wrap_malloc(size_t size)
{
	return is_failing() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return is_failing() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return is_failing() ? NULL : __real_realloc(p, size);
}

static void fail_each(const char *text, int wanted)
{
	struct config_messages messages;
	unsigned int n = 0;
	int r;

	do {
		struct config *config = NULL;

		countdown = ++n;
		r = config_from_text("t.cfg", text, strlen(text), &config, &messages);
		assert_int_equal(config != NULL, r == 0);
		config_messages_deinit(&messages);
		config_free(config);
		if (!countdown)
			assert_int_equal(r, -ENOMEM);
		assert_true(n < 1000);
	} while (!countdown);
	countdown = 0;
	assert_int_equal(r, wanted);
	assert_true(n > 5);
}

static void test_good(void **state)
{
	(void)state;
	fail_each(BASE PIN("match: { id = \"*\"; }; device = \"1.0\"; policy = \"p\";"), 0);
}

static void test_every_list(void **state)
{
	(void)state;
	fail_each(ACCOUNT "windows = ( { name = \"w\"; time_zone = \"UTC\"; days = [ \"Mon\" ]; start = \"01:00\"; length = \"1h\"; } );\n"
		  "freezes = ( { name = \"f\"; time_zone = \"Asia/Shanghai\"; from = \"2026-11-09\"; to = \"2026-11-12\"; } );\n"
		  "policies = ( { name = \"p\"; windows = [ \"w\" ]; freezes = [ \"f\" ]; site_by = \"name:^(a)\"; waves = ( { name = \"a\"; percent = \"1%\"; } );\n"
		  "halt: { by_reason = ( { reason = \"deadline\"; failures = 1; } ); };\n"
		  "gate: { prometheus = \"http://p/q\"; query = \"up\"; open_when = \"empty\"; }; } );\n"
		  PIN("match: { id = \"*\"; }; device = \"2.0\"; policy = \"p\"; via = [ \"1.0\" ]; never = [ \"1.5\" ];"), 0);
}

static void test_with_warnings(void **state)
{
	(void)state;
	fail_each(ACCOUNT "policies = ( { name = \"p\"; } );", 0);
}

static void test_with_errors(void **state)
{
	(void)state;
	fail_each(BASE PIN("match: { id = \"*\"; }; device = \"1.0\"; policy = \"q\";") "x = 5;", CONFIG_E_INVALID);
}

/* The arena's second chunk and later ones fail, too. */
static void test_large(void **state)
{
	static char text[300000];
	char *p = stpcpy(text, BASE "pins = ( ");

	(void)state;
	for (int i = 0; i < 2000; i++)
		p += sprintf(p, "%s{ name = \"n%d\"; match: { id = \"i%d\"; }; device = \"1\"; policy = \"p\"; }", i ? "," : "", i, i);
	strcpy(p, ");");
	fail_each(text, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_every_list),
		cmocka_unit_test(test_with_warnings),
		cmocka_unit_test(test_with_errors),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
