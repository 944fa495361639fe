/* Windows and freezes: what is refused, what is worth a warning, and what comes out. */
#include "config_test.h"

/* Line 2 is the list, line 3 the policy. */
#define NIGHT "{ name = \"night\"; time_zone = \"Asia/Shanghai\"; days = [ \"Mon\", \"Sunday\" ]; start = \"01:00\"; length = \"4h\"; }"
#define SALES "{ name = \"sales\"; time_zone = \"Asia/Shanghai\"; from = \"2026-11-09\"; to = \"2026-11-12 12:30\"; reason = \"sales peak\"; }"
#define USE_NIGHT "policies = ( { name = \"p\"; windows = [ \"night\" ]; } );\n"
#define USE_SALES "policies = ( { name = \"p\"; windows = [ \"always\" ]; freezes = [ \"sales\" ]; } );\n"
#define WINDOW(inside) ACCOUNT "windows = ( { " inside " } );\n" USE_NIGHT
#define FREEZE(inside) ACCOUNT "freezes = ( { " inside " } );\n" USE_SALES
#define ZONE "time_zone = \"Asia/Shanghai\"; "
#define N63 "n23456789012345678901234567890123456789012345678901234567890abc"

static const struct config_case cases[] = {
	/* windows: each key missing, of a wrong type, out of range */
	ERROR_AT(WINDOW("name = \"night\"; days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\";"), "t.cfg:2: windows[0]: \"time_zone\" is missing"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "start = \"01:00\"; length = \"4h\";"), "t.cfg:2: windows[0]: \"days\" is missing"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; length = \"4h\";"), "t.cfg:2: windows[0]: \"start\" is missing; write a time of day"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\";"), "t.cfg:2: windows[0]: \"length\" is missing"),
	ERROR_AT(ACCOUNT "windows = ( " NIGHT ",\n{ " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\"; } );\n" USE_NIGHT,
		 "t.cfg:3: windows[1]: \"name\" is missing"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = []; start = \"01:00\"; length = \"4h\";"),
		 "t.cfg:2: windows[0] (\"night\"): days is empty, so it never opens"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = \"Mon\"; start = \"01:00\"; length = \"4h\";"), "t.cfg:2: windows[0].days: \"Mon\" cannot be used here"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ 1 ]; start = \"01:00\"; length = \"4h\";"), "t.cfg:2: windows[0].days[0]: 1 cannot be used here"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"mon\" ]; start = \"01:00\"; length = \"4h\";"),
		 "t.cfg:2: windows[0] (\"night\"): days: \"mon\" is no day; write \"Mon\""),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\", \"Tue\", \"Monday\" ]; start = \"01:00\"; length = \"4h\";"),
		 "t.cfg:2: windows[0] (\"night\"): days names \"Monday\" twice"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"24:00\"; length = \"4h\";"),
		 "t.cfg:2: windows[0].start: \"24:00\" cannot be used here; write a time of day from \"00:00\" to \"23:59:59\""),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = 100; length = \"4h\";"), "windows[0].start: 100 cannot be used here"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = 4;"), "windows[0].length: 4 cannot be used here"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"0s\";"), "windows[0].length: \"0s\" is out of range; it goes from 1s to 7d"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"7d1s\";"), "windows[0].length: \"7d1s\" is out of range"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"1h500ms\";"),
		 "t.cfg:2: windows[0] (\"night\"): length 1h500ms is no whole number of seconds"),
	ERROR_AT(WINDOW("name = \"night\"; time_zone = 8; days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\";"), "windows[0].time_zone: 8 cannot be used here"),
	ERROR_AT(WINDOW("name = \"night\"; time_zone = \"Asia/Shangai\"; days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\";"),
		 "t.cfg:2: windows[0] (\"night\"): time zone \"Asia/Shangai\" is not in "),
	ERROR_AT(WINDOW("name = \"night\"; time_zone = \"../../etc/passwd\"; days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\";"),
		 "t.cfg:2: windows[0] (\"night\"): this is no name of a time zone"),
	ERROR_AT(WINDOW("name = \"night\"; time_zone = \"\"; days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\";"),
		 "windows[0].time_zone: \"\" is out of range; it goes from 1 to 64 bytes"),
	ERROR_AT(WINDOW("name = \"night\"; time_zone = \"" N63 "de\"; days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\";"),
		 "it goes from 1 to 64 bytes"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\"; end = \"05:00\";"),
		 "t.cfg:2: windows[0].end: unknown key"),
	ERROR_AT(ACCOUNT "windows = ( " NIGHT ",\n" NIGHT " );\n" USE_NIGHT, "t.cfg:3: windows[1].name: \"night\" is taken by t.cfg:2"),
	ERROR_AT(ACCOUNT "windows = ( " NIGHT ",\n{ name = \"always\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\"; } );\n" USE_NIGHT,
		 "t.cfg:3: windows[1] (\"always\"): \"always\" is built in"),
	ERROR_AT(ACCOUNT "windows = ( " NIGHT ",\n{ name = \"" N63 "d\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\"; } );\n" USE_NIGHT,
		 "is out of range; it goes from 1 to 63 bytes"),
	WARNING_AT(ACCOUNT "windows = ( " NIGHT " );\n" POLICY, "t.cfg:2: windows[0] (\"night\"): no policy uses it"),

	/* freezes */
	ERROR_AT(FREEZE("name = \"sales\"; from = \"2026-11-09\"; to = \"2026-11-12\";"), "t.cfg:2: freezes[0]: \"time_zone\" is missing"),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "to = \"2026-11-12\";"), "t.cfg:2: freezes[0]: \"from\" is missing; write a date that exists"),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2026-11-09\";"), "t.cfg:2: freezes[0]: \"to\" is missing"),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2026-02-29\"; to = \"2026-11-12\";"), "t.cfg:2: freezes[0].from: \"2026-02-29\" cannot be used here"),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2026-02-28\"; to = \"2026-11-12T00:00\";"), "t.cfg:2: freezes[0].to: \"2026-11-12T00:00\" cannot"),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2026-02-28\"; to = 5;"), "t.cfg:2: freezes[0].to: 5 cannot be used here"),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2026-11-12\";\n to = \"2026-11-09\";"),
		 "t.cfg:3: freezes[0] (\"sales\"): ends before it begins: from Thu 2026-11-12 00:00 to Mon 2026-11-09 00:00"),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2026-11-12\"; to = \"2026-11-12\";"), "ends before it begins"),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2026-11-12\"; to = \"1970-01-01\";"), "ends before it begins"),
	ERROR_AT(FREEZE("name = \"sales\"; time_zone = \"Mars/Olympus\"; from = \"2026-11-12\"; to = \"2026-11-13\";"),
		 "t.cfg:2: freezes[0] (\"sales\"): time zone \"Mars/Olympus\" is not in "),
	ERROR_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2026-11-09\"; to = \"2026-11-12\"; reason = \"\";"), "freezes[0].reason: \"\" is out of range; it goes from 1 to 256"),
	ERROR_AT(ACCOUNT "freezes = ( " SALES ",\n" SALES " );\n" USE_SALES, "t.cfg:3: freezes[1].name: \"sales\" is taken by t.cfg:2"),
	WARNING_AT(FREEZE("name = \"sales\"; " ZONE "from = \"2025-11-12\";\n to = \"2026-01-01 08:00\";"),
		   "t.cfg:3: freezes[0] (\"sales\"): is over since Thu 2026-01-01 08:00"),
	WARNING_AT(ACCOUNT "freezes = ( " SALES " );\n" POLICY, "t.cfg:2: freezes[0] (\"sales\"): no policy uses it"),

	/* how policies name them */
	ERROR_AT(ACCOUNT "windows = ( " NIGHT " );\npolicies = ( { name = \"p\"; windows = [ \"nigt\" ]; } );",
		 "t.cfg:3: policies[0] (\"p\"): windows: \"nigt\" names no window of this configuration; did you mean \"night\"?"),
	ERROR_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ \"alway\" ]; } );", "did you mean \"always\"?"),
	ERROR_AT(ACCOUNT "freezes = ( " SALES " );\npolicies = ( { name = \"p\"; windows = [ \"always\" ]; freezes = [ \"sale\" ]; } );",
		 "t.cfg:3: policies[0] (\"p\"): freezes: \"sale\" names no freeze of this configuration; did you mean \"sales\"?"),
	ERROR_AT(ACCOUNT "windows = ( " NIGHT " );\npolicies = ( { name = \"p\"; windows = [ \"night\", \"night\" ]; } );", "windows names \"night\" twice"),
	ERROR_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\", \"always\" ]; } );", "windows names \"always\" twice"),
	ERROR_AT(ACCOUNT "freezes = ( " SALES " );\npolicies = ( { name = \"p\"; windows = [ \"always\" ]; freezes = [ \"sales\", \"sales\" ]; } );",
		 "freezes names \"sales\" twice"),
	ERROR_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\" ]; freezes = \"sales\"; } );", "policies[0].freezes: \"sales\" cannot be used here"),

	/* upgrade_takes */
	ERROR_AT(RULE("upgrade_takes = 15;"), "t.cfg:3: policies[0].upgrade_takes: 15 cannot be used here"),
	ERROR_AT(RULE("upgrade_takes = \"999ms\";"), "policies[0].upgrade_takes: \"999ms\" is out of range; it goes from 1s to 7d"),
	ERROR_AT(RULE("upgrade_takes = \"7d1s\";"), "policies[0].upgrade_takes: \"7d1s\" is out of range"),
	ERROR_AT(ACCOUNT "windows = ( " NIGHT " );\npolicies = ( { name = \"p\"; windows = [ \"always\", \"night\" ]; deadline = \"5h\";\nupgrade_takes = \"4h1s\"; } );",
		 "t.cfg:4: policies[0] (\"p\"): upgrade_takes 4h1s is longer than the window \"night\", which is open for 4h"),
	ERROR_AT(WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"14m59s\";"),
		 "t.cfg:3: policies[0] (\"p\"): upgrade_takes 15m is longer than the window \"night\""),
	WARNING_AT(RULE("upgrade_takes = \"31m\";"), "t.cfg:3: policies[0] (\"p\"): upgrade_takes 31m is longer than the deadline 30m"),
};

