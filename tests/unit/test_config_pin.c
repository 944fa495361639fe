/* Versions of pins: exact ones, channels, hops, and those that must not be reached. */
#include "config_test.h"

#define VERSIONS(inside) BASE PIN("match: { id = \"*\"; }; policy = \"p\"; " inside)

static const struct config_case cases[] = {
	/* channels */
	ERROR_AT(VERSIONS("device = \"@stable\";"), "t.cfg:3: pins[0] (\"x\"): device = \"@stable\" is unknown; write \"@release\", \"@beta\" or a version"),
	ERROR_AT(VERSIONS("dpi = \"@\";"), "t.cfg:3: pins[0] (\"x\"): dpi = \"@\" is unknown"),
	ERROR_AT(VERSIONS("device = \"@Release\";"), "device = \"@Release\" is unknown"),
	ERROR_AT(VERSIONS("device = 3;"), "pins[0].device: 3 cannot be used here"),
	/* via */
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = \"3.1.0\";"), "t.cfg:3: pins[0].via: \"3.1.0\" cannot be used here; write texts in square brackets"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ 3 ];"), "pins[0].via[0]: 3 cannot be used here"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ \"\" ];"), "pins[0].via[0]: \"\" is out of range; it goes from 1 to 64 bytes"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ \"three\" ];"), "pins[0] (\"x\"): via \"three\" is no version that can be compared"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ \"@release\" ];"), "pins[0] (\"x\"): via \"@release\" is no version that can be compared"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ \"3.3.0\",\n\"3.1.0\" ];"),
		 "t.cfg:4: pins[0] (\"x\"): via names \"3.1.0\" behind \"3.3.0\"; each must be newer than the one before it"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ \"3.1.0\", \"3.1\" ];"), "via names \"3.1\" behind \"3.1.0\""),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ \"3.1.0\",\n\"3.4.2\" ];"), "t.cfg:4: pins[0] (\"x\"): via names \"3.4.2\", which is not older than device = \"3.4.2\""),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ \"3.10\" ];"), "via names \"3.10\", which is not older than device = \"3.4.2\""),
	ERROR_AT(VERSIONS("device = \"@release\"; via = [ \"3.3.0\", \"3.1.0\" ];"), "via names \"3.1.0\" behind \"3.3.0\""),
	ERROR_AT(VERSIONS("dpi = \"3.4.2\"; via = [ \"3.1.0\" ];"), "t.cfg:3: pins[0] (\"x\"): via needs device"),
	/* never */
	ERROR_AT(VERSIONS("device = \"3.4.2\"; never = true;"), "pins[0].never: true cannot be used here"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; never = [ \"3.3.7\",\n\"3.4.2\" ];"), "t.cfg:4: pins[0] (\"x\"): never names \"3.4.2\", which device pins"),
	ERROR_AT(VERSIONS("device = \"3.4\"; never = [ \"v3.4.0\" ];"), "never names \"v3.4.0\", which device pins"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; dpi = \"1.5\"; never = [ \"1.5\" ];"), "never names \"1.5\", which dpi pins"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; via = [ \"3.1\" ]; never = [ \"3.1.0\" ];"), "never names \"3.1.0\", which via leads through"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; never = [ \"@beta\" ];"), "never \"@beta\" is no version"),
	ERROR_AT(VERSIONS("device = \"@beta\"; never = [ \"@beta\" ];"), "never \"@beta\" is no version"),
	ERROR_AT(VERSIONS("device = \"3.4.2\"; never = [ \"3.3\", \"3.3\" ];"), "never names \"3.3\" twice"),
};

static const char *const accepted[] = {
	VERSIONS("device = \"@release\"; dpi = \"@beta\";"),
	VERSIONS("device = \"3.4.2\"; via = [];"), VERSIONS("device = \"3.4.2\"; via = ( \"3.1\" );"),
	VERSIONS("device = \"3.4.2\"; via = [ \"3.1\", \"3.4.2-rc1\" ]; never = [ \"3.1.1\", \"odd one\" ];"),
	VERSIONS("device = \"@release\"; via = [ \"3.1\" ]; never = [ \"3.3.7\" ];"),
	VERSIONS("dpi = \"@release\"; never = [ \"1.1\" ];"),
};

static void test_refused(void **state)
{
	(void)state;
	check_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_accepted(void **state)
{
	(void)state;
	check_accepted(accepted, sizeof(accepted) / sizeof(accepted[0]));
}

static void test_values(void **state)
{
	struct config *c = load(VERSIONS("device = \"3.4.2\"; dpi = \"@release\"; via = [ \"3.1\", \"3.2\" ]; never = [ \"3.3\" ];"));
	const struct pin *p = &c->settings.pins[0];

	(void)state;
	assert_int_equal(p->channel[VERSION_TYPE_DEVICE], CHANNEL_NONE);
	assert_int_equal(p->channel[VERSION_TYPE_DPI], CHANNEL_RELEASE);
	assert_string_equal(p->version[VERSION_TYPE_DPI], "@release");
	assert_int_equal(p->policy[VERSION_TYPE_DPI], 0);
	assert_int_equal(p->n_via, 2);
	assert_string_equal(p->via[0], "3.1");
	assert_string_equal(p->via[1], "3.2");
	assert_int_equal(p->n_never, 1);
	assert_string_equal(p->never[0], "3.3");
	config_free(c);
	c = load(VERSIONS("device = \"@beta\";"));
	assert_int_equal(c->settings.pins[0].channel[VERSION_TYPE_DEVICE], CHANNEL_BETA);
	assert_int_equal(c->settings.pins[0].n_via, 0);
	config_free(c);
}

static void check_versions(const char *key, int n, const char *want)
{
	char text[4000] = BASE;
	struct config_messages messages;
	struct config *config = NULL;
	int r;

	sprintf(text + strlen(text), "pins = ( { name = \"x\"; " "match: { id = \"*\"; }; policy = \"p\"; device = \"3.4.2\"; %s = [ ", key);
	for (int i = 0; i < n; i++)
		sprintf(text + strlen(text), "%s\"1.%d\"", i ? ", " : "", i);
	strcat(text, " ]; } );");
	r = config_from_text("t.cfg", text, strlen(text), &config, &messages);
	assert_int_equal(r, want ? CONFIG_E_INVALID : 0);
	assert_true(want ? has_message(&messages, CONFIG_ERROR, want) && messages.n == 1 : messages.n == 0);
	config_messages_deinit(&messages);
	config_free(config);
}

static void test_limits(void **state)
{
	(void)state;
	check_versions("via", LIMIT_VIA, NULL);
	check_versions("via", LIMIT_VIA + 1, "t.cfg:3: pins[0] (\"x\"): via has 17 versions; at most 16 are allowed");
	check_versions("never", LIMIT_NEVER, NULL);
	check_versions("never", LIMIT_NEVER + 1, "t.cfg:3: pins[0] (\"x\"): never has 65 versions; at most 64 are allowed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
