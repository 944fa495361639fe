/* From a text to a configuration: what is refused and with which words, and what comes out of a good one. */
#include "config_test.h"

#define CREDENTIALS(inside) "accounts = ( { name = \"prod\"; regions = [ \"cn-shanghai\" ]; credentials: { " inside " }; } );\n"
#define API(inside) "accounts = ( { name = \"prod\"; credentials: { source = \"env\"; }; regions = [ \"cn-shanghai\" ];\n" inside " } );\n"
#define PATH_106 "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
#define NAME_64 "n23456789012345678901234567890123456789012345678901234567890abcd"
#define VERSION_64 "1.3456789012345678901234567890123456789012345678901234567890.123"

/* Each text gives one message of that severity, and no other error. */
static const struct config_case cases[] = {
	/* syntax: libconfig's traps first */
	ERROR_AT("@include \"/tmp\"", "t.cfg:1: @include is not allowed"),
	ERROR_AT(BASE "  @include \"x.cfg\"\n", "t.cfg:3: @include is not allowed"),
	ERROR_AT(BASE "max_in_flight = 3000000000;", "t.cfg:3: max_in_flight: 3000000000 is too large"),
	ERROR_AT(BASE "max_in_flight = 2147483648;", "t.cfg:3: max_in_flight: 2147483648 is too large"),
	ERROR_AT(BASE "max_in_flight = 99999999999999999999999;", "t.cfg:3: max_in_flight: 99999999999999999999999 is too large"),
	ERROR_AT(BASE "max_in_flight = 0755;", "t.cfg:3: max_in_flight: 0755 begins with 0"),
	ERROR_AT(BASE "max_in_flight = 0x10;", "t.cfg:3: max_in_flight: 0x10 is no plain decimal number"),
	ERROR_AT(BASE "max_in_flight = 50L;", "t.cfg:3: max_in_flight: 50L is no plain decimal number"),
	ERROR_AT(BASE "max_in_flight = 1e2;", "t.cfg:3: max_in_flight: 1e2 is no plain decimal number"),
	ERROR_AT(BASE "max_in_flight = +5;", "t.cfg:3: max_in_flight: +5 is no plain decimal number"),
	ERROR_AT(BASE "max_in_flight = -;", "t.cfg:3: max_in_flight: - is no plain decimal number"),
	ERROR_AT(RULE("deadline = 30m;"), "t.cfg:3: deadline: 30m is no plain decimal number (durations"),
	ERROR_AT(BASE "mode = \"ob\\qserve\";", "t.cfg:3: a backslash in a string"),
	ERROR_AT(BASE "mode = \"ob\\x41serve\";", "t.cfg:3: a backslash in a string"),
	ERROR_AT(BASE "mode = \"observe;\nmax_in_flight = 5;\n", "t.cfg:3: the string is not closed on its line"),
	ERROR_AT(BASE "mode = \"observe\\", "t.cfg:3: the string is not closed on its line"),
	ERROR_AT(BASE "mode = \"obs\" \"erve\";", "t.cfg:3: two strings side by side"),
	ERROR_AT(BASE "/* mode\n\n", "t.cfg:3: the comment that begins here never ends"),
	ERROR_AT(BASE "mode = observe;", "t.cfg:3: a text without quotes; write \"observe\" in quotes, near: mode = observe;"),
	ERROR_AT(BASE "mode = ;", "t.cfg:3: expected a value, found \";\""),
	ERROR_AT(BASE "mode = \n\n", "t.cfg:3: expected a value, found the end of the file"),
	ERROR_AT(BASE "mode \"observe\";", "t.cfg:3: expected \"=\" after the name of a setting, found a string"),
	ERROR_AT(BASE "max_in_flight = 5;;", "t.cfg:3: expected the name of a setting, found \";\""),
	ERROR_AT(BASE "pins = (\n);\n}", "t.cfg:5: expected the name of a setting, found \"}\""),
	ERROR_AT(BASE "pins = (\n  { name = \"x\"; " GOOD_PIN " },\n);", "t.cfg:4: a comma after the last value; remove it"),
	ERROR_AT(BASE "pins = (\n  { name = \"x\"; " GOOD_PIN " }\n  { name = \"y\"; }\n);",
		 "t.cfg:5: expected \",\" or \")\" after the value, found \"{\"; is something missing at the end of line 4?"),
	ERROR_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\", 5 ]; } );", "t.cfg:2: the values in [ ] must all be of one kind"),
	ERROR_AT(ACCOUNT "policies = [ { name = \"p\"; } ];", "t.cfg:2: expected a string, number, true or false"),
	ERROR_AT(BASE "mode = \"observe\"; mode = \"observe\";", "t.cfg:3: mode is set twice here, first on line 3"),
	ERROR_AT(BASE "$", "t.cfg:3: a character that has no meaning outside of quotes"),
	ERROR_AT(BASE NAME_64 "x = 5;", "t.cfg:3: a name of more than 64 bytes"),
	ERROR_AT(BASE "\xef\xbb\xbf", "t.cfg:3: a character that has no meaning outside of quotes"),
	ERROR_AT("\xef\xbb\xbf" BASE, "t.cfg:1: begins with a byte order mark"),
	ERROR_AT(BASE "# caf\xe9", "t.cfg:3: a control character, or bytes that are no UTF-8"),
	ERROR_AT(BASE "# \x1b[31m", "t.cfg:3: a control character"),
	/* a line that may hold a secret is not shown */
	ERROR_AT(BASE "access_key_secret = hunter2;", "t.cfg:3: a text without quotes"),
	ERROR_AT(BASE "access_key_secret =\nhunter2;", "t.cfg:4: a text without quotes"),
	ERROR_AT(BASE "access_key_secret = \"hunter2;", "t.cfg:3: the string is not closed"),
	ERROR_AT(BASE "access_key_secret = \"hunter2\";", "t.cfg:3: access_key_secret: unknown key"),
	ERROR_AT(BASE "api_token = 5hunter2;", "t.cfg:3: the value is no plain decimal number"),
	ERROR_AT(BASE "password hunter2;", "t.cfg:3: expected \"=\" after the name of a setting, found a text"),
	ERROR_AT("accounts = ( { name = \"a\"; credentials: { source = \"hunter2\"; }; regions = [ \"cn-shanghai\" ]; } );",
		 "t.cfg:1: accounts[0].credentials.source: the value cannot be used here; write one of \"env\", \"file\", \"ecs_ram_role\", \"uri\", \"oidc\", \"assume_role\""),

	/* keys and types */
	ERROR_AT(BASE "mod = \"observe\";", "t.cfg:3: mod: unknown key; did you mean \"mode\"?"),
	ERROR_AT(BASE "colour = 5;", "t.cfg:3: colour: unknown key; this version knows here: mode, max_in_flight,"),
	ERROR_AT(RULE("retry: { atempts = 5; };"), "t.cfg:3: policies[0].retry.atempts: unknown key; did you mean \"attempts\"?"),
	ERROR_AT(BASE "mode = 5;", "t.cfg:3: mode: 5 cannot be used here; write one of \"observe\", \"enforce\""),
	ERROR_AT(BASE "mode = \"off\";", "t.cfg:3: mode: \"off\" cannot be used here; write one of \"observe\", \"enforce\""),
	ERROR_AT(BASE "max_in_flight = \"50\";", "t.cfg:3: max_in_flight: \"50\" cannot be used here; write a whole number without quotes"),
	ERROR_AT(BASE "max_in_flight = 5.0;", "t.cfg:3: max_in_flight: the value cannot be used here"),
	ERROR_AT(BASE "max_in_flight = 0;", "t.cfg:3: max_in_flight: 0 is out of range; it goes from 1 to 100000"),
	ERROR_AT(BASE "max_in_flight = -1;", "t.cfg:3: max_in_flight: -1 is out of range"),
	ERROR_AT(BASE "max_in_flight = 100001;", "t.cfg:3: max_in_flight: 100001 is out of range"),
	ERROR_AT(BASE "pins = { name = \"x\"; };", "t.cfg:3: pins: the value cannot be used here; write a list of groups"),
	ERROR_AT(BASE "pins = ( 5 );", "t.cfg:3: pins[0]: 5 cannot be used here"),
	ERROR_AT(RULE("retry = 5;"), "t.cfg:3: policies[0].retry: the value cannot be used here; write a group"),
	ERROR_AT(RULE("verify: { vpn = \"true\"; };"), "t.cfg:3: policies[0].verify.vpn: \"true\" cannot be used here; write true or false"),
	ERROR_AT(RULE("deadline = \"5x\";"), "t.cfg:3: policies[0].deadline: \"5x\" cannot be used here; write a whole number and d, h, m, s or ms"),
	ERROR_AT(RULE("deadline = 30;"), "t.cfg:3: policies[0].deadline: 30 cannot be used here"),
	ERROR_AT(RULE("deadline = \"999ms\";"), "t.cfg:3: policies[0].deadline: \"999ms\" is out of range; it goes from 1s to 7d"),
	ERROR_AT(RULE("deadline = \"7d1ms\";"), "t.cfg:3: policies[0].deadline: \"7d1ms\" is out of range"),
	ERROR_AT(RULE("max_in_flight = \"101%\";"), "t.cfg:3: policies[0].max_in_flight: \"101%\" cannot be used here; write a whole number, or a share"),
	ERROR_AT(RULE("max_in_flight = \"0%\";"), "t.cfg:3: policies[0].max_in_flight: \"0%\""),
	ERROR_AT(RULE("max_in_flight = 0;"), "t.cfg:3: policies[0].max_in_flight: 0 is out of range"),
	ERROR_AT(RULE("max_starts_per_hour = 0;"), "t.cfg:3: policies[0].max_starts_per_hour: 0 is out of range"),
	ERROR_AT(RULE("retry: { attempts = 0; };"), "t.cfg:3: policies[0].retry.attempts: 0 is out of range"),
	ERROR_AT(RULE("retry: { first = \"7h\"; };"), "t.cfg:3: policies[0] (\"p\"): retry.first 7h is above retry.max 6h"),
	ERROR_AT(RULE("retry: { max = \"30s\"; };"), "t.cfg:3: policies[0] (\"p\"): retry.first 1m is above retry.max 30s"),

	/* paths */
	ERROR_AT(BASE "state = \"\";", "t.cfg:3: state: \"\" is out of range; it goes from 1 to 1024 bytes"),
	ERROR_AT(BASE "state = 5;", "t.cfg:3: state: 5 cannot be used here"),
	ERROR_AT(BASE "control_socket = true;", "t.cfg:3: control_socket: true cannot be used here"),
	ERROR_AT(BASE "control_socket = \"/" PATH_106 "x\";", "t.cfg:3: control_socket: \"/ppp"),
	ERROR_AT(BASE "state = \"/run/x\";\ncontrol_socket = \"/run/x\";", "t.cfg:4: control_socket: is the same path as state"),

	/* accounts */
	ERROR_AT(API("catalogue_interval = \"99ms\";"), "accounts[0].catalogue_interval: \"99ms\" is out of range; it goes from 100ms to 30d"),
	ERROR_AT(API("catalogue_interval = \"30d1s\";"), "accounts[0].catalogue_interval: \"30d1s\" is out of range"),
	ERROR_AT(API("catalogue_interval = 5;"), "accounts[0].catalogue_interval: 5 cannot be used here"),
	ERROR_AT(API("catalogue_interval = \"100ms\";"), "catalogue_interval is too short for api.calls_per_second: 100ms x 10 "),
	ERROR_AT(API("auto_upgrade_interval = \"99ms\";"), "accounts[0].auto_upgrade_interval: \"99ms\" is out of range"),
	ERROR_AT(API("auto_upgrade_interval = \"30d1s\";"), "accounts[0].auto_upgrade_interval: \"30d1s\" is out of range"),
	ERROR_AT(API("auto_upgrade_interval = \"100ms\";"), "auto_upgrade_interval is too short for api.calls_per_second"),
	ERROR_AT(API("blast_radius = 25;"), "accounts[0].blast_radius: 25 cannot be used here; write a share of at most 100 %"),
	ERROR_AT(API("blast_radius = \"101%\";"), "accounts[0].blast_radius: \"101%\" cannot be used here"),
	ERROR_AT(API("blast_radius = \"-1%\";"), "accounts[0].blast_radius: \"-1%\" cannot be used here"),
	ERROR_AT("", "t.cfg: accounts: there is none"),
	ERROR_AT("accounts = ();", "t.cfg: accounts: there is none"),
	ERROR_AT("accounts = ( { credentials: { source = \"env\"; }; regions = [ \"cn-shanghai\" ]; } );", "t.cfg:1: accounts[0]: \"name\" is missing"),
	ERROR_AT("accounts = ( { name = \"\"; credentials: { source = \"env\"; }; regions = [ \"cn-shanghai\" ]; } );",
		 "t.cfg:1: accounts[0].name: \"\" is out of range; it goes from 1 to 256 bytes"),
	ERROR_AT("accounts = ( { name = \"a\"; regions = [ \"cn-shanghai\" ]; } );", "t.cfg:1: accounts[0]: \"credentials\" is missing"),
	ERROR_AT("accounts = ( { name = \"a\"; credentials: { }; regions = [ \"cn-shanghai\" ]; } );",
		 "t.cfg:1: accounts[0].credentials: \"source\" is missing; write one of \"env\", \"file\","),
	ERROR_AT("accounts = ( { name = \"a\"; credentials: { source = \"env\"; }; } );", "t.cfg:1: accounts[0]: \"regions\" is missing"),
	ERROR_AT("accounts = ( { name = \"a\"; credentials: { source = \"env\"; }; regions = []; } );", "t.cfg:1: accounts[0] (\"a\"): regions is empty"),
	ERROR_AT("accounts = ( { name = \"a\"; credentials: { source = \"env\"; }; regions = \"cn-shanghai\"; } );",
		 "t.cfg:1: accounts[0].regions: \"cn-shanghai\" cannot be used here; write texts in square brackets"),
	ERROR_AT("accounts = ( { name = \"a\"; credentials: { source = \"env\"; }; regions = [ \"cn-shanghai\", \"cn-shanghai\" ]; } );",
		 "t.cfg:1: accounts[0] (\"a\"): regions names \"cn-shanghai\" twice"),
	ERROR_AT("accounts = ( { name = \"a\"; credentials: { source = \"env\"; }; regions = [ \"evil.example/\" ]; } );",
		 "t.cfg:1: accounts[0] (\"a\"): \"evil.example/\" cannot be a region"),
	WARNING_AT("accounts = ( { name = \"a\"; credentials: { source = \"env\"; }; regions = [ \"cn-shangai\" ]; } );",
		   "t.cfg:1: accounts[0] (\"a\"): region \"cn-shangai\" is not known to have Smart Access Gateways; did you mean \"cn-shanghai\"?"),
	ERROR_AT("accounts = ( { name = \"a\"; credentials: { source = \"env\"; path = \"/x\"; }; regions = [ \"cn-shanghai\" ]; } );",
		 "t.cfg:1: accounts[0] (\"a\"): credentials.path needs source = \"file\""),
	ERROR_AT(CREDENTIALS("source = \"ecs_ram_role\"; uri = \"https://x/\";"), ": credentials.uri needs source = \"uri\"; remove it"),
	ERROR_AT(CREDENTIALS("source = \"env\"; role_arn = \"acs:ram::1:role/r\";"), ": credentials.role_arn needs source = \"oidc\" or \"assume_role\""),
	ERROR_AT(CREDENTIALS("source = \"uri\"; base = \"env\";"), ": credentials.base needs source = \"assume_role\""),
	ERROR_AT(CREDENTIALS("source = \"assume_role\"; path = \"/x\";"), ": credentials.path needs source = \"file\""),
	ERROR_AT(CREDENTIALS("source = \"assume_role\"; base = \"oidc\";"), "credentials.base: the value cannot be used here; write one of \"env\", \"file\", \"ecs_ram_role\", \"uri\""),
	ERROR_AT(CREDENTIALS("source = \"uri\"; uri = \"http://keys.example/hunter2\";"), ": credentials.uri would carry secrets in the clear; use https://"),
	ERROR_AT(CREDENTIALS("source = \"uri\"; uri = \"https://u:hunter2@keys.example/\";"), ": credentials.uri holds a user or password"),
	ERROR_AT(CREDENTIALS("source = \"oidc\"; sts_endpoint = \"http://sts.example/\";"), ": credentials.sts_endpoint would carry secrets"),
	ERROR_AT(CREDENTIALS("source = \"oidc\"; sts_endpoint = \"https://sts.example/hunter2\";"), ": credentials.sts_endpoint goes on after the host"),
	ERROR_AT(CREDENTIALS("source = \"ecs_ram_role\"; metadata_endpoint = \"http://10.0.0.1/\";"), ": credentials.metadata_endpoint would carry secrets"),
	ERROR_AT(CREDENTIALS("source = \"ecs_ram_role\"; role_name = \"../hunter2\";"), ": credentials.role_name is no role's name"),
	ERROR_AT(CREDENTIALS("source = \"oidc\"; role_arn = \"hunter2\";"), ": credentials.role_arn is no resource name; write it as in \"acs:ram::1234567890123456:role/name\""),
	ERROR_AT(CREDENTIALS("source = \"oidc\"; oidc_provider_arn = \"acs:ram::1:role/hunter2\";"), ": credentials.oidc_provider_arn is no resource name"),
	ERROR_AT(CREDENTIALS("source = \"oidc\"; duration = \"14m\";"), "credentials.duration"),
	ERROR_AT(CREDENTIALS("source = \"oidc\"; duration = \"13h\";"), "credentials.duration"),
	ERROR_AT(API("credential = 5;"), "t.cfg:2: accounts[0].credential: unknown key; did you mean \"credentials\"?"),
	ERROR_AT(API("endpoint = \"ftp://x/\";"), "t.cfg:2: accounts[0] (\"prod\"): endpoint does not begin with https://"),
	ERROR_AT(API("endpoint = \"http://sag.example/\";"), "t.cfg:2: accounts[0] (\"prod\"): endpoint http://sag.example/ would send signed requests in the clear"),
	ERROR_AT(API("endpoint = \"https://u:hunter2@sag.example/\";"), "t.cfg:2: accounts[0] (\"prod\"): endpoint holds a user or password"),
	ERROR_AT(API("api: { proxy = \"http://u:hunter2@p:3128\"; };"), "t.cfg:2: accounts[0] (\"prod\"): api.proxy holds a user or password"),
	ERROR_AT(API("endpoint = \"http://127.0.0.1:8080/\"; api: { proxy = \"http://p:3128\"; };"),
		 "t.cfg:2: accounts[0] (\"prod\"): api.proxy would carry what is meant for loopback to another machine"),
	ERROR_AT("mode = \"enforce\";\n" API("endpoint = \"nowhere\";"), "t.cfg:3: accounts[0] (\"prod\"): endpoint does not begin with"),
	ERROR_AT("mode = \"enforce\";\n" API("endpoint = 5;"), "t.cfg:3: accounts[0].endpoint: the value cannot be used here"),
	ERROR_AT(API("signature = \"v4\";"), "t.cfg:2: accounts[0].signature: \"v4\" cannot be used here; write one of \"v3\", \"v2\""),
	ERROR_AT(API("api: { calls_per_second = \"0.03\"; };"),
		 "t.cfg:2: accounts[0] (\"prod\"): poll_interval is too short for api.calls_per_second: 1m x 0.03 per second = 1.8 calls, and 2 are the least"),
	ERROR_AT(API("dpi_poll_interval = \"100ms\";"), "t.cfg:2: accounts[0] (\"prod\"): dpi_poll_interval is too short for api.calls_per_second: 100ms x 10 "),
	ERROR_AT(API("api: { calls_per_second = \"0.009\"; };"), "accounts[0].api.calls_per_second: \"0.009\" is out of range; it goes from 0.010 to 1000"),
	ERROR_AT(API("api: { calls_per_second = 1001; };"), "accounts[0].api.calls_per_second: 1001 is out of range"),
	ERROR_AT(API("api: { calls_per_second = \"ten\"; };"), "accounts[0].api.calls_per_second: \"ten\" cannot be used here; write a number"),

	/* policies */
	WARNING_AT(ACCOUNT "policies = ( { name = \"p\"; } );", "t.cfg:2: policies[0] (\"p\"): has no windows and never starts an upgrade"),
	WARNING_AT(ACCOUNT "policies = ( { name = \"p\"; windows = []; } );", "t.cfg:2: policies[0] (\"p\"): has no windows"),
	ERROR_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ \"night\" ]; } );", "t.cfg:2: policies[0] (\"p\"): windows: \"night\" names no window"),
	ERROR_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\" ]; },\n{ name = \"p\"; windows = [ \"always\" ]; } );",
		 "t.cfg:3: policies[1].name: \"p\" is taken by t.cfg:2"),

	/* pins */
	ERROR_AT(BASE PIN("device = \"1.0\"; policy = \"p\";"), "t.cfg:3: pins[0] (\"x\"): \"match\" is missing; write what to match, or match: { id = \"*\"; }"),
	ERROR_AT(BASE PIN("match: {}; device = \"1.0\"; policy = \"p\";"), "t.cfg:3: pins[0] (\"x\"): \"match\" is empty"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; policy = \"p\";"), "t.cfg:3: pins[0] (\"x\"): pins nothing; write device, dpi or both"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"1.0\";"), "t.cfg:3: pins[0] (\"x\"): \"policy\" is missing"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; dpi = \"1.0\";"), "t.cfg:3: pins[0] (\"x\"): \"policy\" is missing; write the name of the policy that DPI"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"1.0\"; policy = \"pp\";"), "t.cfg:3: pins[0] (\"x\"): policy = \"pp\" names no policy"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"1.0\"; policy = 5;"), "t.cfg:3: pins[0].policy: 5 cannot be used here"),
	ERROR_AT(ACCOUNT "policies = ( { name = \"p\"; windows = [ 5 ]; } );", "t.cfg:2: policies[0].windows[0]: 5 cannot be used here"),
	ERROR_AT(BASE PIN(GOOD_PIN " dpi = \"2\"; dpi_policy = \"slow\";"), "t.cfg:3: pins[0] (\"x\"): dpi_policy = \"slow\" names no policy"),
	WARNING_AT(BASE PIN(GOOD_PIN " dpi_policy = \"p\";"), "t.cfg:3: pins[0] (\"x\"): dpi_policy has no effect without dpi"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"latest\"; policy = \"p\";"), "device = \"latest\" is no version that can be compared"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"1..0\"; policy = \"p\";"), "is no version that can be compared"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"1.0.\"; policy = \"p\";"), "is no version that can be compared"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"1.0-\"; policy = \"p\";"), "is no version that can be compared"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"1.0 \"; policy = \"p\";"), "is no version that can be compared"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"1.0-rc_1\"; policy = \"p\";"), "is no version that can be compared"),
	ERROR_AT(BASE PIN("match: { id = \"*\"; }; device = \"" VERSION_64 "4\"; policy = \"p\";"), "is out of range; it goes from 1 to 64 bytes"),
	ERROR_AT(BASE PIN("match: { serial = \"*\"; id = \"a\"; }; device = \"1\"; policy = \"p\";"), "pins[0].match.serial: unknown key"),
	ERROR_AT(BASE PIN("match: { id = \"\"; }; device = \"1\"; policy = \"p\";"), "pins[0].match.id: \"\" is out of range"),
	ERROR_AT(BASE PIN("match: { id = \"a\tb\"; }; device = \"1\"; policy = \"p\";"), "pins[0].match.id: \"a b\" cannot be used here; write a text in quotes, without control"),
	ERROR_AT(BASE "pins = ( { name = \"x\"; match: { id = \"a\"; name = \"b\"; }; device = \"1\"; policy = \"p\"; },\n{ name = \"y\"; match: { name = \"b\"; id = \"a\"; }; device = \"2\"; policy = \"p\"; } );",
		 "t.cfg:4: pins[1] (\"y\"): identical pins: pins[0] (\"x\") (t.cfg:3) has the same match"),
	ERROR_AT(BASE "pins = ( { name = \"x\"; match: { id = \"a\"; }; device = \"1\"; policy = \"p\"; },\n{ name = \"x\"; match: { id = \"b\"; }; device = \"2\"; policy = \"p\"; } );",
		 "t.cfg:4: pins[1].name: \"x\" is taken by t.cfg:3"),
	WARNING_AT(BASE "pins = ( { name = \"x\"; match: { id = \"*\"; }; device = \"1\"; policy = \"p\"; },\n{ name = \"y\"; match: { id = \"b\"; }; device = \"2\"; policy = \"p\"; } );",
		   "t.cfg:4: pins[1] (\"y\"): has no effect: pins[0] (\"x\") (t.cfg:3) comes first"),
	WARNING_AT(BASE "pins = ( { name = \"x\"; match: { name = \"shop-*\"; }; device = \"1\"; policy = \"p\"; },\n{ name = \"y\"; match: { name = \"shop-b*\"; city = \"c\"; }; device = \"2\"; policy = \"p\"; } );",
		   "t.cfg:4: pins[1] (\"y\"): has no effect"),
	WARNING_AT(BASE "pins = ( { name = \"x\"; match: { id = \"a\"; }; device = \"1\"; policy = \"p\"; },\n{ name = \"y\"; match: { id = \"a\"; name = \"n\"; }; device = \"2\"; policy = \"p\"; } );",
		   "t.cfg:4: pins[1] (\"y\"): has no effect"),
	WARNING_AT(BASE PIN("match: { account = \"test\"; }; device = \"1\"; policy = \"p\";"), "t.cfg:3: pins[0] (\"x\"): can never match"),
	WARNING_AT(BASE PIN("match: { account = \"prod\"; region = \"eu-*\"; }; device = \"1\"; policy = \"p\";"), "t.cfg:3: pins[0] (\"x\"): can never match"),
	ERROR_AT(BASE "include_dir = \"conf.d\";", "t.cfg:3: include_dir: needs a main file"),
};

