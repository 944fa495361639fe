/*
 * What is told and what is counted, of actions that name what is there and what is not any more. The core and the ledger
 * are doubles here: what they would show is set by each test.
 */
#include "report.h"
#include "ledger.h"
#include "log.h"
#include "process.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static const struct scope scopes[] = { { .account = "prod", .region_id = "cn-shanghai" }, { .account = "o'neil & $(co)", .region_id = "eu-central-1" } };
static const struct policy policies[] = { { .name = "branches" }, { .name = "shops" } };
static const struct config config = { .settings = { .scopes = scopes, .n_scopes = 2, .policies = policies, .n_policies = 2 }, .hash = "abc" };
static struct daemon d;
static struct report *report;
static int log_fd;

/* ---- doubles ---- */

static bool is_loaded, has_target, has_intent, has_rollout;
static struct rollout_view rollout;
static struct intent_view intent;
static struct tally_view tallies[8];
static uint32_t n_tallies;
static bool is_paused;

bool ledger_is_loaded(const struct ledger *l)
{
	(void)l;
	return is_loaded;
}

bool reconcile_instance(const struct reconcile *r, uint32_t slot, struct instance_view *ret_view)
{
	(void)r;
	assert_int_not_equal(slot, NONE);
	*ret_view = (struct instance_view){ .instance_id = "sag-1", .status_text = "Migrating" };
	return has_target;
}

bool reconcile_target(const struct reconcile *r, uint32_t slot, struct target_view *ret_view)
{
	(void)r;
	assert_int_not_equal(slot, NONE);
	if (has_target)
		*ret_view = (struct target_view){ .instance_id = "sag-1", .serial_number = "sn-1", .reported = "3.1.0", .desired = "3.4.2" };
	return has_target;
}

bool reconcile_intent(const struct reconcile *r, uint64_t id, struct intent_view *ret_view)
{
	(void)r;
	(void)id;
	*ret_view = intent;
	return has_intent;
}

bool reconcile_rollout(const struct reconcile *r, uint32_t slot, struct rollout_view *ret_view)
{
	(void)r;
	(void)slot;
	if (has_rollout)
		*ret_view = rollout;
	return has_rollout;
}

uint32_t reconcile_tallies(const struct reconcile *r)
{
	(void)r;
	return n_tallies;
}

bool reconcile_tally(const struct reconcile *r, uint32_t i, struct tally_view *ret_view)
{
	(void)r;
	*ret_view = tallies[i];
	return true;
}

bool reconcile_is_paused(const struct reconcile *r)
{
	(void)r;
	return is_paused;
}

uint32_t reconcile_in_flight(const struct reconcile *r)
{
	(void)r;
	return 0;
}

uint32_t client_in_flight(const struct client *c)
{
	(void)c;
	return 0;
}

bool identity_is_valid(const struct identity *x)
{
	(void)x;
	return true;
}

int64_t identity_expires_s(const struct identity *x)
{
	(void)x;
	return 0;
}

void process_update(struct registry *r)
{
	(void)r;
}

/* ---- a report for each test ---- */

static int set_up(void **state)
{
	(void)state;
	d = (struct daemon){ .config = &config };
	is_loaded = has_target = has_intent = has_rollout = is_paused = false;
	n_tallies = 0;
	rollout = (struct rollout_view){ 0 };
	intent = (struct intent_view){ 0 };
	log_fd = memfd_create("log", 0);
	log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT, log_fd);
	return log_fd < 0 || registry_new(&d.registry) || report_new(&d, &report) ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	report_free(report);
	registry_free(d.registry);
	close(log_fd);
	return 0;
}

/* What was logged since the last call, without the times; one line, or "". */
static const char *logged(void)
{
	static char text[16384];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);
	char *level;

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(log_fd, 0), 0);
	assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
	if (n == 0)
		return "";
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	text[n - 1] = '\0';
	level = strstr(text, "level=");
	assert_non_null(level);
	return level;
}

