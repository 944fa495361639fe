/* The client and its queues: which call leaves when, what is tried again, and that all are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client_bed.h"

/* libcurl sends a read again by itself, with the nonce of before: it is signed anew, once, and the caller never knows. */
static void test_read_is_signed_again(void **state)
{
	(void)state;
	static const char used[] = HEAD("400 Bad", "45") "\r\n{\"RequestId\":\"1\",\"Code\":\"SignatureNonceUsed\"}";
	char nonce[4][64];
	OPEN_BED(((struct step[]){ ok, { STEP_CLOSE, NULL }, { STEP_REPLY, used }, ok, { STEP_REPLY, used } }));
	read_call(0);
	run_until(1);
	read_call(0);
	run_until(2);
	assert_int_equal(bed.answers[1].result, CALL_RESULT_OK);
	assert_int_equal(server_requests(&bed.server), 4);
	for (size_t i = 0; i < 4; i++)
		assert_true(header_of(server_request(&bed.server, i), "x-acs-signature-nonce", nonce[i], sizeof(nonce[i])));
	assert_string_not_equal(nonce[0], nonce[1]);
	assert_string_equal(nonce[1], nonce[2]);
	assert_string_not_equal(nonce[2], nonce[3]);
	read_call(0); /* it does not go on for ever */
	run_until(3);
	assert_int_equal(bed.answers[2].result, CALL_RESULT_ERROR);
	assert_int_equal(server_requests(&bed.server), 6);
	upgrade_call(0);
	run_until(4);
	assert_int_equal(bed.answers[3].class, ERROR_CLASS_UNCONFIRMED);
	assert_int_equal(server_requests(&bed.server), 7);
	close_bed();
}

static void test_too_late(void **state)
{
	(void)state;
	OPEN_BED(((struct step[]){ ok }));
	call(API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, CALL_PRIORITY_UPGRADE, 1, now_ns() - 1);
	call(API_DESCRIBE_SMART_ACCESS_GATEWAYS, CALL_PRIORITY_LIST, 2, now_ns() - 1);
	call(API_DESCRIBE_SMART_ACCESS_GATEWAYS, CALL_PRIORITY_LIST, 3, now_ns() + 60 * NS_PER_S);
	assert_int_equal(client_queued(bed.client, 0), 3);
	run_until(3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(bed.answers[i].result, bed.answers[i].tag == 3 ? CALL_RESULT_OK : CALL_RESULT_NOT_SENT);
	assert_int_equal(server_requests(&bed.server), 1);
	close_bed();
}

/* A call is answered when its time passes in the queue, even when nothing else happens. */
static void test_too_late_in_queue(void **state)
{
	(void)state;
	open_server(&ok, 1, NULL);
	bed.scope.calls_per_second = 0.01;
	bed.scope.burst = 1;
	open_client(on_reply);
	read_call(0);
	run_until(1);
	int64_t until_ns = now_ns() + 30 * NS_PER_S;
	call(API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, CALL_PRIORITY_UPGRADE, 1, until_ns);
	turn();
	assert_int_equal(client_deadline_ns(bed.client, now_ns()), until_ns + 1);
	bed.skip_ns += 31 * NS_PER_S;
	run_until(2);
	assert_int_equal(bed.answers[1].result, CALL_RESULT_NOT_SENT);
	assert_int_equal(server_requests(&bed.server), 1);
	close_bed();
}

static void test_priorities(void **state)
{
	(void)state;
	open_server(&ok, 1, NULL);
	bed.scope.concurrency = 1;
	open_client(on_reply);
	for (int i = CALL_PRIORITY_N - 1; i >= 0; i--)
		for (int k = 0; k < 2; k++)
			call(API_DESCRIBE_SMART_ACCESS_GATEWAYS, (enum call_priority)i, (uint64_t)(10 * i + k), 0);
	run_until(2 * CALL_PRIORITY_N);
	for (int i = 0; i < 2 * CALL_PRIORITY_N; i++)
		assert_int_equal(bed.answers[i].tag, 10 * (i / 2) + i % 2); /* in order, first come first served inside */
	close_bed();
}

static void test_rate(void **state)
{
	(void)state;
	open_server(&ok, 1, NULL);
	bed.scope.calls_per_second = 50;
	bed.scope.burst = 2;
	open_client(on_reply);
	for (uint64_t i = 0; i < 12; i++)
		read_call(i);
	run_until(12);
	for (size_t i = 0; i < 12; i++)
		for (size_t j = i; j < 12; j++) {
			double s = (double)(bed.answers[j].sent_ns - bed.answers[i].sent_ns) / 1e9;
			assert_true((double)(j - i + 1) <= 2 + 50 * s + 1e-6);
		}
	assert_true(client_rate(bed.client, 0, now_ns()) == 50);
	close_bed();
}

static void test_concurrency(void **state)
{
	(void)state;
	const struct step hold = { STEP_HOLD, OK_TEXT };
	open_server(&hold, 1, NULL);
	bed.scope.concurrency = 3;
	open_client(on_reply);
	for (uint64_t i = 0; i < 5; i++)
		read_call(i);
	run_until_arrived(3);
	turn();
	assert_int_equal(client_in_flight(bed.client), 3);
	assert_int_equal(client_queued(bed.client, 0), 2);
	server_release(&bed.server);
	run_until(3);
	run_until_arrived(5);
	assert_int_equal(client_in_flight(bed.client), 2);
	server_release(&bed.server);
	run_until(5);
	assert_int_equal(server_connections(&bed.server), 3);
	close_bed();
}

static void test_throttling(void **state)
{
	(void)state;
	const struct step no = { STEP_REPLY, THROTTLED_TEXT };
	OPEN_BED(((struct step[]){ no, no, ok, no }));
	read_call(0); /* put back, the caller never knows */
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_OK);
	assert_int_equal(bed.answers[0].n_throttled, 2);
	assert_int_equal(server_requests(&bed.server), 3);
	assert_true(client_rate(bed.client, 0, now_ns()) < 10000);
	upgrade_call(1); /* told at once */
	run_until(2);
	assert_int_equal(bed.answers[1].class, ERROR_CLASS_THROTTLED);
	assert_int_equal(server_requests(&bed.server), 4);
	read_call(2); /* bounded */
	run_until(3);
	assert_int_equal(bed.answers[2].class, ERROR_CLASS_THROTTLED);
	assert_int_equal(bed.answers[2].n_throttled, 5);
	assert_int_equal(server_requests(&bed.server), 4 + 1 + 5);
	close_bed();
}