static void test_refused(void **state)
{
	(void)state;
	check_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

/* Texts that give a configuration and not a word. */
static const char *const accepted[] = {
	BASE,
	BASE PIN(GOOD_PIN),
	BASE PIN("match: { id = \"*\"; }; device = \"" VERSION_64 "\"; policy = \"p\";"),
	BASE PIN("match: { id = \"*\"; }; device = \"v3.4.0-rc1+b7\"; policy = \"p\";"),
	BASE PIN("match: { id = \"*\"; }; dpi = \"1.0\"; dpi_policy = \"p\";"),
	BASE PIN(GOOD_PIN) " # the end, without a newline",
	BASE "max_in_flight = 2147 ; // x \"\n/* ; \" @include */ mode : \"observe\"",
	RULE("deadline = \"1m\""),
	RULE("deadline = \"1s\"; max_in_flight = \"0.5%\"; retry: { first = \"6h\" }, verify = { soak = \"0s\"; vpn = FALSE }"),
	ACCOUNT "policies = ();\r\npins = [];\r\n",
	API("api: { calls_per_second = 10; };"), API("api: { calls_per_second = 10.5; };"), API("api: { calls_per_second = \"0.5\"; };"),
	CREDENTIALS("source = \"ecs_ram_role\"; role_name = \"r\"; metadata_endpoint = \"http://169.254.1.1/\";"),
	CREDENTIALS("source = \"ecs_ram_role\";"), CREDENTIALS("source = \"uri\";"), CREDENTIALS("source = \"oidc\";"),
	CREDENTIALS("source = \"uri\"; uri = \"http://localhost:1/a?b=c\";"), CREDENTIALS("source = \"uri\"; uri = \"https://keys.example/a\";"),
	CREDENTIALS("source = \"assume_role\"; base = \"file\"; path = \"/k\"; profile = \"p\"; duration = \"15m\"; session_name = \"s1\";"),
	CREDENTIALS("source = \"assume_role\"; base = \"ecs_ram_role\"; role_name = \"r\"; role_arn = \"acs:ram::1:role/r\"; sts_endpoint = \"https://sts.x\";"),
	API("poll_interval = \"200ms\";"), API("catalogue_interval = \"30d\"; auto_upgrade_interval = \"200ms\";"),
	API("blast_radius = \"0%\";"), API("blast_radius = \"100%\";"),
	BASE "state = \"s.db\"; control_socket = \"/" PATH_106 "\";",
	API("endpoint = \"https://sag.example:8443\";"),
	"accounts = ( { name = \"a\"; credentials: { source = \"env\"; }; regions = [ \"lab-1\" ]; endpoint = \"https://sag.lab\"; } );",
	"mode = \"enforce\";\n" ACCOUNT, "mode = \"enforce\";\n" API("endpoint = \"https://sag.example/\";"),
	"mode = \"enforce\";\n" API("endpoint = \"http://127.0.0.1:8080/\";"),
	"accounts = ( { name = \"a*\"; credentials: { source = \"env\"; }; regions = [ \"cn-shanghai\" ]; } );\n"
	"policies = ( { name = \"p\"; windows = [ \"always\" ]; } );\n" PIN("match: { account = \"a?\"; }; device = \"1\"; policy = \"p\";"),
	/* in the other order nothing is hidden */
	BASE "pins = ( { name = \"x\"; match: { id = \"b\"; }; device = \"1\"; policy = \"p\"; },\n{ name = \"y\"; match: { id = \"*\"; }; device = \"2\"; policy = \"p\"; } );",
	BASE "pins = ( { name = \"x\"; match: { id = \"a\"; name = \"n\"; }; device = \"1\"; policy = \"p\"; },\n{ name = \"y\"; match: { id = \"a\"; }; device = \"2\"; policy = \"p\"; } );",
};

static void test_accepted(void **state)
{
	(void)state;
	check_accepted(accepted, sizeof(accepted) / sizeof(accepted[0]));
}

static void test_defaults(void **state)
{
	struct config *c = load(BASE PIN(GOOD_PIN " dpi = \"2.0\";"));
	const struct settings *s = &c->settings;
	const struct config_account *a = &c->accounts[0];

	(void)state;
	assert_false(s->is_enforcing);
	assert_int_equal(s->max_in_flight, 50);
	assert_int_equal(c->n_accounts, 1);
	assert_string_equal(a->name, "prod");
	assert_int_equal(a->credentials.source, CREDENTIALS_ENV);
	assert_null(a->credentials.path);
	assert_null(a->endpoint);
	assert_int_equal(a->signature, SIGN_V3);
	assert_true(a->api.calls_per_second == 10 && a->api.burst == 20 && a->api.concurrency == 8);
	assert_int_equal(a->api.timeout_ns, 15 * NS_PER_S);
	assert_null(a->api.ca_file);
	assert_null(a->api.proxy);
	assert_int_equal(s->n_scopes, 1);
	assert_string_equal(s->scopes[0].account, "prod");
	assert_string_equal(s->scopes[0].region_id, "cn-shanghai");
	assert_int_equal(s->scopes[0].poll_interval_ns, 60 * NS_PER_S);
	assert_int_equal(s->scopes[0].dpi_poll_interval_ns, 3600 * NS_PER_S);
	assert_int_equal(s->scopes[0].catalogue_interval_ns, 3600 * NS_PER_S);
	assert_int_equal(s->scopes[0].auto_upgrade_interval_ns, 86400 * NS_PER_S);
	assert_true(s->scopes[0].calls_per_second == 10 && s->scopes[0].blast_radius == 0.25);
	assert_string_equal(c->state_path, "/var/lib/sagpin/state.db");
	assert_string_equal(c->control_socket_path, "/run/sagpin/control.sock");
	assert_string_equal(c->scope_endpoint[0], "https://smartag.cn-shanghai.aliyuncs.com/");
	assert_int_equal(s->n_policies, 1);
	assert_true(s->policies[0].is_always_open && !s->policies[0].max_in_flight.is_share && s->policies[0].verify.vpn);
	assert_int_equal(s->policies[0].max_in_flight.count, 1);
	assert_int_equal(s->policies[0].max_starts_per_hour, 60);
	assert_int_equal(s->policies[0].deadline_ns, 1800 * NS_PER_S);
	assert_int_equal(s->policies[0].retry.attempts, 3);
	assert_int_equal(s->policies[0].retry.first_ns, 60 * NS_PER_S);
	assert_int_equal(s->policies[0].retry.max_ns, 6 * 3600 * NS_PER_S);
	assert_int_equal(s->policies[0].verify.soak_ns, 120 * NS_PER_S);
	assert_int_equal(s->n_pins, 1);
	assert_string_equal(s->pins[0].version[VERSION_TYPE_DEVICE], "1.0");
	assert_string_equal(s->pins[0].version[VERSION_TYPE_DPI], "2.0");
	assert_int_equal(s->pins[0].policy[VERSION_TYPE_DPI], 0); /* the same as policy */
	assert_false(s->pins[0].is_held);
	assert_string_equal(s->pins[0].match.glob[SELECTOR_ID], "*");
	assert_null(s->pins[0].match.glob[SELECTOR_NAME]);
	config_free(c);
}

static void test_proxy(void **state)
{
	struct config *c = load(API("api: { proxy = \"http://p:3128\"; };"));

	(void)state;
	assert_string_equal(c->accounts[0].api.proxy, "http://p:3128");
	assert_null(config_free(c));
}

static void test_values(void **state)
{
	struct config *c = load(
		"mode = \"enforce\"; max_in_flight = 7; state = \"/s\"; control_socket = \"/c\";\n"
		"accounts = (\n"
		" { name = \"a\"; credentials: { source = \"file\"; path = \"k.ini\"; profile = \"lab\"; }; regions = [ \"r1\", \"r2\" ];\n"
		"   endpoint = \"http://LOCALHOST:8080\"; signature = \"v2\"; poll_interval = \"1m30s\"; dpi_poll_interval = \"2h\";\n"
		"   catalogue_interval = \"3h\"; auto_upgrade_interval = \"4h\"; blast_radius = \"0%\";\n"
		"   api: { calls_per_second = \"2.5\"; burst = 3; concurrency = 4; timeout = \"5s\"; ca_file = \"/ca\"; }; },\n"
		" { name = \"b\"; credentials: { source = \"env\"; }; regions = [ \"r1\" ]; endpoint = \"https://[::1]:443/\"; } );\n"
		"policies = ( { name = \"p\"; windows = [ \"always\" ]; },\n"
		" { name = \"q\"; windows = [ \"always\" ]; max_in_flight = \"5%\"; max_starts_per_hour = 9; deadline = \"1h\";\n"
		"   retry: { attempts = 2; first = \"2s\"; max = \"3s\"; }; verify: { soak = \"0s\"; vpn = false; }; } );\n"
		"pins = ( { name = \"x\"; match: { account = \"a\"; region = \"r2\"; id = \"3\"; serial_number = \"4\"; name = \"5\"; model = \"6\";\n"
		"   resource_group = \"7\"; ccn = \"8\"; city = \"9\"; }; device = \"1\"; policy = \"q\"; dpi = \"2\"; dpi_policy = \"p\"; hold = true; } );\n");
	const struct settings *s = &c->settings;

	(void)state;
	assert_true(s->is_enforcing);
	assert_int_equal(s->max_in_flight, 7);
	assert_int_equal(c->accounts[0].credentials.source, CREDENTIALS_FILE);
	assert_string_equal(c->accounts[0].credentials.path, "k.ini");
	assert_string_equal(c->accounts[0].credentials.profile, "lab");
	assert_int_equal(c->accounts[0].signature, SIGN_V2);
	assert_string_equal(c->accounts[0].api.ca_file, "/ca");
	assert_true(c->accounts[0].api.calls_per_second == 2.5 && c->accounts[0].api.burst == 3 && c->accounts[0].api.concurrency == 4);
	assert_int_equal(c->accounts[0].api.timeout_ns, 5 * NS_PER_S);
	assert_int_equal(s->n_scopes, 3);
	assert_string_equal(s->scopes[1].region_id, "r2");
	assert_int_equal(s->scopes[1].poll_interval_ns, 90 * NS_PER_S);
	assert_int_equal(s->scopes[1].catalogue_interval_ns, 3 * 3600 * NS_PER_S);
	assert_int_equal(s->scopes[1].auto_upgrade_interval_ns, 4 * 3600 * NS_PER_S);
	assert_true(s->scopes[1].calls_per_second == 2.5 && s->scopes[1].blast_radius == 0);
	assert_string_equal(c->state_path, "/s");
	assert_string_equal(c->control_socket_path, "/c");
	assert_string_equal(c->scope_endpoint[1], "http://localhost:8080/");
	assert_int_equal(c->scope_account[1], 0);
	assert_string_equal(c->scope_endpoint[2], "https://[::1]/");
	assert_int_equal(c->scope_account[2], 1);
	assert_true(s->policies[1].max_in_flight.is_share && s->policies[1].max_in_flight.share == 0.05 && !s->policies[1].verify.vpn);
	assert_int_equal(s->policies[1].max_starts_per_hour, 9);
	assert_int_equal(s->policies[1].retry.attempts, 2);
	assert_int_equal(s->policies[1].retry.first_ns, 2 * NS_PER_S);
	assert_int_equal(s->policies[1].verify.soak_ns, 0);
	assert_int_equal(s->pins[0].policy[VERSION_TYPE_DEVICE], 1);
	assert_int_equal(s->pins[0].policy[VERSION_TYPE_DPI], 0);
	assert_true(s->pins[0].is_held);
	assert_string_equal(s->pins[0].match.glob[SELECTOR_ACCOUNT], "a");
	assert_string_equal(s->pins[0].match.glob[SELECTOR_REGION], "r2");
	for (int k = SELECTOR_ID; k < SELECTOR_N; k++)
		assert_int_equal(s->pins[0].match.glob[k][0], '1' + k);
	config_free(c);
}

static void check_repeated(const char *head, const char *part, size_t n, const char *tail, const char *want)
{
	char *text = repeat(head, part, n, tail);
	struct config_messages messages;
	struct config *config = NULL;
	int r = config_from_text("t.cfg", text, strlen(text), &config, &messages);
	bool is_right = want ? r == CONFIG_E_INVALID && has_message(&messages, CONFIG_ERROR, want) :
		!has_message(&messages, CONFIG_ERROR, "deep") && !has_message(&messages, CONFIG_ERROR, "more than") &&
		!has_message(&messages, CONFIG_ERROR, "at most");

	if (!is_right)
		show_messages(&messages);
	free(text);
	config_messages_deinit(&messages);
	config_free(config);
	assert_true(is_right);
}

/* Each limit, and one past it. */
static void test_limits(void **state)
{
	(void)state;
	check_repeated(BASE "x = ", "(", SCAN_DEPTH_MAX, "5;", NULL);
	check_repeated(BASE "x = ", "(", SCAN_DEPTH_MAX + 1, "5;", "t.cfg:3: brackets within brackets more than 32 deep");
	check_repeated(BASE "x = ", "{a=", SCAN_DEPTH_MAX + 1, "5;", "more than 32 deep");
	check_repeated(BASE "x = ", "(", 1000000, "5;", "more than 32 deep");
	check_repeated(BASE "x = \"", "s", SCAN_STRING_MAX, "\";", NULL);
	check_repeated(BASE "x = \"", "s", SCAN_STRING_MAX + 1, "\";", "a string has 4097 bytes; at most 4096");
	check_repeated(BASE "x = \"", "s", 1024 * 1024, "\";", "a string has 1048576 bytes; at most 4096");
	check_repeated(BASE "x = [ ", "5,", CONFIG_ITEMS_MAX, "5 ];", "more than 200000 entries in one list");
	check_repeated(BASE "#", "x", 1024 * 1024, "\n", NULL);
	check_repeated(BASE, "x", SCAN_NAME_MAX + 1, " = 5;", "a name of more than 64 bytes");
	check_repeated(BASE "max_in_flight = ", "1", 1024 * 1024, ";", "is too large");
	check_repeated("accounts = ( { name = \"", "n", LIMIT_NAME + 1, "\"; credentials: { source = \"env\"; }; regions = [ \"cn-shanghai\" ]; } );",
		       "accounts[0].name: \"nnn");
}

/* By the scan alone: libconfig takes long for the largest list under a sanitizer. */
static void test_longest_list(void **state)
{
	char *text = repeat("x = [ ", "5,", CONFIG_ITEMS_MAX - 1, "5 ];\n");
	struct report report = { .n_dropped = 0 };

	(void)state;
	assert_true(scan_text("t.cfg", text, strlen(text), &report));
	assert_int_equal(report.messages.n, 0);
	free(text);
}

static void test_many_settings_in_a_group(void **state)
{
	char text[4096] = BASE;
	struct config_messages messages;
	struct config *config = NULL;

	(void)state;
	for (int i = 0; i < SCAN_GROUP_MAX - 1; i++) /* two are there, so one past */
		sprintf(text + strlen(text), "k%d = 5;", i);
	assert_int_equal(config_from_text("t.cfg", text, strlen(text), &config, &messages), CONFIG_E_INVALID);
	assert_true(has_message(&messages, CONFIG_ERROR, "t.cfg:3: more than 64 settings in one group"));
	assert_int_equal(messages.n, 1);
	config_messages_deinit(&messages);
}

static void test_nul(void **state)
{
	static const char text[] = BASE "# \0\n";
	struct config_messages messages;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_from_text("t.cfg", text, sizeof(text) - 1, &config, &messages), CONFIG_E_INVALID);
	assert_true(has_message(&messages, CONFIG_ERROR, "t.cfg:3: a NUL byte"));
	config_messages_deinit(&messages);
}

