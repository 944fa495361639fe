/*
 * Rows of history on their way to the store: whose request id they get, and that a store that hangs or fails costs no
 * more than so many of them. The core, the store and what is told of it are doubles here.
 */
#include "ledger.h"
#include "log.h"
#include "report.h"
#include "state/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROWS_MAX 10000
#define INTENT 7

static const struct scope scopes[] = { { .account = "prod", .region_id = "cn-shanghai" } };
static const struct config config = { .settings = { .scopes = scopes, .n_scopes = 1 }, .state_path = "/state.db" };
static struct daemon d;
static struct ledger *ledger;

/* ---- doubles ---- */

static struct state_message next; /* what the store has to say */
static bool has_next;
static size_t n_rows;             /* of the last commit */
struct kept {
	char what[32], outcome[32], request_id[32], account[32], serial_number[32], why[32];
};
static struct kept first, last;

static void keep(const struct state_history_row *row, struct kept *kept)
{
	snprintf(kept->what, sizeof(kept->what), "%s", row->what);
	snprintf(kept->outcome, sizeof(kept->outcome), "%s", row->outcome);
	snprintf(kept->request_id, sizeof(kept->request_id), "%s", row->request_id);
	snprintf(kept->account, sizeof(kept->account), "%s", row->account);
	snprintf(kept->serial_number, sizeof(kept->serial_number), "%s", row->serial_number);
	snprintf(kept->why, sizeof(kept->why), "%s", row->why);
}

int state_commit(struct state *s, const struct state_commit *c)
{
	(void)s;
	n_rows = c->n_rows;
	if (n_rows > 0) {
		keep(&c->rows[0], &first);
		keep(&c->rows[n_rows - 1], &last);
	}
	return 0;
}

bool state_take(struct state *s, struct state_message *ret_message)
{
	bool had = has_next;

	(void)s;
	*ret_message = next;
	has_next = false;
	return had;
}

int state_new(const struct state_options *options, struct state **ret_state)
{
	(void)options;
	*ret_state = NULL;
	return 0;
}

struct state *state_free(struct state *s)
{
	return s;
}

int state_fd(const struct state *s)
{
	(void)s;
	return -1;
}

int state_boot(uint64_t *ret_boot)
{
	*ret_boot = 1;
	return 0;
}

const char *const state_failure_names[STATE_FAILURE_N] = { "none" };

bool state_failure_is_fatal(enum state_failure failure)
{
	return failure == STATE_FAILURE_LOCKED;
}

int daemon_step(struct daemon *daemon, struct event *ev)
{
	(void)daemon;
	(void)ev;
	return 0;
}

void report_commit(struct report *x, bool is_stored, int64_t duration_ns)
{
	(void)x;
	(void)is_stored;
	(void)duration_ns;
}

void report_store(struct report *x, bool is_stored, const char *error)
{
	(void)x;
	(void)is_stored;
	(void)error;
}

bool reconcile_intent(const struct reconcile *r, uint64_t intent, struct intent_view *ret_view)
{
	(void)r;
	*ret_view = (struct intent_view){ .serial_number = "sn-1", .instance_id = "sag-1", .from = "1.0", .to = "2.0", .policy_name = "p" };
	return intent == INTENT;
}

bool reconcile_target_facts(const struct reconcile *r, uint32_t slot, struct target_view *ret_view)
{
	(void)r;
	(void)slot;
	(void)ret_view;
	return false;
}

bool reconcile_rollout(const struct reconcile *r, uint32_t slot, struct rollout_view *ret_view)
{
	(void)r;
	(void)slot;
	(void)ret_view;
	return false;
}

/* ---- a ledger for each test ---- */

static int set_up(void **state)
{
	(void)state;
	d = (struct daemon){ .config = &config };
	has_next = false;
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT, STDERR_FILENO);
	return ledger_new(&d, "/state.db", &ledger);
}

static int tear_down(void **state)
{
	(void)state;
	next = (struct state_message){ .kind = STATE_COMMITTED };
	has_next = true;
	assert_int_equal(ledger_run(ledger), 0);
	ledger = ledger_free(ledger);
	return 0;
}

static void plan_of(const struct event *ev, const struct action *actions, size_t n, const char *request_id)
{
	const struct plan plan = { .actions = actions, .n_actions = n };

	assert_int_equal(ledger_plan(ledger, ev, &plan, request_id), 0);
}

static void commit(void)
{
	const struct event ev = { .kind = EVENT_TICK };
	const struct action store = { .kind = ACTION_STORE, .ticket = 1 };

	plan_of(&ev, &store, 1, "");
}

static void answer(enum state_message_kind kind)
{
	next = (struct state_message){ .kind = kind, .ticket = 1, .error = "" };
	has_next = true;
	assert_int_equal(ledger_run(ledger), 0);
}