/* What is put back keeps its turn. */
static void test_throttled_read_keeps_its_turn(void **state)
{
	(void)state;
	const struct step steps[] = { { STEP_REPLY, THROTTLED_TEXT }, ok };
	open_server(steps, 2, NULL);
	bed.scope.concurrency = 1;
	open_client(on_reply);
	for (uint64_t i = 0; i < 3; i++)
		read_call(i);
	run_until(3);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(bed.answers[i].tag, i);
	close_bed();
}

static void test_retry_after(void **state)
{
	(void)state;
	static const char later[] = HEAD("429 Later", "0") "Retry-After: 3600\r\n\r\n";
	OPEN_BED(((struct step[]){ { STEP_REPLY, later }, ok }));
	read_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_INVALID);
	int64_t at_ns = bed.answers[0].done_ns + 60 * NS_PER_S; /* no longer than a minute */
	read_call(1);
	turn();
	assert_int_equal(client_deadline_ns(bed.client, now_ns()), at_ns);
	assert_int_equal(client_in_flight(bed.client), 0);
	bed.skip_ns += 61 * NS_PER_S;
	run_until(2);
	assert_int_equal(bed.answers[1].result, CALL_RESULT_OK);
	close_bed();
}

static void test_no_credentials(void **state)
{
	(void)state;
	OPEN_BED(((struct step[]){ ok }));
	credentials_wipe(&credentials);
	read_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_NOT_SENT);
	assert_int_equal(bed.answers[0].class, ERROR_CLASS_ACCOUNT);
	snprintf(credentials.access_key_id, sizeof(credentials.access_key_id), "id2"); /* may change at any time */
	read_call(0);
	run_until(2);
	assert_int_equal(bed.answers[1].result, CALL_RESULT_OK);
	assert_non_null(strstr(server_request(&bed.server, 0), "Credential=id2,"));
	close_bed();
}

static void test_callback_may_call(void **state)
{
	(void)state;
	OPEN_BED(((struct step[]){ ok }));
	bed.calls_again = true;
	read_call(0);
	run_until(21);
	assert_int_equal(bed.answers[20].tag, 20);
	close_bed();
}

