/* Sites, waves, halts, gates, the cloud's own upgrader: what is refused, what is worth a warning, and what comes out. */
#include "config_test.h"

#define WAVES(inside) RULE("waves = ( " inside " );")
#define HALT(inside) RULE("halt: { " inside " };")
#define GATE(inside) RULE("gate: { " inside " };")
#define SERVER "prometheus = \"http://127.0.0.1:9090\"; "
#define WHO(glob) "match: { name = \"" glob "\"; };"
#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define PINNED(match) "pins = ( { name = \"x\"; match: { " match " }; device = \"1.0\"; policy = \"p\"; } );"

static const struct config_case cases[] = {
	/* sites */
	ERROR_AT(RULE("site_by = 5;"), "t.cfg:3: policies[0].site_by: 5 cannot be used here"),
	ERROR_AT(RULE("site_by = \"\";"), "policies[0].site_by: \"\" is out of range; it goes from 1 to 133 bytes"),
	ERROR_AT(RULE("site_by = \"region\";"), "t.cfg:3: policies[0] (\"p\"): site_by \"region\" is unknown; write \"instance\", \"city\""),
	ERROR_AT(RULE("site_by = \"name\";"), "site_by \"name\" is unknown"),
	ERROR_AT(RULE("site_by = \"name:^shop\";"), "t.cfg:3: policies[0] (\"p\"): site_by: the expression has no group"),
	ERROR_AT(RULE("site_by = \"name:\";"), "site_by: the expression has no group"),
	ERROR_AT(RULE("site_by = \"name:^(shop\";"), "site_by: the expression cannot be used: Unmatched ("),
	ERROR_AT(RULE("site_by = \"name:([b-a])\";"), "site_by: the expression cannot be used: Invalid range end"),
	ERROR_AT(RULE("site_by = \"name:(a)\\\\1\";"), "site_by: the expression has a back-reference"),
	ERROR_AT(RULE("site_by = \"name:(a{3})\";"), "site_by: the expression has a \"{\""),
	ERROR_AT(RULE("site_by = \"name:(a+)+b+c+d+e+f+g+h+\";"), "site_by: the expression has more than 8 times a \"+\""),
	ERROR_AT(RULE("site_by = \"name:(" X32 X32 X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" ")\";"), "policies[0].site_by: \"name:(xxx"),
	ERROR_AT(RULE("max_in_flight_per_site = 0;"), "policies[0].max_in_flight_per_site: 0 is out of range; it goes from 1 to 100000"),
	ERROR_AT(RULE("max_in_flight_per_site = 100001;"), "policies[0].max_in_flight_per_site: 100001 is out of range"),
	ERROR_AT(RULE("max_in_flight_per_site = \"5%\";"), "policies[0].max_in_flight_per_site: \"5%\" cannot be used here"),

	/* waves */
	ERROR_AT(RULE("waves = { name = \"a\"; };"), "t.cfg:3: policies[0].waves: the value cannot be used here; write a list of groups"),
	ERROR_AT(RULE("waves = ( 5 );"), "t.cfg:3: policies[0].waves[0]: 5 cannot be used here"),
	ERROR_AT(WAVES("{ percent = \"10%\"; }"), "t.cfg:3: policies[0].waves[0]: \"name\" is missing"),
	ERROR_AT(WAVES("{ name = \"\"; percent = \"10%\"; }"), "policies[0].waves[0].name: \"\" is out of range; it goes from 1 to 63 bytes"),
	ERROR_AT(WAVES("{ name = \"a\"; }"), "t.cfg:3: policies[0] (\"p\"): waves[0] (\"a\") has neither match nor percent"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"10%\"; " WHO("b") " }"), "t.cfg:3: policies[0] (\"p\"): waves[0] (\"a\") has both match and percent"),
	ERROR_AT(WAVES("{ name = \"a\"; match: { }; }"), "t.cfg:3: policies[0] (\"p\"): waves[0] (\"a\"): \"match\" is empty"),
	ERROR_AT(WAVES("{ name = \"a\"; match: { nam = \"x\"; name = \"y\"; }; }"), "policies[0].waves[0].match.nam: unknown key; did you mean \"name\"?"),
	ERROR_AT(WAVES("{ name = \"a\"; match: { name = 5; }; }"), "policies[0].waves[0].match.name: 5 cannot be used here"),
	ERROR_AT(WAVES("{ name = \"last\"; percent = \"10%\"; }"), "waves[0]: the name \"last\" is that of the wave of what is left"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"10%\"; },\n{ name = \"a\"; percent = \"20%\"; }"),
		 "t.cfg:4: policies[0] (\"p\"): waves[1]: the name \"a\" is taken by waves[0]"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"10%\"; },\n{ name = \"b\"; " WHO("x") " },\n{ name = \"c\"; percent = \"10%\"; }"),
		 "t.cfg:5: policies[0] (\"p\"): waves[2] (\"c\"): percent 10% is not above the 10% of the wave before"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"10%\"; }, { name = \"b\"; percent = \"9.5%\"; }"), "waves[1] (\"b\"): percent 9.5% is not above the 10%"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"101%\"; }"), "policies[0].waves[0].percent: \"101%\" cannot be used here; write a share of at most 100 %"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"0%\"; }"), "policies[0].waves[0].percent: \"0%\" is out of range; it goes from \"0.1%\" to \"100%\""),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"0.09%\"; }"), "policies[0].waves[0].percent: \"0.09%\" is out of range"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = 10; }"), "policies[0].waves[0].percent: 10 cannot be used here"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"1%\"; success = \"0%\"; }"), "policies[0].waves[0].success: \"0%\" is out of range"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"1%\"; success = \"101%\"; }"), "policies[0].waves[0].success: \"101%\" cannot be used here"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"1%\"; soak = \"30d1s\"; }"), "policies[0].waves[0].soak: \"30d1s\" is out of range; it goes from 0s to 30d"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"1%\"; soak = 5; }"), "policies[0].waves[0].soak: 5 cannot be used here"),
	ERROR_AT(WAVES("{ name = \"a\"; percent = \"1%\"; pause = \"5s\"; }"), "policies[0].waves[0].pause: unknown key"),
	WARNING_AT(WAVES("{ name = \"a\"; percent = \"100%\"; },\n{ name = \"b\"; " WHO("x") " }"),
		   "t.cfg:4: policies[0] (\"p\"): waves[1] (\"b\") catches nothing: a wave before it has 100% of all"),
	WARNING_AT(WAVES("{ name = \"a\"; " WHO("*-canry") " }") PINNED("name = \"shop-canary\";"),
		   "t.cfg:3: policies[0] (\"p\"): waves[0] (\"a\") catches nothing: no pin with this policy"),
	WARNING_AT(WAVES("{ name = \"a\"; match: { account = \"prod\"; region = \"eu-*\"; }; }") PINNED("region = \"cn-*\";"), "waves[0] (\"a\") catches nothing"),
	/* of one policy the pins of another do not count */
	WARNING_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\" ]; },\n"
		   "{ name = \"q\"; windows = [ \"always\" ]; waves = ( { name = \"a\"; " WHO("lab-1") " } ); } );\n"
		   "pins = ( { name = \"x\"; match: { name = \"lab-*\"; }; device = \"1.0\"; policy = \"p\"; },\n"
		   "{ name = \"y\"; match: { name = \"shop-*\"; }; device = \"1.0\"; policy = \"q\"; } );",
		   "t.cfg:3: policies[1] (\"q\"): waves[0] (\"a\") catches nothing"),

	/* halt */
	ERROR_AT(RULE("halt = 5;"), "t.cfg:3: policies[0].halt: the value cannot be used here; write a group"),
	ERROR_AT(HALT("failures = -1;"), "policies[0].halt.failures: -1 is out of range; it goes from 0 to 100000"),
	ERROR_AT(HALT("failures = 100001;"), "policies[0].halt.failures: 100001 is out of range"),
	ERROR_AT(HALT("failures = \"3\";"), "policies[0].halt.failures: \"3\" cannot be used here"),
	ERROR_AT(HALT("percent = 20;"), "policies[0].halt.percent: 20 cannot be used here"),
	ERROR_AT(HALT("percent = \"100.1%\";"), "policies[0].halt.percent: \"100.1%\" cannot be used here"),
	ERROR_AT(HALT("min_sample = 0;"), "policies[0].halt.min_sample: 0 is out of range"),
	ERROR_AT(HALT("min_sample = 100001;"), "policies[0].halt.min_sample: 100001 is out of range"),
	ERROR_AT(HALT("max = 5;"), "policies[0].halt.max: unknown key"),
	ERROR_AT(HALT("by_reason = ( { failures = 1; } );"), "policies[0].halt.by_reason[0]: \"reason\" is missing; write one of \"deadline\", \"unhealthy\", \"rejected\""),
	ERROR_AT(HALT("by_reason = ( { reason = \"unhealthy\"; } );"), "policies[0].halt.by_reason[0]: \"failures\" is missing"),
	ERROR_AT(HALT("by_reason = ( { reason = \"offline\"; failures = 1; } );"), "policies[0].halt.by_reason[0].reason: \"offline\" cannot be used here; write one of"),
	ERROR_AT(HALT("by_reason = ( { reason = \"deadline\"; failures = 0; } );"), "policies[0].halt.by_reason[0].failures: 0 is out of range; it goes from 1"),
	ERROR_AT(HALT("by_reason = ( { reason = \"deadline\"; failures = 1; },\n{ reason = \"deadline\"; failures = 2; } );"),
		 "t.cfg:4: policies[0] (\"p\"): halt.by_reason names \"deadline\" twice"),
	ERROR_AT(HALT("by_reason = ( { reason = \"deadline\"; failures = 1; }, { }, { }, { } );"), "policies[0].halt.by_reason: has 4 entries; at most 3"),
	/* a word that is wrong is no second "deadline", and no "empty" */
	ERROR_AT(HALT("by_reason = ( { reason = \"x\"; failures = 1; }, { reason = \"deadline\"; failures = 2; } );"), "halt.by_reason[0].reason: \"x\" cannot"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"over\"; value = 5;"), "gate.open_when: \"over\" cannot be used here"),
	WARNING_AT(HALT("failures = 0; percent = \"0%\";"), "t.cfg:3: policies[0] (\"p\"): halt is off"),

	/* gates */
	ERROR_AT(RULE("gate = \"x\";"), "t.cfg:3: policies[0].gate: the value cannot be used here; write a group"),
	ERROR_AT(GATE("query = \"up\"; open_when = \"empty\";"), "t.cfg:3: policies[0].gate: \"prometheus\" is missing"),
	ERROR_AT(GATE(SERVER "open_when = \"empty\";"), "t.cfg:3: policies[0].gate: \"query\" is missing"),
	ERROR_AT(GATE(SERVER "query = \"up\";"), "t.cfg:3: policies[0].gate: \"open_when\" is missing; write one of \"empty\", \"above\", \"below\""),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"full\";"), "policies[0].gate.open_when: \"full\" cannot be used here"),
	ERROR_AT(GATE(SERVER "query = \"\"; open_when = \"empty\";"), "policies[0].gate.query: \"\" is out of range; it goes from 1 to 2048 bytes"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"above\";"), "t.cfg:3: policies[0] (\"p\"): gate.value is missing"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"below\";"), "t.cfg:3: policies[0] (\"p\"): gate.value is missing"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"empty\"; value = 0;"), "t.cfg:3: policies[0] (\"p\"): gate.value has no meaning"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"above\"; value = \"high\";"), "policies[0].gate.value: \"high\" cannot be used here; write a number"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"above\"; value = true;"), "policies[0].gate.value: true cannot be used here"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"empty\"; max_age = \"999ms\";"), "policies[0].gate.max_age: \"999ms\" is out of range; it goes from 1s to 1d"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"empty\"; max_age = \"1d1s\";"), "policies[0].gate.max_age: \"1d1s\" is out of range"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"empty\"; timeout = \"99ms\";"), "policies[0].gate.timeout: \"99ms\" is out of range; it goes from 100ms to 1m"),
	ERROR_AT(GATE(SERVER "query = \"up\"; open_when = \"empty\"; timeout = \"61s\";"), "policies[0].gate.timeout: \"61s\" is out of range"),
	ERROR_AT(GATE("prometheus = \"127.0.0.1:9090\"; query = \"up\"; open_when = \"empty\";"),
		 "t.cfg:3: policies[0] (\"p\"): gate.prometheus does not begin with http:// or https://"),
	ERROR_AT(GATE("prometheus = \"ftp://127.0.0.1\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus does not begin with http:// or https://"),
	ERROR_AT(GATE("prometheus = \"http://u:hunter2@p:9090/\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus holds a user or password"),
	ERROR_AT(GATE("prometheus = 5; query = \"up\"; open_when = \"empty\";"), "policies[0].gate.prometheus: the value cannot be used here"),
	ERROR_AT(GATE("prometheus = \"http://p:9090/api?token=hunter2\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus has something else than a plain path"),
	ERROR_AT(GATE("prometheus = \"http://p:9090/#hunter2\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus has something else"),
	ERROR_AT(GATE("prometheus = \"http://p:9090?hunter2\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus has something else"),
	ERROR_AT(GATE("prometheus = \"http://p:9090\\\\@hunter2/\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus has something else"),
	ERROR_AT(GATE("prometheus = \"http://p/a/../b\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus has something else"),
	ERROR_AT(GATE("prometheus = \"http://p:99999/\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus has no valid port"),
	ERROR_AT(GATE("prometheus = \"http://\"; query = \"up\"; open_when = \"empty\";"), "gate.prometheus has no valid host"),

	/* the cloud's own upgrader */
	ERROR_AT(RULE("auto_upgrade = \"off\";"), "t.cfg:3: policies[0].auto_upgrade: \"off\" cannot be used here; write one of \"report\", \"hold\", \"ignore\""),
	ERROR_AT(RULE("auto_upgrade = true;"), "policies[0].auto_upgrade: true cannot be used here"),

	/* use */
	WARNING_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\" ]; },\n{ name = \"q\"; windows = [ \"always\" ]; } );\n" PINNED("id = \"*\";"),
		   "t.cfg:3: policies[1] (\"q\"): no pin uses it"),
};

static const char *const accepted[] = {
	RULE("site_by = \"instance\"; max_in_flight_per_site = 100000;"), RULE("site_by = \"city\";"), RULE("site_by = \"resource_group\";"),
	RULE("site_by = \"name:^([a-z]+-[0-9]+)\";"), RULE("site_by = \"name:(a\\\\.)|b\";"), RULE("site_by = \"name:(a+)+b+c+d+e+f+g+\";"),
	RULE("site_by = \"name:(" X32 X32 X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" ")\";"),
	WAVES("{ name = \"a\"; percent = \"0.1%\"; soak = \"0s\"; }, { name = \"b\"; percent = \"100%\"; success = \"0.1%\"; soak = \"30d\"; }"),
	WAVES("{ name = \"a\"; " WHO("*") " }, { name = \"b\"; percent = \"1%\"; }, { name = \"c\"; " WHO("x") " }, { name = \"d\"; percent = \"2%\"; }"),
	RULE("waves = ();"), RULE("waves = [];"),
	WAVES("{ name = \"a\"; " WHO("*-canary") " }") PINNED("name = \"shop-*\";"),
	WAVES("{ name = \"a\"; match: { city = \"x\"; }; }") PINNED("name = \"shop-*\";"),
	/* two devices of one instance may match two globs */
	WAVES("{ name = \"a\"; match: { serial_number = \"x\"; }; }") PINNED("serial_number = \"y\";"),
	HALT("failures = 0;"), HALT("percent = \"0%\"; failures = 100000; min_sample = 100000;"),
	HALT("failures = 0; percent = \"0%\"; by_reason = ( { reason = \"unhealthy\"; failures = 1; } );"),
	HALT("by_reason = ( { reason = \"unhealthy\"; failures = 1; }, { reason = \"deadline\"; failures = 1; }, { reason = \"rejected\"; failures = 100000; } );"),
	GATE(SERVER "query = \"up\"; open_when = \"empty\"; max_age = \"1d\"; timeout = \"1m\";"),
	GATE(SERVER "query = \"up\"; open_when = \"below\"; value = -5;"),
	RULE("auto_upgrade = \"hold\";"), RULE("auto_upgrade = \"ignore\";"),
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

static void test_defaults(void **state)
{
	struct config *c = load(WAVES("{ name = \"a\"; percent = \"10%\"; }"));
	const struct policy *p = &c->settings.policies[0];

	(void)state;
	assert_int_equal(p->upgrade_takes_ns, 900 * NS_PER_S);
	assert_int_equal(p->site_by, SITE_BY_INSTANCE);
	assert_null(p->site_regex);
	assert_int_equal(p->max_in_flight_per_site, 1);
	assert_int_equal(p->n_waves, 1);
	assert_true(!p->waves[0].is_match && p->waves[0].percent == 0.1 && p->waves[0].success == 1);
	assert_int_equal(p->waves[0].soak_ns, 1800 * NS_PER_S);
	assert_true(p->halt.failures == 3 && p->halt.percent == 0.2 && p->halt.min_sample == 5 && p->halt.n_by_reason == 0);
	assert_false(p->gate.is_set);
	assert_null(c->policies[0].gate.prometheus);
	assert_int_equal(p->auto_upgrade, AUTO_UPGRADE_REPORT);
	assert_null(config_free(c));
}

static void test_values(void **state)
{
	struct config *c = load(RULE(
		"site_by = \"name:^([a-z]+)-\"; max_in_flight_per_site = 2; auto_upgrade = \"hold\";\n"
		"waves = ( { name = \"canary\"; match: { name = \"*-canary\"; city = \"x\"; }; soak = \"1h\"; },\n"
		"          { name = \"early\"; percent = \"12.5%\"; success = \"95%\"; soak = \"0s\"; } );\n"
		"halt: { failures = 4; percent = \"30%\"; min_sample = 6; by_reason = ( { reason = \"rejected\"; failures = 7; }, { reason = \"deadline\"; failures = 8; } ); };\n"
		"gate: { prometheus = \"HTTPS://Prom.Example:443/a/b\"; query = \"up == 0\"; open_when = \"above\"; value = \"-0.5\"; max_age = \"2m\"; timeout = \"3s\"; };"));
	const struct policy *p = &c->settings.policies[0];
	const struct config_policy *shell = &c->policies[0];
	regmatch_t match[2];

	(void)state;
	assert_int_equal(p->site_by, SITE_BY_NAME);
	assert_int_equal(regexec(p->site_regex, "shop-17", 2, match, 0), 0);
	assert_true(match[1].rm_so == 0 && match[1].rm_eo == 4);
	assert_int_equal(p->max_in_flight_per_site, 2);
	assert_int_equal(p->auto_upgrade, AUTO_UPGRADE_HOLD);
	assert_int_equal(p->n_waves, 2);
	assert_string_equal(p->waves[0].name, "canary");
	assert_true(p->waves[0].is_match && p->waves[0].success == 1 && p->waves[0].soak_ns == 3600 * NS_PER_S);
	assert_string_equal(p->waves[0].match.glob[SELECTOR_NAME], "*-canary");
	assert_string_equal(p->waves[0].match.glob[SELECTOR_CITY], "x");
	assert_null(p->waves[0].match.glob[SELECTOR_ID]);
	assert_true(!p->waves[1].is_match && p->waves[1].percent == 0.125 && p->waves[1].success == 0.95 && p->waves[1].soak_ns == 0);
	assert_true(p->halt.failures == 4 && p->halt.percent == 0.3 && p->halt.min_sample == 6 && p->halt.n_by_reason == 2);
	assert_true(p->halt.by_reason[0].reason == REASON_REJECTED && p->halt.by_reason[0].failures == 7);
	assert_true(p->halt.by_reason[1].reason == REASON_DEADLINE && p->halt.by_reason[1].failures == 8);
	assert_true(p->gate.is_set && p->gate.max_age_ns == 120 * NS_PER_S);
	assert_string_equal(shell->gate.prometheus, "https://prom.example/a/b/");
	assert_string_equal(shell->gate.query, "up == 0");
	assert_int_equal(shell->gate.open_when, GATE_OPEN_WHEN_ABOVE);
	assert_true(shell->gate.value == -0.5 && shell->gate.timeout_ns == 3 * NS_PER_S);
	assert_null(config_free(c));
}

static void test_addresses_of_gates(void **state)
{
	static const struct {
		const char *text, *url;
	} addresses[] = {
		{ "http://127.0.0.1:9090", "http://127.0.0.1:9090/" }, { "http://127.0.0.1:9090/", "http://127.0.0.1:9090/" },
		{ "http://prom.example/p", "http://prom.example/p/" }, { "http://[::1]:9090/p/q/", "http://[::1]:9090/p/q/" },
	};
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct config *c;

		snprintf(text, sizeof(text), GATE("prometheus = \"%s\"; query = \"up\"; open_when = \"empty\";"), addresses[i].text);
		c = load(text);
		assert_string_equal(c->policies[0].gate.prometheus, addresses[i].url);
		config_free(c);
	}
}

/* Each reason that a halt can name means the one of the model. */
static void test_reasons_of_halts(void **state)
{
	static const enum reason reasons[] = { REASON_DEADLINE, REASON_UNHEALTHY, REASON_REJECTED };
	char text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct config *c;

		snprintf(text, sizeof(text), HALT("by_reason = ( { reason = \"%s\"; failures = 1; } );"), reason_names[reasons[i]]);
		c = load(text);
		assert_int_equal(c->settings.policies[0].halt.by_reason[0].reason, reasons[i]);
		config_free(c);
	}
}

static void check_waves(int n, const char *want)
{
	char text[4000] = ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\" ]; waves = ( ";
	struct config_messages messages;
	struct config *config = NULL;
	int r;

	for (int i = 0; i < n; i++)
		sprintf(text + strlen(text), "%s{ name = \"w%d\"; percent = \"%d%%\"; }", i ? ", " : "", i, i + 1);
	strcat(text, " ); } );");
	r = config_from_text("t.cfg", text, strlen(text), &config, &messages);
	assert_int_equal(r, want ? CONFIG_E_INVALID : 0);
	assert_true(want ? has_message(&messages, CONFIG_ERROR, want) && messages.n == 1 : messages.n == 0);
	config_messages_deinit(&messages);
	config_free(config);
}

static void test_limits(void **state)
{
	(void)state;
	check_waves(LIMIT_WAVES, NULL);
	check_waves(LIMIT_WAVES + 1, "policies[0].waves: has 16 entries; at most 15 are allowed");
}

/* The worst expressions that are let through must not hang or take all memory. */
static void test_hard_expressions(void **state)
{
	static const char *const hard[] = {
		"((((((((a+)+)+)+)+)+)+)+)", "((((((((((((((((((((a*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*)*", "((((((((((((((((((((a?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)?)",
		"(a|aa|a*)*(a|b)*a(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)c",
	};
	char text[1000], name[LIMIT_NAME + 1] = "";

	(void)state;
	memset(name, 'a', LIMIT_NAME);
	for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++) {
		regmatch_t match[2];
		struct config *c;

		snprintf(text, sizeof(text), RULE("site_by = \"name:%s\";"), hard[i]);
		c = load(text);
		(void)regexec(c->settings.policies[0].site_regex, name, 2, match, 0);
		config_free(c);
	}
}

/* All errors of one policy at once. */
static void test_all_at_once(void **state)
{
	static const char text[] = RULE("upgrade_takes = 5; site_by = \"x\"; waves = ( { name = \"last\"; } ); halt: { failures = -1; };\n"
					"gate: { prometheus = \"x\"; query = \"\"; open_when = \"above\"; }; auto_upgrade = \"x\"; freezes = [ \"x\" ];");
	struct config_messages messages;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_from_text("t.cfg", text, strlen(text), &config, &messages), CONFIG_E_INVALID);
	show_messages(&messages);
	assert_int_equal(messages.n, 10);
	config_messages_deinit(&messages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_addresses_of_gates),
		cmocka_unit_test(test_reasons_of_halts),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_hard_expressions),
		cmocka_unit_test(test_all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