/* All errors come at once, the first hundred with their words, and errors before warnings. */
static void test_many_errors(void **state)
{
	char *text = repeat(BASE "pins = ( { }", ", { }", 59, " );\nmode = 5; max_in_flight = 0;");
	struct config_messages messages;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_from_text("t.cfg", text, strlen(text), &config, &messages), CONFIG_E_INVALID);
	assert_int_equal(messages.n_errors, 60 * 3 + 2); /* name, match, nothing pinned */
	assert_int_equal(messages.n, CONFIG_ERRORS_MAX + 1);
	assert_string_equal(messages.items[CONFIG_ERRORS_MAX].text, "and 82 more");
	config_messages_deinit(&messages);
	free(text);

	text = repeat(ACCOUNT "policies = ( { name = \"p\"; windows = []; }", ", { name = \"p\"; windows = []; }", 120, " );");
	assert_int_equal(config_from_text("t.cfg", text, strlen(text), &config, &messages), CONFIG_E_INVALID);
	assert_int_equal(messages.n_errors, 120);
	assert_int_equal(messages.n, CONFIG_ERRORS_MAX + 1);
	for (size_t i = 0; i < messages.n; i++)
		assert_int_equal(messages.items[i].severity, CONFIG_ERROR);
	config_messages_deinit(&messages);
	free(text);
}