/* Ten answers are there at once: six are told, and the rest makes the next run due now, so that others get their turn. */
static void test_answers_come_in_helpings(void **state)
{
	(void)state;
	const struct step hold = { STEP_HOLD, OK_TEXT };
	const struct timespec tick = { .tv_nsec = NS_PER_MS };
	int64_t now;
	open_server(&hold, 1, NULL);
	bed.scope.concurrency = 10;
	open_client(on_reply);
	for (uint64_t i = 0; i < 10; i++)
		read_call(i);
	run_until_arrived(10);
	server_release(&bed.server);
	while (server_releases(&bed.server) == 0)
		nanosleep(&tick, NULL);
	now = now_ns();
	assert_int_equal(client_run(bed.client, now, WALL_S), 0);
	assert_int_equal(bed.n_answers, 6);
	assert_int_equal(client_in_flight(bed.client), 4);
	assert_int_equal(client_deadline_ns(bed.client, now), now);
	assert_int_equal(client_run(bed.client, now, WALL_S), 0);
	assert_int_equal(bed.n_answers, 10);
	assert_true(client_deadline_ns(bed.client, now) > now);
	close_bed();
}

static void refuse_call(void *ctx, const struct call_reply *r)
{
	const struct call again = { .request = { .action = API_DESCRIBE_SMART_ACCESS_GATEWAYS, .region_id = "r",
						 .page_number = 1, .page_size = 1 } };
	on_reply(ctx, r);
	assert_int_equal(client_call(bed.client, &again), -ECANCELED);
}

/* Everything is answered, once: under way and arrived, under way and not, and still queued. */
static void test_free_answers_all(void **state)
{
	(void)state;
	const struct step silent = { STEP_SILENT, NULL };
	open_server(&silent, 1, NULL);
	bed.scope.concurrency = 2;
	open_client(refuse_call);
	upgrade_call(0);
	read_call(1);
	read_call(2);
	upgrade_call(3); /* goes before the reads */
	run_until_arrived(2);
	read_call(4);
	bed.client = client_free(bed.client);
	assert_int_equal(bed.n_answers, 5);
	uint64_t seen = 0;
	for (size_t i = 0; i < 5; i++) {
		const struct answer *a = &bed.answers[i];
		bool is_upgrade = a->tag == 0 || a->tag == 3;
		seen |= UINT64_C(1) << a->tag;
		assert_int_equal(a->result, is_upgrade ? CALL_RESULT_TRANSPORT : CALL_RESULT_NOT_SENT);
		assert_int_equal(a->class, is_upgrade ? ERROR_CLASS_UNCONFIRMED : ERROR_CLASS_TRANSIENT);
	}
	assert_int_equal(seen, 31);
	server_stop(&bed.server);
}

/* Under way, but a proxy has not yet let it through: an upgrade that surely never left. */
static void test_free_before_departure(void **state)
{
	(void)state;
	char proxy[64];
	const struct step silent = { STEP_SILENT, NULL };
	open_server(&silent, 1, NULL);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", bed.server.port);
	bed.scope.proxy = proxy;
	bed.scope.endpoint = "http://smartag.example/";
	open_client(on_reply);
	upgrade_call(0);
	run_until_arrived(1);
	assert_int_equal(client_in_flight(bed.client), 1);
	bed.client = client_free(bed.client);
	assert_int_equal(bed.n_answers, 1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_NOT_SENT);
	server_stop(&bed.server);
}

static void test_new_refuses(void **state)
{
	(void)state;
	open_server(&ok, 1, NULL);
	const struct client_scope good = bed.scope;
	struct client_scope bad[5] = { good, good, good, good, good };
	bad[0].endpoint = "ftp://h/";
	bad[1].calls_per_second = 0;
	bad[2].burst = 0.5;
	bad[3].concurrency = 0;
	bad[4].timeout_ns = 0;
	for (size_t i = 0; i < 5; i++) {
		const struct client_options options = { .scopes = &bad[i], .n_scopes = 1, .on_reply = on_reply, .ctx = &bed,
							.user_agent = "test/1", .random = next_random };
		struct error error = { "" };
		assert_int_equal(client_new(&options, &bed.client, &error), -EINVAL);
		assert_string_not_equal(error.text, "");
	}
	assert_null(client_free(NULL));
	server_stop(&bed.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_is_signed_again),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_too_late_in_queue),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_concurrency),
		cmocka_unit_test(test_throttling),
		cmocka_unit_test(test_throttled_read_keeps_its_turn),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_no_credentials),
		cmocka_unit_test(test_callback_may_call),
		cmocka_unit_test(test_answers_come_in_helpings),
		cmocka_unit_test(test_free_answers_all),
		cmocka_unit_test(test_free_before_departure),
		cmocka_unit_test(test_new_refuses),
	};
	signal(SIGPIPE, SIG_IGN); /* as client.h asks */
	setenv("http_proxy", "http://127.0.0.1:1/", 1); /* loopback must not go there */
	setenv("https_proxy", "http://127.0.0.1:1/", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
