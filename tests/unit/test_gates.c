/*
 * Asking gates over the client's handle: one answer for each question, whatever comes back, and one log line for each
 * change. The core is a double here: a list of the events that it was given.
 */
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
#include <sys/mman.h>
#include <unistd.h>

#include "client_bed.h"
#include "gates.h"
#include "log.h"

#define EVENTS_MAX 16
#define QUERY "up{job=\"x y\"} == 0 or a%b+c&d#\u00fc"
#define OPEN_BODY "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}"
#define CLOSED_BODY "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"1\"]}]}}"
#define OPEN_TEXT HEAD("200 OK", "63") "\r\n" OPEN_BODY
#define CLOSED_TEXT HEAD("200 OK", "92") "\r\n" CLOSED_BODY

static struct config_policy config_policies[2];
static struct policy policies[2];
static struct config config;
static struct daemon d;
static struct gates *gates;
static struct event events[EVENTS_MAX];
static size_t n_events;
static int step_result, log_fd;
static bool asks_again;
static char url[80];

static struct action gate_action(uint32_t policy, uint64_t ticket)
{
	return (struct action){ .kind = ACTION_GATE, .policy = policy, .ticket = ticket };
}

int daemon_step(struct daemon *daemon, struct event *ev)
{
	assert_ptr_equal(daemon, &d);
	assert_int_equal(ev->kind, EVENT_GATE);
	assert_true(n_events < EVENTS_MAX);
	events[n_events++] = *ev;
	if (asks_again) { /* from inside client_free: it cannot leave any more */
		struct action a = gate_action(0, 99);
		struct event answer = { 0 };

		asks_again = false;
		assert_int_equal(gates_ask(gates, &a, &answer), GATES_E_ANSWERED);
		assert_int_equal(answer.kind, EVENT_GATE);
		assert_int_equal(answer.gate.ticket, 99);
		assert_false(answer.gate.is_open);
	}
	return step_result;
}

static void ask(uint32_t policy, uint64_t ticket)
{
	struct action a = gate_action(policy, ticket);
	struct event answer;

	d.now_ns = now_ns();
	assert_int_equal(gates_ask(gates, &a, &answer), 0);
}

static void run_until_events(size_t n)
{
	int64_t give_up_ns = now_ns() + PATIENCE_NS;

	while (n_events < n) {
		if (now_ns() > give_up_ns)
			fail_msg("%zu events instead of %zu", n_events, n);
		turn();
	}
}

