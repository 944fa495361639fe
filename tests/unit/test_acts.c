/*
 * Acts between control socket and core: who is answered what, and when. The core and the control socket are doubles
 * here: a script of plans, and a list of answers.
 */
#include "acts.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct daemon d;
static struct acts *acts;
static struct action tell;
static bool has_tell, is_stored_at_once;
static int step_result;
static struct {
	uint64_t request;
	struct control_result result;
} answers[8];
static size_t n_answers;

void control_answer(struct control *c, uint64_t request, const struct control_result *result)
{
	assert_ptr_equal(c, d.control);
	assert_true(n_answers < 8);
	answers[n_answers].request = request;
	answers[n_answers++].result = *result;
}

static void watch(enum event_kind kind, uint64_t ticket)
{
	const struct event ev = { .kind = kind, .stored.ticket = ticket };
	const struct plan plan = { 0 };

	assert_int_equal(acts_watch(acts, &ev, &plan), 0);
}

int daemon_step(struct daemon *daemon, struct event *ev)
{
	const struct action actions[] = { { .kind = ACTION_STORE, .ticket = 99 }, tell };
	const struct plan plan = { .actions = actions, .n_actions = has_tell ? 2 : 1 };

	assert_ptr_equal(daemon, &d);
	assert_int_equal(ev->kind, EVENT_ACT);
	assert_string_equal(ev->act.who, "root");
	if (step_result < 0)
		return step_result;
	assert_int_equal(acts_watch(acts, ev, &plan), 0);
	if (is_stored_at_once)
		watch(EVENT_STORED, tell.ticket);
	return 0;
}

static void take(uint64_t request, enum act_outcome outcome, uint64_t ticket)
{
	const struct act act = { .kind = ACT_PAUSE, .who = "root", .why = "x" };

	tell = (struct action){ .kind = ACTION_TELL_ACT, .act_outcome = outcome, .count = 3, .ticket = ticket };
	acts_take(acts, &act, request);
}

static void expect_answer(size_t i, uint64_t request, enum act_outcome outcome, bool is_durable)
{
	assert_true(i < n_answers);
	assert_int_equal(answers[i].request, request);
	assert_true(answers[i].result.is_supported);
	assert_int_equal(answers[i].result.outcome, outcome);
	assert_int_equal(answers[i].result.count, 3);
	assert_int_equal(answers[i].result.is_durable, is_durable);
}

static void test_nothing_to_store(void **state)
{
	(void)state;
	take(1, ACT_ALREADY, 0);
	take(2, ACT_NOT_FOUND, 0);
	assert_int_equal(n_answers, 2);
	expect_answer(0, 1, ACT_ALREADY, true);
	expect_answer(1, 2, ACT_NOT_FOUND, true);
	watch(EVENT_ACT, 0); /* of nobody who asked here */
	assert_int_equal(n_answers, 2);
}

static void test_answered_when_durable(void **state)
{
	(void)state;
	take(1, ACT_DONE, 7);
	take(2, ACT_DONE, 8);
	take(3, ACT_DONE, 7);
	watch(EVENT_TICK, 7);
	watch(EVENT_STORED, 6);
	assert_int_equal(n_answers, 0);
	watch(EVENT_STORED, 7);
	assert_int_equal(n_answers, 2);
	expect_answer(0, 1, ACT_DONE, true);
	expect_answer(1, 3, ACT_DONE, true);
	watch(EVENT_STORED, 7);
	assert_int_equal(n_answers, 2);
	watch(EVENT_STORE_FAILED, 8);
	assert_int_equal(n_answers, 3);
	expect_answer(2, 2, ACT_DONE, false);
}

static void test_durable_within_the_step(void **state)
{
	(void)state;
	is_stored_at_once = true;
	take(5, ACT_DONE, 7);
	assert_int_equal(n_answers, 1);
	expect_answer(0, 5, ACT_DONE, true);
}

static void test_core_without_acts(void **state)
{
	(void)state;
	has_tell = false;
	take(5, ACT_DONE, 7);
	assert_int_equal(n_answers, 1);
	assert_false(answers[0].result.is_supported);
	watch(EVENT_STORED, 7);
	assert_int_equal(n_answers, 1);
}

static void test_fatal(void **state)
{
	(void)state;
	step_result = -ENOMEM;
	take(5, ACT_DONE, 7);
	assert_int_equal(d.error, -ENOMEM);
	assert_int_equal(n_answers, 0);
}

static void test_waiting_at_the_end(void **state)
{
	(void)state;
	take(5, ACT_DONE, 7);
	take(6, ACT_DONE, 8);
	d.control = NULL; /* the socket went first */
	watch(EVENT_STORED, 7);
	assert_int_equal(n_answers, 0); /* acts_free() has the other: a leak checker says so */
	watch(EVENT_ACT, 0); /* of nobody who asked here */
	assert_int_equal(n_answers, 0);
	assert_int_equal(acts_watch(NULL, &(const struct event){ .kind = EVENT_ACT }, NULL), 0);
}

static int setup(void **state)
{
	static char socket;

	(void)state;
	d = (struct daemon){ .control = (struct control *)(void *)&socket };
	n_answers = 0;
	has_tell = true;
	is_stored_at_once = false;
	step_result = 0;
	return acts_new(&d, &acts);
}

static int teardown(void **state)
{
	(void)state;
	acts = acts_free(acts);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_to_store, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answered_when_durable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_durable_within_the_step, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core_without_acts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fatal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waiting_at_the_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
