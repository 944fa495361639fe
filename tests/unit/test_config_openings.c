/* What check-config tells of policies, at a given time. */
#include "config_test.h"

#include "commands/openings.h"

#define DAY INT64_C(86400)
#define NOW CONFIG_TEXT_NOW_S /* Thu 2026-01-01 00:00 UTC, 08:00 in Shanghai */
#define NIGHT "windows = ( { name = \"night\"; time_zone = \"Asia/Shanghai\"; days = [ \"Fri\", \"Sat\" ]; start = \"01:00\"; length = \"4h\"; },\n" \
	"{ name = \"noon\"; time_zone = \"America/New_York\"; days = [ \"Mon\" ]; start = \"12:30\"; length = \"1h\"; } );\n"
#define WITH(policy) ACCOUNT NIGHT \
	"freezes = ( { name = \"sales\"; time_zone = \"Asia/Shanghai\"; from = \"2026-01-02 04:00\"; to = \"2026-01-10 02:00\"; reason = \"sales peak\"; },\n" \
	"{ name = \"old\"; time_zone = \"Asia/Shanghai\"; from = \"2025-12-31\"; to = \"2026-01-01 08:00\"; },\n" \
	"{ name = \"long\"; time_zone = \"UTC\"; from = \"2026-01-01\"; to = \"2027-12-31\"; } );\n" \
	"policies = ( { name = \"p\"; " policy " } );\n" PIN("match: { id = \"*\"; }; device = \"1.0\"; policy = \"p\";")