/* How often this is in the log so far. */
static size_t told(const char *text)
{
	static char log[65536];
	ssize_t len = pread(log_fd, log, sizeof(log) - 1, 0);
	size_t n = 0;

	assert_true(len >= 0);
	log[len] = '\0';
	for (const char *p = log; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static void open_gates(const struct step *steps, size_t n)
{
	open_bed(steps, n);
	snprintf(url, sizeof(url), "%sprom/", bed.endpoint);
	for (size_t i = 0; i < 2; i++) {
		policies[i] = (struct policy){ .name = i ? "second" : "first", .gate = { .is_set = true, .max_age_ns = 60 * NS_PER_S } };
		config_policies[i] = (struct config_policy){
			.gate = { .prometheus = url, .query = QUERY, .open_when = GATE_OPEN_WHEN_EMPTY, .timeout_ns = 300 * NS_PER_MS },
		};
	}
	config = (struct config){ .settings = { .policies = policies, .n_policies = 2 }, .policies = config_policies };
	d = (struct daemon){ .config = &config, .client = bed.client, .wall_s = WALL_S };
	n_events = 0;
	step_result = 0;
	log_fd = memfd_create("log", 0);
	assert_true(log_fd >= 0);
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT, log_fd);
	assert_int_equal(gates_new(&d, &gates), 0);
}
#define OPEN_GATES(...) open_gates((const struct step[]){ __VA_ARGS__ }, sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static void close_gates(void)
{
	close_bed();
	gates = gates_free(gates);
	close(log_fd);
}

static void test_question(void **state)
{
	static const char line[] = "GET /prom/api/v1/query?query=up%7Bjob%3D%22x%20y%22%7D%20%3D%3D%200%20or%20a%25b%2Bc%26d%23%C3%BC HTTP/1.1\r\n";

	(void)state;
	OPEN_GATES({ STEP_REPLY, OPEN_TEXT });
	ask(1, 7);
	assert_int_equal(n_events, 0); /* never from inside a plan */
	run_until_events(1);
	if (strncmp(server_request(&bed.server, 0), line, strlen(line)) != 0)
		fail_msg("%s", server_request(&bed.server, 0));
	assert_int_equal(events[0].gate.ticket, 7);
	assert_true(events[0].gate.is_open);
	assert_int_equal(events[0].gate.asked_ns, d.now_ns);
	assert_int_equal(told("msg="), 0); /* open as expected is no news */
	close_gates();
}

/* Whatever comes back: one event, closed, and one line with the reason. */
static void test_bad_ends(void **state)
{
	static const struct {
		struct step step;
		const char *says;
	} table[] = {
		{ { STEP_REPLY, CLOSED_TEXT }, "gate is closed, nothing starts\" policy=first why=\"the query has samples (1)" },
		{ { STEP_SILENT, NULL }, "no answer in time" },
		{ { STEP_CLOSE, NULL }, "without an answer" },
		{ { STEP_CUT, HEAD("200 OK", "63") "\r\n{\"status\":\"success\"" }, "cut" },
		{ { STEP_CUT, "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"success\",\"data\":{" }, "no JSON, or was cut" },
		{ { STEP_CUT, "nothing like HTTP" }, "not HTTP" },
		{ { STEP_FLOOD, "HTTP/1.1 200 OK\r\n\r\n" OPEN_BODY }, "too large" },
		{ { STEP_REPLY, HEAD("200 OK", "6") "\r\n<html>" }, "web page" },
		{ { STEP_REPLY, HEAD("500 No", "63") "\r\n" OPEN_BODY }, "HTTP 500" },
		{ { STEP_REPLY, HEAD("404 No", "4") "\r\nnone" }, "HTTP 404" },
		{ { STEP_REPLY, "HTTP/1.1 302 Found\r\nLocation: /prom/\r\nContent-Length: 0\r\n\r\n" }, "redirects are not followed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct step steps[] = { table[i].step, { STEP_REPLY, OPEN_TEXT } };

		open_gates(steps, 2);
		ask(0, 3 + i);
		run_until_events(1);
		assert_int_equal(events[0].gate.ticket, 3 + i);
		assert_false(events[0].gate.is_open);
		assert_int_equal(events[0].gate.asked_ns, d.now_ns);
		if (told("msg=") != 1 || told(table[i].says) != 1)
			fail_msg("row %zu: %zu lines, %zu with \"%s\"", i, told("msg="), told(table[i].says), table[i].says);
		assert_int_equal(server_requests(&bed.server), 1);
		close_gates();
		assert_int_equal(n_events, 1);
	}
}

static void test_refused(void **state)
{
	(void)state;
	OPEN_GATES({ STEP_REPLY, OPEN_TEXT });
	server_stop(&bed.server);
	ask(0, 1);
	run_until_events(1);
	assert_false(events[0].gate.is_open);
	assert_int_equal(told("no connection: Connection refused; check"), 1);
	gates = gates_free(gates);
	bed.client = client_free(bed.client);
	close(log_fd);
}

/* Each change is told once, of each policy; at debug each question is. */
static void test_log(void **state)
{
	const struct step open = { STEP_REPLY, OPEN_TEXT }, closed = { STEP_REPLY, CLOSED_TEXT }, broken = { STEP_REPLY, HEAD("200 OK", "1") "\r\n{" };

	(void)state;
	OPEN_GATES(open, closed, closed, broken, broken, closed, open, open, closed);
	for (size_t i = 0; i < 9; i++) {
		ask(0, 1 + i);
		run_until_events(i + 1);
		assert_int_equal(events[i].gate.is_open, i == 0 || i == 6 || i == 7);
	}
	assert_int_equal(told("gate is closed, nothing starts"), 3);
	assert_int_equal(told("level=warn msg=\"gate cannot be judged, so it is closed and nothing starts\" policy=first why=\"the answer is no JSON"), 1);
	assert_int_equal(told("gate is open again"), 1);
	assert_int_equal(told("msg="), 5);
	ask(1, 20); /* the last step again: closed */
	run_until_events(10);
	assert_int_equal(told("policy=second"), 1);
	log_setup(LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT, log_fd);
	ask(1, 21);
	run_until_events(11);
	assert_int_equal(told("level=debug msg=\"gate was asked\" policy=second gate=closed why="), 1);
	assert_int_equal(told("msg="), 7);
	close_gates();
}

/* Two gates at once, each its own answer. */
static void test_both(void **state)
{
	(void)state;
	OPEN_GATES({ STEP_SILENT, NULL }, { STEP_REPLY, OPEN_TEXT });
	ask(0, 1);
	run_until_arrived(1);
	ask(1, 2);
	run_until_events(2);
	assert_int_equal(events[0].gate.ticket, 2);
	assert_true(events[0].gate.is_open);
	assert_int_equal(events[1].gate.ticket, 1);
	assert_false(events[1].gate.is_open);
	close_gates();
}

/* The client goes away: answered, closed, and no news of the gate. What is asked then cannot leave. */
static void test_shutdown(void **state)
{
	(void)state;
	OPEN_GATES({ STEP_SILENT, NULL });
	ask(0, 5);
	run_until_arrived(1);
	asks_again = true;
	close_bed();
	assert_false(asks_again);
	assert_int_equal(n_events, 1);
	assert_int_equal(events[0].gate.ticket, 5);
	assert_false(events[0].gate.is_open);
	assert_int_equal(told("msg="), 0);
	gates = gates_free(gates);
	close(log_fd);
}

/* Freed first: what is under way is forgotten. */
static void test_free_first(void **state)
{
	(void)state;
	OPEN_GATES({ STEP_SILENT, NULL });
	ask(0, 5);
	run_until_arrived(1);
	gates = gates_free(gates);
	assert_null(gates_free(NULL));
	close_bed();
	assert_int_equal(n_events, 0);
	close(log_fd);
}

static void test_no_url(void **state)
{
	struct action a = gate_action(0, 8);
	struct event answer = { 0 };

	(void)state;
	OPEN_GATES({ STEP_REPLY, OPEN_TEXT });
	config_policies[0].gate.prometheus = "http://no host/";
	assert_int_equal(gates_ask(gates, &a, &answer), GATES_E_ANSWERED);
	assert_int_equal(answer.kind, EVENT_GATE);
	assert_int_equal(answer.gate.ticket, 8);
	assert_false(answer.gate.is_open);
	assert_int_equal(told("policy=first why=\"the URL "), 1);
	assert_int_equal(n_events, 0);
	close_gates();
}

static void test_fatal(void **state)
{
	(void)state;
	OPEN_GATES({ STEP_REPLY, OPEN_TEXT });
	step_result = -ENOMEM;
	ask(0, 1);
	run_until_events(1);
	assert_int_equal(d.error, -ENOMEM);
	close_gates();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question), cmocka_unit_test(test_bad_ends), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_log),	 cmocka_unit_test(test_both),	  cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_free_first),	 cmocka_unit_test(test_no_url),	  cmocka_unit_test(test_fatal),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