static void add_rows(unsigned int from, unsigned int n)
{
	for (unsigned int i = from; i < from + n; i++) {
		char why[16];
		const struct event ev = { .kind = EVENT_ACT, .act = { .who = "root", .why = why } };
		const struct action tell = { .kind = ACTION_TELL_ACT, .act_outcome = ACT_DONE, .scope = NONE };

		snprintf(why, sizeof(why), "%u", i);
		plan_of(&ev, &tell, 1, "");
	}
}

/* ---- tests ---- */

static void test_the_id_of_a_read_is_nobodys(void **state)
{
	const struct event ev = { .kind = EVENT_FRESH };
	const struct action actions[] = { { .kind = ACTION_TELL_STARTED, .intent = INTENT }, { .kind = ACTION_STORE, .ticket = 1 } };

	(void)state;
	plan_of(&ev, actions, 2, "id-of-a-read");
	assert_int_equal(n_rows, 1);
	assert_string_equal(last.what, "started");
	assert_string_equal(last.request_id, "");
}

static void test_a_call_has_a_row_with_its_id(void **state)
{
	static const struct {
		enum call_outcome outcome;
		const char *name;
	} outcomes[] = { { CALL_ACCEPTED, "accepted" }, { CALL_UNCONFIRMED, "unconfirmed" }, { CALL_REFUSED, "refused" } };
	const struct action store = { .kind = ACTION_STORE, .ticket = 1 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct event ev = { .kind = EVENT_CALLED, .called = { .intent = INTENT, .outcome = outcomes[i].outcome } };

		plan_of(&ev, &store, 1, "id-of-the-call");
		assert_int_equal(n_rows, 1);
		assert_string_equal(last.what, "called");
		assert_string_equal(last.outcome, outcomes[i].name);
		assert_string_equal(last.request_id, "id-of-the-call");
		assert_string_equal(last.account, "prod");
		assert_string_equal(last.serial_number, "sn-1");
		answer(STATE_COMMITTED);
	}
}

static void test_others_in_the_step_of_a_call_do_not_get_its_id(void **state)
{
	const struct event ev = { .kind = EVENT_CALLED, .called = { .intent = INTENT, .outcome = CALL_REFUSED } };
	const struct action settled[] = { { .kind = ACTION_TELL_SETTLED, .intent = INTENT, .outcome = INTENT_REFUSED }, { .kind = ACTION_STORE } };
	const struct action other[] = { { .kind = ACTION_TELL_STARTED, .intent = INTENT + 1 }, { .kind = ACTION_STORE } };

	(void)state;
	plan_of(&ev, settled, 2, "id-of-the-call");
	assert_string_equal(last.what, "settled");
	assert_string_equal(last.request_id, "id-of-the-call");
	answer(STATE_COMMITTED);
	plan_of(&ev, other, 2, "id-of-the-call");
	assert_string_equal(last.what, "started");
	assert_string_equal(last.request_id, "");
}

static void test_what_never_left_has_no_row(void **state)
{
	const struct event not_sent = { .kind = EVENT_CALLED, .called = { .intent = INTENT, .outcome = CALL_NOT_SENT } };
	const struct event unknown = { .kind = EVENT_CALLED, .called = { .intent = INTENT + 1, .outcome = CALL_ACCEPTED } };

	(void)state;
	plan_of(&not_sent, NULL, 0, "");
	plan_of(&unknown, NULL, 0, "id");
	commit();
	assert_int_equal(n_rows, 0);
}

static void test_a_store_that_hangs_costs_the_oldest_rows(void **state)
{
	(void)state;
	add_rows(0, 3);
	commit();
	add_rows(3, ROWS_MAX + 5);
	answer(STATE_COMMITTED); /* and only those three are gone */
	commit();
	assert_int_equal(n_rows, ROWS_MAX);
	assert_string_equal(first.why, "8");
	assert_string_equal(last.why, "10007");
}

static void test_a_store_that_hangs_and_fails_costs_the_oldest_rows(void **state)
{
	(void)state;
	add_rows(0, ROWS_MAX);
	commit();
	add_rows(ROWS_MAX, ROWS_MAX);
	answer(STATE_FAILED);
	add_rows(2 * ROWS_MAX, 1);
	commit();
	assert_int_equal(n_rows, ROWS_MAX);
	assert_string_equal(first.why, "10001");
	assert_string_equal(last.why, "20000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_id_of_a_read_is_nobodys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_call_has_a_row_with_its_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_others_in_the_step_of_a_call_do_not_get_its_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_never_left_has_no_row, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_store_that_hangs_costs_the_oldest_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_store_that_hangs_and_fails_costs_the_oldest_rows, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