/* 120 warnings, then an error: it takes the place of one of them. */
static void test_error_behind_warnings(void **state)
{
	char text[16384] = ACCOUNT "policies = ( ";
	struct config_messages messages;
	struct config *config = NULL;

	(void)state;
	for (int i = 0; i < 120; i++)
		sprintf(text + strlen(text), "%s{ name = \"p%d\"; }", i ? ", " : "", i);
	strcat(text, " );\n" PIN("match: { id = \"*\"; }; device = \"latest\"; policy = \"p1\";"));
	assert_int_equal(config_from_text("t.cfg", text, strlen(text), &config, &messages), CONFIG_E_INVALID);
	assert_int_equal(messages.n, CONFIG_ERRORS_MAX + 1);
	assert_true(has_message(&messages, CONFIG_ERROR, "device = \"latest\" is no version"));
	config_messages_deinit(&messages);
}

static void test_scope_limit(void **state)
{
	char text[16384] = "accounts = ( { name = \"a\"; credentials: { source = \"env\"; }; endpoint = \"https://x.example\"; regions = [ \"r\"";
	struct config_messages messages;
	struct config *config = NULL;
	size_t len;

	(void)state;
	for (int i = 1; i < CONFIG_SCOPES_MAX; i++)
		sprintf(text + strlen(text), ", \"r%d\"", i);
	len = strlen(text);
	strcpy(text + len, " ]; } );");
	config = load(text);
	assert_int_equal(config->settings.n_scopes, CONFIG_SCOPES_MAX);
	config_free(config);
	strcpy(text + len, ", \"one-more\" ]; } );");
	assert_int_equal(config_from_text("t.cfg", text, strlen(text), &config, &messages), CONFIG_E_INVALID);
	assert_true(has_message(&messages, CONFIG_ERROR, "accounts[0] (\"a\"): more than 256 regions"));
	config_messages_deinit(&messages);
}

