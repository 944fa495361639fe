/* Plain requests over the client's handle: what arrives, what is said about each end, and that nothing secret is. */
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

#include "client_bed.h"
#include "cloud/fetch.h"

#define PATH "secret-path?secret=query"

static struct seen {
	size_t n;
	enum fetch_result result;
	long http_status;
	char body[256];
	size_t len;
	char advice[512];
	bool starts_again;
} seen;

static char url[128];

static int start_at(const char *at, struct fetch **ret_fetch);

static void on_fetch(void *ctx, const struct fetch_reply *r)
{
	struct fetch *next;
	assert_ptr_equal(ctx, &seen);
	seen.n++;
	seen.result = r->result;
	seen.http_status = r->http_status;
	seen.len = r->len;
	assert_int_equal(r->body[r->len], '\0');
	snprintf(seen.body, sizeof(seen.body), "%s", r->body);
	snprintf(seen.advice, sizeof(seen.advice), "%s", r->advice);
	assert_true((r->advice[0] == '\0') == (r->result == FETCH_RESULT_ANSWER));
	assert_null(strstr(r->advice, "secret"));
	if (r->result == FETCH_RESULT_CLOSED)
		assert_int_equal(start_at(url, &next), -ECANCELED);
	else if (seen.starts_again && seen.n < 3)
		assert_int_equal(start_at(url, &next), 0);
}

static int start_at(const char *at, struct fetch **ret_fetch)
{
	struct error error = { "" };
	const char *const headers[] = { "X-Token: secret-token" };
	const struct fetch_request request = { .method = "GET", .url = at, .headers = headers, .n_headers = 1,
					       .timeout_ns = 300 * NS_PER_MS, .max_bytes = 100 };
	int r = fetch_start(bed.client, &request, on_fetch, &seen, ret_fetch, &error);
	assert_true((error.text[0] != '\0') == (r == FETCH_E_INVALID));
	assert_null(strstr(error.text, "secret"));
	return r;
}

static void open_fetch(const struct step *steps, size_t n)
{
	memset(&seen, 0, sizeof(seen));
	open_bed(steps, n);
	snprintf(url, sizeof(url), "%s" PATH, bed.endpoint);
}
#define OPEN_FETCH(...) open_fetch((const struct step[]){ __VA_ARGS__ }, sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static void run_until_seen(size_t n)
{
	int64_t give_up_ns = now_ns() + PATIENCE_NS;
	while (seen.n < n) {
		if (now_ns() > give_up_ns)
			fail_msg("%zu answers instead of %zu", seen.n, n);
		turn();
	}
}

/* Method, target, headers and body as they were asked for; calls of the API go on beside it. */
static void test_what_arrives(void **state)
{
	(void)state;
	static const char *const methods[] = { "GET", "PUT", "POST" };
	char value[64];
	OPEN_FETCH(ok);
	for (size_t i = 0; i < 3; i++) {
		struct error error;
		struct fetch *f;
		const char *const headers[] = { "X-One: 1", "X-Two: 2" };
		const struct fetch_request request = { .method = methods[i], .url = url, .headers = headers, .n_headers = 2,
						       .body = i == 2 ? "a=b&c=d" : NULL, .timeout_ns = NS_PER_S, .max_bytes = 100 };
		assert_int_equal(fetch_start(bed.client, &request, on_fetch, &seen, &f, &error), 0);
		run_until_seen(i + 1);
		const char *arrived = server_request(&bed.server, i);
		assert_int_equal(strncmp(arrived, methods[i], strlen(methods[i])), 0);
		assert_int_equal(strncmp(arrived + strlen(methods[i]), " /" PATH " HTTP/1.1\r\n", strlen(PATH) + 13), 0);
		assert_true(header_of(arrived, "x-one", value, sizeof(value)));
		assert_string_equal(value, "1");
		assert_true(header_of(arrived, "x-two", value, sizeof(value)));
		assert_true(header_of(arrived, "user-agent", value, sizeof(value)));
		assert_string_equal(value, "test/1");
		assert_string_equal(strstr(arrived, "\r\n\r\n") + 4, i == 2 ? "a=b&c=d" : "");
		assert_int_equal(seen.result, FETCH_RESULT_ANSWER);
		assert_int_equal(seen.http_status, 200);
		assert_string_equal(seen.body, "{\"RequestId\":\"1\"}");
	}
	read_call(1);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_OK);
	assert_int_equal(server_connections(&bed.server), 1); /* kept and shared */
	close_bed();
}