static const char *told(const struct action *a)
{
	const struct event ev = { .kind = EVENT_TICK };
	const struct plan plan = { .actions = a, .n_actions = 1 };

	report_plan(report, &ev, &plan, "", "");
	return logged();
}

/* The exposition's lines of one metric, each with its newline. */
static const char *shown(const char *name)
{
	static char text[1 << 20];
	char header[128];
	struct exposition *e;
	size_t n = 0;
	char *from, *to;

	report_refresh(report);
	assert_int_equal(d.error, 0);
	assert_int_equal(exposition_new(EXPOSE_TEXT, d.registry, NULL, &e), 0);
	while (!exposition_is_ended(e))
		n += exposition_write(e, text + n, sizeof(text) - n);
	text[n] = '\0';
	exposition_free(e);
	snprintf(header, sizeof(header), "# TYPE %s ", name);
	from = strstr(text, header);
	if (!from)
		return "";
	from = strchr(from, '\n') + 1;
	to = strstr(from, "# ");
	if (to)
		*to = '\0';
	return from;
}

/* ---- logs ---- */

static void test_halted(void **state)
{
	const struct action a = { .kind = ACTION_TELL_ROLLOUT, .scope = NONE, .instance = NONE, .target = NONE, .policy = 0, .to = "3.4.2",
				  .rollout_change = ROLLOUT_HALTED, .wave = "canary" };

	(void)state;
	has_rollout = true;
	rollout = (struct rollout_view){ .policy_name = "branches", .version = "3.4.2", .wave_name = "canary", .halt_cause = HALT_BY_REASON,
					 .halt_reason = REASON_UNHEALTHY, .failed = 2, .ended = 7 };
	assert_string_equal(told(&a),
			    "level=warn msg=\"a rollout halted; it starts no more upgrades until it is resumed\" policy=branches "
			    "version_type=Device version=3.4.2 wave=canary cause=by_reason reason=unhealthy failed=2 ended=7 "
			    "next=\"look at the failures, then: sagpin resume --policy=branches --version-type=Device --version=3.4.2 --why=…\"");
	/* what a shell would take apart is quoted, whoever chose it */
	rollout.policy_name = "it's $(me)";
	rollout.version = "";
	assert_non_null(strstr(told(&a), "--policy='it'\\\\''s $(me)' --version-type=Device --version='' --why"));
}

static void test_rollouts(void **state)
{
	static const struct {
		enum rollout_change change;
		const char *line;
	} table[] = {
		{ ROLLOUT_BEGAN, "level=info msg=\"a rollout began\" policy=shops version_type=Dpi version=1.2 wave=early" },
		{ ROLLOUT_WAVE_PASSED, "level=info msg=\"a rollout came to its next wave\" policy=shops version_type=Dpi version=1.2 wave=early" },
		{ ROLLOUT_AWAITING,
		  "level=warn msg=\"a wave of a rollout catches nothing that could go; it waits with approval\" policy=shops version_type=Dpi "
		  "version=1.2 wave=early next=\"look at its match, then: sagpin approve --policy=shops --version-type=Dpi --version=1.2 "
		  "--wave=early --why=…\"" },
		{ ROLLOUT_RESUMED, "level=info msg=\"a rollout was resumed\" policy=shops version_type=Dpi version=1.2 wave=early" },
		{ ROLLOUT_COMPLETED, "level=info msg=\"a rollout is complete\" policy=shops version_type=Dpi version=1.2 wave=early" },
		{ ROLLOUT_REOPENED, "level=info msg=\"a rollout is not complete any more\" policy=shops version_type=Dpi version=1.2 wave=early" },
		/* its slot may be another's already */
		{ ROLLOUT_ENDED,
		  "level=info msg=\"a rollout ended; nobody wants its version any more\" policy=branches version_type=Device version=9.9" },
	};

	(void)state;
	has_rollout = true;
	rollout = (struct rollout_view){ .policy_name = "shops", .version = "1.2", .version_type = VERSION_TYPE_DPI, .wave_name = "another" };
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct action a = { .kind = ACTION_TELL_ROLLOUT, .scope = NONE, .instance = NONE, .target = NONE, .policy = 0, .to = "9.9",
					  .rollout_change = table[i].change, .wave = "early" };

		assert_string_equal(told(&a), table[i].line);
	}
}