static const char *const accepted[] = {
	ACCOUNT "windows = ( " NIGHT " );\n" USE_NIGHT,
	ACCOUNT "freezes = ( " SALES " );\n" USE_SALES,
	WINDOW("name = \"night\"; time_zone = \"UTC\"; days = [ \"Mon\", \"Tue\", \"Wed\", \"Thu\", \"Fri\", \"Sat\", \"Sun\" ]; start = \"23:59:59\"; length = \"7d\";"),
	WINDOW("name = \"night\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"15m\";"),
	ACCOUNT "windows = ( { name = \"" N63 "\"; " ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\"; } );\n"
	"policies = ( { name = \"p\"; windows = [ \"" N63 "\" ]; } );\n",
	/* one second before the end of the freeze in its zone */
	FREEZE("name = \"sales\"; " ZONE "from = \"2025-11-12\"; to = \"2026-01-01 08:00:01\";"),
	FREEZE("name = \"sales\"; " ZONE "from = \"1970-01-01\"; to = \"9999-12-31 23:59:59\";"),
	ACCOUNT "windows = ();\nfreezes = [];\n" POLICY,
	RULE("upgrade_takes = \"30m\";"),
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
	struct config *c = load(ACCOUNT
		"windows = ( " NIGHT ",\n{ name = \"noon\"; time_zone = \"UTC\"; days = [ \"Tue\" ]; start = \"12:30:05\"; length = \"1h\"; } );\n"
		"freezes = ( { name = \"f\"; time_zone = \"UTC\"; from = \"2026-12-24\"; to = \"2026-12-27\"; }, " SALES " );\n"
		"policies = (\n"
		" { name = \"p\"; windows = [ \"always\" ]; },\n"
		" { name = \"q\"; windows = [ \"noon\", \"night\" ]; freezes = [ \"sales\" ]; upgrade_takes = \"20m\"; },\n"
		" { name = \"r\"; windows = [ \"always\", \"night\" ]; },\n"
		" { name = \"s\"; windows = [ \"night\", \"always\" ]; freezes = [ \"f\", \"sales\" ]; } );\n");
	const struct config_policy *q = &c->policies[1], *s = &c->policies[3];

	(void)state;
	assert_int_equal(c->n_windows, 3);
	assert_true(c->windows[0].is_always && !c->windows[1].is_always);
	assert_string_equal(c->windows[0].name, "always");
	assert_string_equal(c->windows[1].name, "night");
	assert_string_equal(c->windows[1].time_zone, "Asia/Shanghai");
	assert_int_equal(c->windows[1].rule.days, 0x41);
	assert_int_equal(c->windows[1].rule.start_s, 3600);
	assert_int_equal(c->windows[1].rule.length_s, 4 * 3600);
	assert_int_equal(tzif_offset(c->windows[1].rule.zone, 0), 8 * 3600);
	assert_int_equal(c->windows[2].rule.start_s, 45005);
	assert_int_equal(tzif_offset(c->windows[2].rule.zone, 0), 0);
	assert_int_equal(c->n_freezes, 2);
	assert_string_equal(c->freezes[0].reason, "");
	assert_string_equal(c->freezes[1].reason, "sales peak");
	assert_string_equal(c->freezes[1].time_zone, "Asia/Shanghai");
	assert_int_equal(calendar_freeze_interval(&c->freezes[1].rule).from_s, 1794153600);
	assert_int_equal(calendar_freeze_interval(&c->freezes[1].rule).to_s, 1794457800);

	/* is_always_open: `always`, and no freezes, whatever else */
	assert_true(c->settings.policies[0].is_always_open && !c->settings.policies[1].is_always_open);
	assert_true(c->settings.policies[2].is_always_open && !c->settings.policies[3].is_always_open);
	assert_int_equal(c->settings.policies[0].upgrade_takes_ns, 900 * NS_PER_S);
	assert_int_equal(c->settings.policies[1].upgrade_takes_ns, 1200 * NS_PER_S);
	assert_int_equal(q->n_windows, 2);
	assert_true(q->windows[0] == 2 && q->windows[1] == 1 && q->n_freezes == 1 && q->freezes[0] == 1);
	assert_true(!q->calendar.is_always && q->calendar.n_windows == 2 && q->calendar.n_freezes == 1);
	assert_int_equal(q->calendar.windows[0].start_s, 45005);
	assert_int_equal(q->calendar.freezes[0].to_civil_s, 1794457800 + 8 * 3600);
	assert_true(s->calendar.is_always && s->calendar.n_windows == 1 && s->calendar.n_freezes == 2);
	assert_true(s->n_windows == 2 && s->windows[0] == 1 && s->windows[1] == 0);
	assert_null(config_free(c));
}