/* Lines are libconfig's: they must be right behind comments, empty lines and CRLF. */
static void test_lines(void **state)
{
	static const char text[] = "# a\r\n/* b\n\n*/ " ACCOUNT "\r\n// c\npolicies\n = (\n { name = \"p\";\n\n windows = [\n \"always\",\n \"night\" ]; }\n);\n";
	struct config_messages messages;
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_from_text("t.cfg", text, sizeof(text) - 1, &config, &messages), CONFIG_E_INVALID);
	assert_int_equal(messages.n, 1);
	assert_non_null(strstr(messages.items[0].text, "t.cfg:13: policies[0] (\"p\"): windows: \"night\" names no window"));
	config_messages_deinit(&messages);
}

static void test_credentials(void **state)
{
	struct config *c = load(CREDENTIALS("source = \"assume_role\"; base = \"file\"; path = \"k\"; role_arn = \"acs:ram::1:role/r\"; session_name = \"s1\"; duration = \"2h\"; sts_endpoint = \"https://sts.x\";"));
	const struct identity_settings *s = &c->accounts[0].credentials;

	(void)state;
	assert_int_equal(s->source, CREDENTIALS_ASSUME_ROLE);
	assert_int_equal(s->base, CREDENTIALS_FILE);
	assert_string_equal(s->path, "k");
	assert_string_equal(s->role_arn, "acs:ram::1:role/r");
	assert_string_equal(s->session_name, "s1");
	assert_string_equal(s->sts_endpoint, "https://sts.x");
	assert_int_equal(s->duration_ns, 7200 * NS_PER_S);
	assert_null(s->uri);
	config_free(c);
	c = load(CREDENTIALS("source = \"oidc\"; oidc_provider_arn = \"acs:ram::1:oidc-provider/p\"; oidc_token_file = \"/t\";"));
	s = &c->accounts[0].credentials;
	assert_string_equal(s->oidc_provider_arn, "acs:ram::1:oidc-provider/p");
	assert_string_equal(s->oidc_token_file, "/t");
	assert_int_equal(s->base, CREDENTIALS_ENV);
	assert_int_equal(s->duration_ns, 3600 * NS_PER_S);
	config_free(c);
	c = load(CREDENTIALS("source = \"ecs_ram_role\"; role_name = \"r\"; metadata_endpoint = \"http://127.0.0.1:1/\";"));
	assert_string_equal(c->accounts[0].credentials.role_name, "r");
	assert_string_equal(c->accounts[0].credentials.metadata_endpoint, "http://127.0.0.1:1/");
	config_free(c);
	c = load(CREDENTIALS("source = \"uri\"; uri = \"http://127.0.0.1:1/a\";"));
	assert_string_equal(c->accounts[0].credentials.uri, "http://127.0.0.1:1/a");
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_longest_list),
		cmocka_unit_test(test_many_settings_in_a_group),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_error_behind_warnings),
		cmocka_unit_test(test_scope_limit),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