/* Of a policy that left the settings. */
static void test_a_rollout_without_policy(void **state)
{
	struct action a = { .kind = ACTION_TELL_ROLLOUT, .scope = NONE, .instance = NONE, .target = NONE, .policy = POLICY_NONE, .to = "9.9",
			    .rollout_change = ROLLOUT_ENDED };

	(void)state;
	assert_string_equal(told(&a), "level=info msg=\"a rollout ended; nobody wants its version any more\" version_type=Device version=9.9");
	a.rollout_change = ROLLOUT_HALTED;
	assert_non_null(strstr(told(&a), "level=warn"));
}

static void test_approvals(void **state)
{
	struct action a = { .kind = ACTION_TELL_APPROVAL, .scope = 0, .instance = NONE, .target = NONE, .policy = POLICY_NONE, .to = "3.4.2",
			    .count = 812 };

	(void)state;
	assert_string_equal(told(&a),
			    "level=warn msg=\"targets wait with approval, because too many would change at once\" account=prod "
			    "version_type=Device version=3.4.2 count=812 next=\"if this is what you want: sagpin approve --account=prod "
			    "--version-type=Device --version=3.4.2 --count=812 --why=…\"");
	a.scope = 1;
	assert_non_null(strstr(told(&a), "--account='o'\\\\''neil & $(co)' --version-type"));
	a.scope = NONE;
	assert_string_equal(told(&a), "level=warn msg=\"targets wait with approval, because too many would change at once\" "
				      "version_type=Device version=3.4.2 count=812");
	a.scope = 0;
	a.count = 0;
	assert_string_equal(told(&a), "level=info msg=\"no target waits with approval any more\" account=prod version_type=Device "
				      "version=3.4.2 count=0");
}

/* An intent that outlived its instance, its scope and its policy is told by what it knows itself. */
static void test_an_intent_of_a_scope_that_left(void **state)
{
	const struct action a = { .kind = ACTION_TELL_SETTLED, .scope = NONE, .instance = 3, .target = 4, .intent = 77, .policy = POLICY_NONE,
				  .outcome = INTENT_FAILED, .reason = REASON_DEADLINE, .from = "3.1.0", .to = "3.4.2" };
	struct action bare = a;

	(void)state;
	has_intent = true;
	intent = (struct intent_view){ .instance_id = "sag-9", .serial_number = "sn-9", .from = "3.1.0", .to = "3.4.2", .policy = POLICY_NONE,
				       .policy_name = "gone", .scope = NONE, .target = NONE };
	assert_string_equal(told(&a), "level=warn msg=\"upgrade settled\" instance_id=sag-9 serial_number=sn-9 version_type=Device "
				      "policy=gone reason=deadline outcome=failed from=3.1.0 to=3.4.2");
	has_intent = false;
	bare.instance = bare.target = NONE;
	assert_string_equal(told(&bare), "level=warn msg=\"upgrade settled\" reason=deadline outcome=failed from=3.1.0 to=3.4.2");
	for (enum action_kind kind = 0; kind < ACTION_KIND_N; kind++) {
		struct action any = { .kind = kind, .scope = NONE, .instance = NONE, .target = NONE, .policy = POLICY_NONE, .rollout = NONE };

		told(&any); /* nothing is indexed with NONE */
	}
}

static void test_a_target(void **state)
{
	const struct action a = { .kind = ACTION_TELL_PHASE, .scope = 0, .instance = 3, .target = 4, .policy = POLICY_NONE, .phase = PHASE_WAITING,
				  .reason = REASON_WINDOW, .old_phase = PHASE_UNKNOWN };

	(void)state;
	has_target = true;
	assert_string_equal(told(&a), "level=info msg=\"phase changed\" account=prod region_id=cn-shanghai instance_id=sag-1 serial_number=sn-1 "
				      "version_type=Device phase=waiting reason=window old_phase=unknown reported=3.1.0 desired=3.4.2");
}