static void test_answers(void **state)
{
	(void)state;
	static const char hundred[] = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
	static char full[256], over[256], unsaid[256];
	snprintf(full, sizeof(full), HEAD("200 OK", "100") "\r\n%s", hundred);
	snprintf(over, sizeof(over), HEAD("200 OK", "101") "\r\n%s.", hundred);
	snprintf(unsaid, sizeof(unsaid), "HTTP/1.1 200 OK\r\n\r\n%s.", hundred);
	const struct {
		struct step step;
		enum fetch_result result;
		long status;
		size_t len;
		const char *advice;
	} table[] = {
		{ { STEP_REPLY, OK_TEXT }, FETCH_RESULT_ANSWER, 200, 17, "" },
		{ { STEP_REPLY, HEAD("404 No", "4") "\r\nnone" }, FETCH_RESULT_ANSWER, 404, 4, "" },
		{ { STEP_REPLY, "HTTP/1.1 204 No\r\n\r\n" }, FETCH_RESULT_ANSWER, 204, 0, "" },
		{ { STEP_REPLY, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" }, FETCH_RESULT_ANSWER, 302, 0, "" },
		{ { STEP_REPLY, full }, FETCH_RESULT_ANSWER, 200, 100, "" },
		{ { STEP_REPLY, over }, FETCH_RESULT_INVALID, 0, 0, "too large" },
		{ { STEP_CUT, unsaid }, FETCH_RESULT_INVALID, 0, 0, "too large" },
		{ { STEP_FLOOD, "HTTP/1.1 200 OK\r\n\r\n" }, FETCH_RESULT_INVALID, 0, 0, "too large" },
		{ { STEP_CUT, HEAD("200 OK", "50") "\r\n{" }, FETCH_RESULT_INVALID, 0, 0, "cut" },
		{ { STEP_CUT, "no HTTP at all, just secret text" }, FETCH_RESULT_INVALID, 0, 0, "not HTTP" },
		{ { STEP_CLOSE, NULL }, FETCH_RESULT_TRANSPORT, 0, 0, "without an answer" },
		{ { STEP_SILENT, NULL }, FETCH_RESULT_TRANSPORT, 0, 0, "no answer in time" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fetch *f;
		open_fetch(&table[i].step, 1);
		assert_int_equal(start_at(url, &f), 0);
		run_until_seen(1);
		assert_int_equal(seen.result, table[i].result);
		assert_int_equal(seen.http_status, table[i].status);
		assert_int_equal(seen.len, table[i].len);
		if (!strstr(seen.advice, table[i].advice))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, seen.advice, table[i].advice);
		if (table[i].result != FETCH_RESULT_ANSWER)
			assert_int_equal(strncmp(seen.advice, bed.endpoint, strlen(bed.endpoint)), 0);
		close_bed();
		assert_int_equal(seen.n, 1);
	}
}

static void test_urls(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "ftp://127.0.0.1/secret", "file:///etc/passwd", "http://secret@127.0.0.1/", "http://u:secret@127.0.0.1/",
					   "127.0.0.1/secret", "http:///", "http://127.0.0.1:99999/secret", "http://127.0.0.999/secret",
					   "http://127.0.0.1/ secret", "http://127.0.0.1/secret\r\nX: y" };
	struct fetch *f;
	OPEN_FETCH(ok);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (start_at(bad[i], &f) != FETCH_E_INVALID)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(start_at("http://127.0.0.1:1/secret", &f), 0);
	run_until_seen(1);
	assert_int_equal(seen.result, FETCH_RESULT_TRANSPORT);
	assert_non_null(strstr(seen.advice, "http://127.0.0.1:1/: no connection"));
	close_bed();
}

static void test_cancel(void **state)
{
	(void)state;
	struct fetch *f;
	OPEN_FETCH({ STEP_HOLD, OK_TEXT });
	fetch_cancel(NULL);
	assert_int_equal(start_at(url, &f), 0);
	fetch_cancel(f); /* before it left */
	assert_int_equal(start_at(url, &f), 0);
	run_until_arrived(1);
	fetch_cancel(f);
	server_release(&bed.server);
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(seen.n, 0);
	close_bed();
	assert_int_equal(seen.n, 0);
}

/* What is under way when the client goes is answered, once, and nothing starts from there. */
static void test_closing(void **state)
{
	(void)state;
	struct fetch *f;
	OPEN_FETCH({ STEP_SILENT, NULL });
	assert_int_equal(start_at(url, &f), 0);
	assert_int_equal(start_at(url, &f), 0);
	run_until_arrived(1);
	close_bed();
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.result, FETCH_RESULT_CLOSED);
}

static void test_starts_from_its_answer(void **state)
{
	(void)state;
	struct fetch *f;
	OPEN_FETCH(ok);
	seen.starts_again = true;
	assert_int_equal(start_at(url, &f), 0);
	run_until_seen(3);
	assert_int_equal(server_requests(&bed.server), 3);
	close_bed();
	assert_int_equal(seen.n, 3);
}

/* Calls wait while a key is on its way, without spinning, and leave when it is there. */
static void test_calls_wait_for_a_key(void **state)
{
	(void)state;
	OPEN_FETCH(ok);
	credentials = (struct credentials){ .is_awaited = true };
	read_call(1);
	for (int i = 0; i < 3; i++)
		turn();
	assert_int_equal(bed.n_answers, 0);
	assert_int_equal(client_queued(bed.client, 0), 1);
	assert_true(client_deadline_ns(bed.client, now_ns()) > now_ns() + NS_PER_S);
	credentials = (struct credentials){ .access_key_id = "id", .access_key_secret = SECRET };
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_OK);
	credentials = (struct credentials){ .access_key_id = "" };
	read_call(2);
	run_until(2);
	assert_int_equal(bed.answers[1].result, CALL_RESULT_NOT_SENT);
	close_bed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_arrives),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_starts_from_its_answer),
		cmocka_unit_test(test_calls_wait_for_a_key),
	};
	signal(SIGPIPE, SIG_IGN);
	setenv("http_proxy", "http://127.0.0.1:1/", 1); /* loopback must not go there */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