/* 64 windows and 256 freezes in one policy, and one more. */
static void check_names_of_policy(const char *key, const char *list, const char *item, const char *always, int n, const char *want)
{
	static char text[200000];
	size_t at = (size_t)snprintf(text, sizeof(text), ACCOUNT "%s = ( ", list);
	struct config_messages messages;
	struct config *config = NULL;
	int r;

	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s{ name = \"x%d\"; %s }", i ? ", " : "", i, item);
	at += (size_t)snprintf(text + at, sizeof(text) - at, " );\npolicies = ( { name = \"p\"; %s %s = [ ", always, key);
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\"x%d\"", i ? ", " : "", i);
	snprintf(text + at, sizeof(text) - at, " ]; } );");
	r = config_from_text("t.cfg", text, strlen(text), &config, &messages);
	if (want ? !has_message(&messages, CONFIG_ERROR, want) : messages.n)
		show_messages(&messages);
	assert_int_equal(r, want ? CONFIG_E_INVALID : 0);
	assert_int_equal(messages.n, want ? 1 : 0);
	assert_true(!want || has_message(&messages, CONFIG_ERROR, want));
	config_messages_deinit(&messages);
	config_free(config);
}

static void test_limits(void **state)
{
	static const char window[] = ZONE "days = [ \"Mon\" ]; start = \"01:00\"; length = \"4h\";";
	static const char freeze[] = ZONE "from = \"2026-11-09\"; to = \"2026-11-12\";";

	(void)state;
	check_names_of_policy("windows", "windows", window, "", CONFIG_POLICY_WINDOWS_MAX, NULL);
	check_names_of_policy("windows", "windows", window, "", CONFIG_POLICY_WINDOWS_MAX + 1, "windows has 65 names; at most 64 are allowed");
	check_names_of_policy("freezes", "freezes", freeze, "windows = [ \"always\" ];", CONFIG_POLICY_FREEZES_MAX, NULL);
	check_names_of_policy("freezes", "freezes", freeze, "windows = [ \"always\" ];", CONFIG_POLICY_FREEZES_MAX + 1,
			      "freezes has 257 names; at most 256 are allowed");
}

/* Without tzdata the zone is what is wrong, and the message says what to install. */
static void test_no_tzdata(void **state)
{
	struct config_messages messages;
	struct config *config = NULL;
	static const char text[] = ACCOUNT "windows = ( " NIGHT " );\n" USE_NIGHT;

	(void)state;
	assert_int_equal(setenv("TZDIR", "/does/not/exist", 1), 0);
	assert_int_equal(config_from_text("t.cfg", text, strlen(text), &config, &messages), CONFIG_E_INVALID);
	assert_true(has_message(&messages, CONFIG_ERROR, "t.cfg:2: windows[0] (\"night\"): time zone \"Asia/Shanghai\": there is no /does/not/exist; install"));
	config_messages_deinit(&messages);
	assert_int_equal(unsetenv("TZDIR"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_no_tzdata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