static void test_the_store_is_told_once(void **state)
{
	(void)state;
	report_store(report, true, "");
	assert_string_equal(logged(), "");
	report_store(report, false, "/var/lib/sagpin/state.db: disk full; make room");
	assert_string_equal(logged(), "level=error msg=\"the state store takes nothing; no upgrade starts until it does\" "
				      "error=\"/var/lib/sagpin/state.db: disk full; make room\"");
	report_store(report, false, "still");
	assert_string_equal(logged(), "");
	report_store(report, true, "");
	assert_string_equal(logged(), "level=info msg=\"the state store recovered\"");
	report_store(report, true, "");
	assert_string_equal(logged(), "");
	report_store(report, false, "again");
	assert_non_null(strstr(logged(), "error=again"));
}

/* ---- counters ---- */

static void test_commits(void **state)
{
	(void)state;
	assert_string_equal(shown("sagpin_state_commits_total"), "sagpin_state_commits_total 0\n");
	assert_string_equal(shown("sagpin_state_commit_failures_total"), "sagpin_state_commit_failures_total 0\n");
	report_commit(report, true, 2 * NS_PER_MS);
	report_commit(report, true, 4 * NS_PER_MS);
	report_commit(report, false, 7 * NS_PER_S);
	assert_string_equal(shown("sagpin_state_commits_total"), "sagpin_state_commits_total 2\n");
	assert_string_equal(shown("sagpin_state_commit_failures_total"), "sagpin_state_commit_failures_total 1\n");
	assert_non_null(strstr(shown("sagpin_state_commit_duration_seconds"), "le=\"0.0025\"} 1\n"));
	assert_non_null(strstr(shown("sagpin_state_commit_duration_seconds"), "_count 3\n"));
}

static void test_paused(void **state)
{
	(void)state;
	assert_string_equal(shown("sagpin_paused"), "sagpin_paused 0\n");
	is_paused = true;
	assert_string_equal(shown("sagpin_paused"), "sagpin_paused 1\n");
}

#define STARTED(scope, type, policy, value) "sagpin_upgrades_started_total{" scope ",version_type=\"" type "\",policy=\"" policy "\"} " value "\n"
#define PROD "account=\"prod\",region_id=\"cn-shanghai\""
#define OTHER "account=\"o'neil & $(co)\",region_id=\"eu-central-1\""

/* Nothing before the state was read; then all that is configured, at what was committed or at 0. */
static void test_tallies_come_with_the_state(void **state)
{
	(void)state;
	tallies[n_tallies++] = (struct tally_view){ TALLY_STARTED, "prod", "cn-shanghai", "shops", VERSION_TYPE_DPI, REASON_NONE, 41 };
	assert_string_equal(shown("sagpin_upgrades_started_total"), "");
	assert_string_equal(shown("sagpin_upgrades_failed_total"), "");
	assert_string_equal(shown("sagpin_external_version_changes_total"), "");
	is_loaded = true;
	assert_string_equal(shown("sagpin_upgrades_started_total"),
			    STARTED(PROD, "Device", "branches", "0") STARTED(PROD, "Device", "shops", "0") STARTED(PROD, "Dpi", "branches", "0")
			    STARTED(PROD, "Dpi", "shops", "41") STARTED(OTHER, "Device", "branches", "0") STARTED(OTHER, "Device", "shops", "0")
			    STARTED(OTHER, "Dpi", "branches", "0") STARTED(OTHER, "Dpi", "shops", "0"));
	tallies[0].value = 42;
	assert_non_null(strstr(shown("sagpin_upgrades_started_total"), STARTED(PROD, "Dpi", "shops", "42")));
	assert_non_null(strstr(shown("sagpin_external_version_changes_total"), "{" OTHER ",version_type=\"Dpi\"} 0\n"));
}