static const struct {
	const char *text;
	int64_t now_s;
	const char *out, *warnings;
} cases[] = {
	{ WITH("windows = [ \"always\" ];"), NOW,
	  "policy \"p\": always open\n"
	  "  at most about 3072 starts fit into the next 32 days, which are open for 32d\n", "" },
	{ WITH("windows = [ \"always\" ]; max_in_flight = \"5%\"; max_starts_per_hour = 3;"), NOW,
	  "policy \"p\": always open\n"
	  "  at most about 2303 starts fit into the next 32 days, which are open for 32d\n", "" },
	{ WITH("windows = [ \"always\" ]; max_in_flight = 100;"), NOW, /* the daemon's limit of 50 does not bite, the rate does */
	  "policy \"p\": always open\n"
	  "  at most about 46065 starts fit into the next 32 days, which are open for 32d\n", "" },
	{ WITH("windows = [ \"night\" ];"), NOW,
	  "policy \"p\": closed (window): outside of its windows\n"
	  "  open Fri 2026-01-02 01:00 to Fri 2026-01-02 05:00 Asia/Shanghai (Thu 2026-01-01 17:00 to Thu 2026-01-01 21:00 UTC)\n"
	  "  open Sat 2026-01-03 01:00 to Sat 2026-01-03 05:00 Asia/Shanghai (Fri 2026-01-02 17:00 to Fri 2026-01-02 21:00 UTC)\n"
	  "  open Fri 2026-01-09 01:00 to Fri 2026-01-09 05:00 Asia/Shanghai (Thu 2026-01-08 17:00 to Thu 2026-01-08 21:00 UTC)\n"
	  "  at most about 160 starts fit into the next 32 days, which are open for 1d16h\n", "" },
	/* one second before it opens, as it does, as too little is left, as it ends */
	{ WITH("windows = [ \"night\" ]; freezes = [ \"sales\" ];"), NOW + 17 * 3600 - 1,
	  "policy \"p\": closed (window): outside of its windows\n"
	  "  open Fri 2026-01-02 01:00 to Fri 2026-01-02 04:00 Asia/Shanghai (Thu 2026-01-01 17:00 to Thu 2026-01-01 20:00 UTC)\n"
	  "  open Sat 2026-01-10 02:00 to Sat 2026-01-10 05:00 Asia/Shanghai (Fri 2026-01-09 18:00 to Fri 2026-01-09 21:00 UTC)\n"
	  "  open Fri 2026-01-16 01:00 to Fri 2026-01-16 05:00 Asia/Shanghai (Thu 2026-01-15 17:00 to Thu 2026-01-15 21:00 UTC)\n"
	  "  at most about 120 starts fit into the next 32 days, which are open for 1d6h\n", "" },
	{ WITH("windows = [ \"night\" ]; freezes = [ \"sales\" ];"), NOW + 17 * 3600,
	  "policy \"p\": open\n"
	  "  open now to Fri 2026-01-02 04:00 Asia/Shanghai (now to Thu 2026-01-01 20:00 UTC)\n"
	  "  open Sat 2026-01-10 02:00 to Sat 2026-01-10 05:00 Asia/Shanghai (Fri 2026-01-09 18:00 to Fri 2026-01-09 21:00 UTC)\n"
	  "  open Fri 2026-01-16 01:00 to Fri 2026-01-16 05:00 Asia/Shanghai (Thu 2026-01-15 17:00 to Thu 2026-01-15 21:00 UTC)\n"
	  "  at most about 120 starts fit into the next 32 days, which are open for 1d6h\n", "" },
	{ WITH("windows = [ \"night\" ]; freezes = [ \"sales\" ];"), NOW + 20 * 3600 - 900,
	  "policy \"p\": open\n"
	  "  open now to Fri 2026-01-02 04:00 Asia/Shanghai (now to Thu 2026-01-01 20:00 UTC)\n"
	  "  open Sat 2026-01-10 02:00 to Sat 2026-01-10 05:00 Asia/Shanghai (Fri 2026-01-09 18:00 to Fri 2026-01-09 21:00 UTC)\n"
	  "  open Fri 2026-01-16 01:00 to Fri 2026-01-16 05:00 Asia/Shanghai (Thu 2026-01-15 17:00 to Thu 2026-01-15 21:00 UTC)\n"
	  "  at most about 109 starts fit into the next 32 days, which are open for 1d3h15m\n", "" },
	{ WITH("windows = [ \"night\" ]; freezes = [ \"sales\" ];"), NOW + 20 * 3600 - 899,
	  "policy \"p\": open, but nothing starts (window_too_short): less than upgrade_takes 15m is left\n"
	  "  open now to Fri 2026-01-02 04:00 Asia/Shanghai (now to Thu 2026-01-01 20:00 UTC)\n"
	  "  open Sat 2026-01-10 02:00 to Sat 2026-01-10 05:00 Asia/Shanghai (Fri 2026-01-09 18:00 to Fri 2026-01-09 21:00 UTC)\n"
	  "  open Fri 2026-01-16 01:00 to Fri 2026-01-16 05:00 Asia/Shanghai (Thu 2026-01-15 17:00 to Thu 2026-01-15 21:00 UTC)\n"
	  "  at most about 108 starts fit into the next 32 days, which are open for 1d3h14m59s\n", "" },
	{ WITH("windows = [ \"night\" ]; freezes = [ \"sales\" ];"), NOW + 20 * 3600,
	  "policy \"p\": closed (freeze): \"sales\" until Sat 2026-01-10 02:00 Asia/Shanghai (Fri 2026-01-09 18:00 UTC): sales peak\n"
	  "  open Sat 2026-01-10 02:00 to Sat 2026-01-10 05:00 Asia/Shanghai (Fri 2026-01-09 18:00 to Fri 2026-01-09 21:00 UTC)\n"
	  "  open Fri 2026-01-16 01:00 to Fri 2026-01-16 05:00 Asia/Shanghai (Thu 2026-01-15 17:00 to Thu 2026-01-15 21:00 UTC)\n"
	  "  open Sat 2026-01-17 01:00 to Sat 2026-01-17 05:00 Asia/Shanghai (Fri 2026-01-16 17:00 to Fri 2026-01-16 21:00 UTC)\n"
	  "  at most about 108 starts fit into the next 32 days, which are open for 1d3h\n", "" },
	/* a freeze that is over right now, and an upgrade as long as its window: one start each */
	{ WITH("windows = [ \"night\" ]; freezes = [ \"old\" ]; upgrade_takes = \"4h\"; deadline = \"5h\";"), NOW,
	  "policy \"p\": closed (window): outside of its windows\n"
	  "  open Fri 2026-01-02 01:00 to Fri 2026-01-02 05:00 Asia/Shanghai (Thu 2026-01-01 17:00 to Thu 2026-01-01 21:00 UTC)\n"
	  "  open Sat 2026-01-03 01:00 to Sat 2026-01-03 05:00 Asia/Shanghai (Fri 2026-01-02 17:00 to Fri 2026-01-02 21:00 UTC)\n"
	  "  open Fri 2026-01-09 01:00 to Fri 2026-01-09 05:00 Asia/Shanghai (Thu 2026-01-08 17:00 to Thu 2026-01-08 21:00 UTC)\n"
	  "  at most about 10 starts fit into the next 32 days, which are open for 1d16h\n", "" },
	/* each on its own clock, and on that of the one that begins it */
	{ WITH("windows = [ \"noon\", \"night\" ];"), NOW,
	  "policy \"p\": closed (window): outside of its windows\n"
	  "  open Fri 2026-01-02 01:00 to Fri 2026-01-02 05:00 Asia/Shanghai (Thu 2026-01-01 17:00 to Thu 2026-01-01 21:00 UTC)\n"
	  "  open Sat 2026-01-03 01:00 to Sat 2026-01-03 05:00 Asia/Shanghai (Fri 2026-01-02 17:00 to Fri 2026-01-02 21:00 UTC)\n"
	  "  open Mon 2026-01-05 12:30 to Mon 2026-01-05 13:30 America/New_York (Mon 2026-01-05 17:30 to Mon 2026-01-05 18:30 UTC)\n"
	  "  at most about 176 starts fit into the next 32 days, which are open for 1d20h\n", "" },
	/* `always` with a freeze: on the freeze's clock, and without an end */
	{ WITH("windows = [ \"always\" ]; freezes = [ \"sales\" ];"), NOW,
	  "policy \"p\": open\n"
	  "  open now to Fri 2026-01-02 04:00 Asia/Shanghai (now to Thu 2026-01-01 20:00 UTC)\n"
	  "  open Sat 2026-01-10 02:00 Asia/Shanghai (Fri 2026-01-09 18:00 UTC), with no end in sight\n"
	  "  at most about 2312 starts fit into the next 32 days, which are open for 24d2h\n", "" },
	/* the freeze that ends last counts */
	{ WITH("windows = [ \"always\" ]; freezes = [ \"sales\", \"long\" ];"), NOW + 2 * DAY,
	  "policy \"p\": closed (freeze): \"long\" until Fri 2027-12-31 00:00 UTC (Fri 2027-12-31 00:00 UTC)\n"
	  "  no opening in the next 400 days\n",
	  "warning: policy \"p\": no upgrade can start in the next 32 days: its windows without its freezes never leave upgrade_takes 15m; widen windows or shorten freezes\n" },
	/* what the freeze leaves of a window is too short */
	{ WITH("windows = [ \"night\" ]; freezes = [ \"long\" ];"), NOW + 728 * DAY,
	  "policy \"p\": closed (freeze): \"long\" until Fri 2027-12-31 00:00 UTC (Fri 2027-12-31 00:00 UTC)\n"
	  "  open Sat 2028-01-01 01:00 to Sat 2028-01-01 05:00 Asia/Shanghai (Fri 2027-12-31 17:00 to Fri 2027-12-31 21:00 UTC)\n"
	  "  open Fri 2028-01-07 01:00 to Fri 2028-01-07 05:00 Asia/Shanghai (Thu 2028-01-06 17:00 to Thu 2028-01-06 21:00 UTC)\n"
	  "  open Sat 2028-01-08 01:00 to Sat 2028-01-08 05:00 Asia/Shanghai (Fri 2028-01-07 17:00 to Fri 2028-01-07 21:00 UTC)\n"
	  "  at most about 144 starts fit into the next 32 days, which are open for 1d12h\n", "" },
	{ WITH(""), NOW,
	  "policy \"p\": closed (window): it has no windows\n"
	  "  no opening in the next 400 days\n", "" },
	/* a policy without pins is left out, and so is a configuration without any */
	{ ACCOUNT "policies = ( { name = \"p\"; windows = [ \"always\" ]; }, { name = \"q\"; windows = [ \"always\" ]; } );\n"
	  PIN("match: { id = \"*\"; }; dpi = \"1.0\"; dpi_policy = \"q\";"), NOW,
	  "policy \"q\": always open\n"
	  "  at most about 3072 starts fit into the next 32 days, which are open for 32d\n", "" },
	{ BASE, NOW, "", "" },
};

static void test_told(void **state)
{
	size_t n_wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_messages messages;
		struct config *config = NULL;
		char *out = NULL, *warnings = NULL;
		size_t out_size, warnings_size;
		FILE *to = open_memstream(&out, &out_size), *aside = open_memstream(&warnings, &warnings_size);

		assert_int_equal(config_from_text("t.cfg", cases[i].text, strlen(cases[i].text), &config, &messages), 0);
		assert_true(to && aside);
		assert_int_equal(openings_print(config, cases[i].now_s, to, aside), 0);
		assert_true(fclose(to) == 0 && fclose(aside) == 0);
		if (strcmp(out, cases[i].out) != 0 || strcmp(warnings, cases[i].warnings) != 0) {
			print_error("case %zu gave:\n%s%swanted:\n%s%s", i, out, warnings, cases[i].out, cases[i].warnings);
			n_wrong++;
		}
		free(out);
		free(warnings);
		config_messages_deinit(&messages);
		config_free(config);
	}
	assert_int_equal(n_wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