/* Of a policy that is gone, yes; of an account or a region that is gone, no. */
static void test_tallies_of_what_is_gone(void **state)
{
	const char *text;

	(void)state;
	is_loaded = true;
	tallies[n_tallies++] = (struct tally_view){ TALLY_SUCCEEDED, "prod", "cn-shanghai", "former", VERSION_TYPE_DEVICE, REASON_NONE, 5 };
	tallies[n_tallies++] = (struct tally_view){ TALLY_SUCCEEDED, "prod", "us-east-1", "shops", VERSION_TYPE_DEVICE, REASON_NONE, 6 };
	tallies[n_tallies++] = (struct tally_view){ TALLY_SUCCEEDED, "sold", "cn-shanghai", "shops", VERSION_TYPE_DEVICE, REASON_NONE, 7 };
	tallies[n_tallies++] = (struct tally_view){ TALLY_EXTERNAL_CHANGE, "prod", "cn-shanghai", "", VERSION_TYPE_DEVICE, REASON_NONE, 8 };
	text = shown("sagpin_upgrades_succeeded_total");
	assert_non_null(strstr(text, "policy=\"former\"} 5\n"));
	assert_null(strstr(text, "us-east-1"));
	assert_null(strstr(text, "sold"));
	assert_non_null(strstr(shown("sagpin_external_version_changes_total"), "{" PROD ",version_type=\"Device\"} 8\n"));
}

/* The reasons are a closed list: what is no failure of a target is none here. */
static void test_failed_reasons(void **state)
{
	static const enum reason others[] = { REASON_THROTTLED, REASON_CREDENTIALS, REASON_OFFLINE, REASON_NONE };
	const char *text;

	(void)state;
	is_loaded = true;
	tallies[n_tallies++] = (struct tally_view){ TALLY_FAILED, "prod", "cn-shanghai", "shops", VERSION_TYPE_DEVICE, REASON_NO_EFFECT, 3 };
	for (size_t i = 0; i < 4; i++)
		tallies[n_tallies++] = (struct tally_view){ TALLY_FAILED, "prod", "cn-shanghai", "shops", VERSION_TYPE_DEVICE, others[i], 9 };
	text = shown("sagpin_upgrades_failed_total");
	assert_non_null(strstr(text, "{" PROD ",version_type=\"Device\",policy=\"shops\",reason=\"no_effect\"} 3\n"));
	assert_non_null(strstr(text, "{" OTHER ",version_type=\"Device\",policy=\"shops\",reason=\"no_effect\"} 0\n"));
	assert_null(strstr(text, "} 9\n"));
	for (size_t i = 0; i < 4; i++)
		assert_null(strstr(text, reason_names[others[i]]));
}

/* How long verified upgrades took; an intent of an earlier life that was never sent in this one has no length. */
static void test_durations(void **state)
{
	struct action a = { .kind = ACTION_TELL_SETTLED, .scope = NONE, .instance = NONE, .target = NONE, .intent = 7, .outcome = INTENT_VERIFIED };

	(void)state;
	has_intent = true;
	d.now_ns = 500 * NS_PER_S;
	intent = (struct intent_view){ .instance_id = "", .serial_number = "", .policy_name = "", .sent_ns = 400 * NS_PER_S };
	told(&a);
	intent.sent_ns = 0;
	told(&a);
	a.outcome = INTENT_FAILED;
	intent.sent_ns = 1;
	told(&a);
	assert_non_null(strstr(shown("sagpin_upgrade_duration_seconds"), "_sum 100\nsagpin_upgrade_duration_seconds_count 1\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_halted),
		TEST(test_rollouts),
		TEST(test_a_rollout_without_policy),
		TEST(test_approvals),
		TEST(test_an_intent_of_a_scope_that_left),
		TEST(test_a_target),
		TEST(test_the_store_is_told_once),
		TEST(test_commits),
		TEST(test_paused),
		TEST(test_tallies_come_with_the_state),
		TEST(test_tallies_of_what_is_gone),
		TEST(test_failed_reasons),
		TEST(test_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
