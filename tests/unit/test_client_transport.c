/* The client and the wire: what arrives at the server, how often, and what is said of each answer and failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_bed.h"

_Static_assert(SMARTAG_BODY_MAX == 1048576, "the answers below name this size and one more");

static void assert_header(const char *request, const char *name, const char *expected)
{
	char value[512];
	if (!header_of(request, name, value, sizeof(value)))
		fail_msg("no header %s", name);
	assert_string_equal(value, expected);
}

/* Signs again what arrived, with the Host that arrived: the server would do the same. */
static void check_v3_signature(const char *request)
{
	static struct signed_request again;
	char host[128], nonce[64], authorization[512];
	assert_true(header_of(request, "host", host, sizeof(host)));
	assert_true(header_of(request, "x-acs-signature-nonce", nonce, sizeof(nonce)));
	assert_true(header_of(request, "authorization", authorization, sizeof(authorization)));
	assert_int_equal(strlen(nonce), 32);
	const struct sign_param params[] = {
		{ "RegionId", "cn-shanghai" }, { "PageNumber", "1" }, { "PageSize", "50" } };
	const struct sign_key key = credentials_key(&credentials);
	const struct sign_request r = { "POST", host, "/", "DescribeSmartAccessGateways", "2018-03-13", params, 3, WALL_S, nonce };
	struct signer *signer;
	assert_int_equal(signer_new(&signer), 0);
	assert_int_equal(signer_sign(signer, SIGN_V3, &key, &r, &again), 0);
	signer_free(signer);
	assert_non_null(strstr(authorization, again.signature));
	assert_true(strncmp(request + strlen("POST "), again.target, strlen(again.target)) == 0);
}

static void test_what_arrives(void **state)
{
	(void)state;
	char value[64], host[64];
	OPEN_BED(((struct step[]){ ok }));
	read_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_OK);
	assert_int_equal(bed.answers[0].class, ERROR_CLASS_NONE);
	assert_int_equal(bed.answers[0].http_status, 200);
	assert_true(bed.answers[0].sent_ns > 0 && bed.answers[0].done_ns >= bed.answers[0].sent_ns);
	const char *request = server_request(&bed.server, 0);
	snprintf(host, sizeof(host), "127.0.0.1:%u", bed.server.port);
	assert_header(request, "host", host);
	assert_header(request, "content-length", "0");
	assert_header(request, "accept", "application/json");
	assert_header(request, "user-agent", "test/1");
	assert_false(header_of(request, "content-type", value, sizeof(value)));
	assert_false(header_of(request, "expect", value, sizeof(value)));
	assert_null(strstr(request, SECRET));
	check_v3_signature(request);
	close_bed();
}

static void test_v2_arrives(void **state)
{
	(void)state;
	open_server(&ok, 1, NULL);
	bed.scope.signature = SIGN_V2;
	open_client(on_reply);
	upgrade_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_OK);
	const char *request = server_request(&bed.server, 0);
	assert_non_null(strstr(request, "Action=UpdateSmartAccessGatewayVersion&"));
	assert_non_null(strstr(request, "&SerialNumber=sn-1&"));
	assert_non_null(strstr(request, "&Signature="));
	assert_null(strstr(request, "x-acs-"));
	close_bed();
}

static void test_reads_share_connections(void **state)
{
	(void)state;
	OPEN_BED(((struct step[]){ ok }));
	for (uint64_t i = 0; i < 10; i++) {
		read_call(i);
		run_until(i + 1);
	}
	assert_int_equal(server_connections(&bed.server), 1);
	for (uint64_t i = 0; i < 3; i++) {
		upgrade_call(i);
		run_until(11 + i);
	}
	assert_int_equal(server_connections(&bed.server), 4);
	read_call(0);
	run_until(14);
	assert_int_equal(server_connections(&bed.server), 4);
	assert_int_equal(server_requests(&bed.server), 14);
	for (size_t i = 0; i < 14; i++)
		assert_non_null(strstr(server_request(&bed.server, i), " HTTP/1.1\r\n"));
	close_bed();
}

/*
 * Rule 3. A read leaves a kept connection behind; then an upgrade takes effect and the connection is closed
 * without an answer. libcurl would send it again if it had gone over the kept connection.
 */
static void test_upgrade_arrives_once(void **state)
{
	(void)state;
	OPEN_BED(((struct step[]){ ok, ok, { STEP_CLOSE, NULL }, ok }));
	read_call(0);
	run_until(1);
	upgrade_call(1);
	run_until(2);
	upgrade_call(2);
	run_until(3);
	assert_int_equal(server_requests(&bed.server), 3);
	assert_int_equal(bed.answers[1].result, CALL_RESULT_OK);
	assert_int_equal(bed.answers[2].result, CALL_RESULT_TRANSPORT);
	assert_int_equal(bed.answers[2].class, ERROR_CLASS_UNCONFIRMED);
	assert_non_null(strstr(bed.answers[2].advice, "without an answer"));
	close_bed();
}

/* Answers and what is made of them: for a read, and for an upgrade. */
static const struct answer_row {
	struct step step;
	enum call_result result;
	enum error_class on_read, on_upgrade;
	long http_status;
	const char *code, *says;
} answer_rows[] = {
	{ { STEP_REPLY, OK_TEXT }, CALL_RESULT_OK, ERROR_CLASS_NONE, ERROR_CLASS_NONE, 200, "", "" },
	{ { STEP_CUT, "HTTP/1.1 200 OK\r\n\r\n{\"RequestId\":\"1\"}" }, CALL_RESULT_OK, ERROR_CLASS_NONE, ERROR_CLASS_NONE, 200, "", "" },
	{ { STEP_REPLY, HEAD("403 Forbidden", "36") "\r\n{\"RequestId\":\"1\",\"Code\":\"Forbidden\"}" }, CALL_RESULT_ERROR,
	  ERROR_CLASS_BLOCKED, ERROR_CLASS_BLOCKED, 403, "Forbidden", "Grant" },
	/* the code decides, whatever the status says */
	{ { STEP_REPLY, HEAD("200 OK", "40") "\r\n{\"RequestId\":\"1\",\"Code\":\"VersionTooOld\"}" }, CALL_RESULT_ERROR,
	  ERROR_CLASS_TRANSIENT, ERROR_CLASS_TERMINAL, 200, "VersionTooOld", "newer" },
	{ { STEP_REPLY, HEAD("500 Bad", "40") "\r\n{\"RequestId\":\"1\",\"Code\":\"InternalError\"}" }, CALL_RESULT_ERROR,
	  ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, 500, "InternalError", "" },
	{ { STEP_REPLY, HEAD("400 Bad", "37") "\r\n{\"RequestId\":\"1\",\"Code\":\"NeverHeard\"}" }, CALL_RESULT_ERROR,
	  ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, 400, "NeverHeard", "does not know" },
	/* answers that are none */
	{ { STEP_REPLY, HEAD("502 Bad", "17") "\r\n{\"RequestId\":\"1\"}" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT,
	  ERROR_CLASS_UNCONFIRMED, 502, "", "HTTP 502" },
	{ { STEP_REPLY, HEAD("204 Nothing", "0") "\r\n" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT,
	  ERROR_CLASS_UNCONFIRMED, 204, "", "HTTP 204" },
	{ { STEP_REPLY, HEAD("200 OK", "0") "\r\n" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, 200,
	  "", "HTTP 200" },
	{ { STEP_REPLY, HEAD("200 OK", "2") "\r\n{}" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED,
	  200, "", "HTTP 200" },
	{ { STEP_REPLY, HEAD("503 Busy", "21") "\r\n<html>Service</html>\n" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT,
	  ERROR_CLASS_UNCONFIRMED, 503, "", "HTTP 503" },
	{ { STEP_REPLY, HEAD("302 Found", "0") "Location: /elsewhere\r\n\r\n" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT,
	  ERROR_CLASS_UNCONFIRMED, 302, "", "HTTP 302" },
	{ { STEP_REPLY, HEAD("307 Again", "0") "Location: /elsewhere\r\n\r\n" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT,
	  ERROR_CLASS_UNCONFIRMED, 307, "", "HTTP 307" },
	{ { STEP_REPLY, HEAD("401 Who", "0") "WWW-Authenticate: Basic realm=x\r\n\r\n" }, CALL_RESULT_INVALID,
	  ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, 401, "", "HTTP 401" },
	{ { STEP_CUT, HEAD("200 OK", "17") "\r\n{\"RequestId\"" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT,
	  ERROR_CLASS_UNCONFIRMED, 200, "", "was cut" },
	{ { STEP_CUT, "HTTP/1.1 200 OK\r\n\r\n{\"RequestId\":\"1\"" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT,
	  ERROR_CLASS_UNCONFIRMED, 200, "", "HTTP 200" },
	{ { STEP_CUT, HEAD("200 OK", "1048577") "\r\n" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED,
	  200, "", "too large" },
	{ { STEP_FLOOD, "HTTP/1.1 200 OK\r\n\r\n{\"RequestId\":\"1\"}" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT,
	  ERROR_CLASS_UNCONFIRMED, 200, "", "too large" },
	{ { STEP_CUT, "SSH-2.0-nothing\r\n" }, CALL_RESULT_INVALID, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, 0, "",
	  "not HTTP" },
	/* no answer */
	{ { STEP_CLOSE, NULL }, CALL_RESULT_TRANSPORT, ERROR_CLASS_TRANSIENT, ERROR_CLASS_UNCONFIRMED, 0, "", "without an answer" },
};

static void check_row(size_t i, bool is_upgrade)
{
	const struct answer_row *row = &answer_rows[i];
	open_bed(&row->step, 1);
	if (is_upgrade)
		upgrade_call(7);
	else
		read_call(7);
	run_until(1);
	const struct answer *a = &bed.answers[0];
	if (a->result != row->result || a->class != (is_upgrade ? row->on_upgrade : row->on_read))
		fail_msg("row %zu: %s, %s: %s", i, call_result_names[a->result], error_class_names[a->class], a->advice);
	assert_int_equal(a->http_status, row->http_status);
	assert_string_equal(a->code, row->code);
	if (!strstr(a->advice, row->says))
		fail_msg("row %zu: %s", i, a->advice);
	assert_int_equal(a->tag, 7);
	assert_int_equal(server_requests(&bed.server), 1); /* nothing is followed, nothing repeated */
	assert_int_equal(client_in_flight(bed.client), 0);
	close_bed();
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answer_rows) / sizeof(answer_rows[0]); i++) {
		check_row(i, false);
		check_row(i, true);
	}
}

/* The largest is taken: JSON may end in spaces. */
static void test_largest_answer(void **state)
{
	(void)state;
	static char text[SMARTAG_BODY_MAX + 256];
	int n = snprintf(text, sizeof(text), "%s", HEAD("200 OK", "1048576") "\r\n{\"RequestId\":\"1\"}");
	size_t total = strlen(HEAD("200 OK", "1048576") "\r\n") + SMARTAG_BODY_MAX;
	memset(text + n, ' ', total - (size_t)n);
	text[total] = '\0';
	const struct step step = { STEP_REPLY, text };
	open_bed(&step, 1);
	read_call(0);
	run_until(1);
	if (bed.answers[0].result != CALL_RESULT_OK)
		fail_msg("%s", bed.answers[0].advice);
	close_bed();
}

static void test_time_out(void **state)
{
	(void)state;
	const struct step silent = { STEP_SILENT, NULL };
	open_server(&silent, 1, NULL);
	bed.scope.timeout_ns = 100 * NS_PER_MS;
	open_client(on_reply);
	read_call(0);
	upgrade_call(1);
	run_until(2);
	for (size_t i = 0; i < 2; i++) {
		const struct answer *a = &bed.answers[i];
		assert_int_equal(a->result, CALL_RESULT_TRANSPORT);
		assert_int_equal(a->class, a->tag == 1 ? ERROR_CLASS_UNCONFIRMED : ERROR_CLASS_TRANSIENT);
		assert_non_null(strstr(a->advice, "no answer in time"));
		assert_true(a->done_ns - a->sent_ns >= 99 * NS_PER_MS);
	}
	assert_int_equal(server_requests(&bed.server), 2);
	close_bed();
}

/* A port that nobody listens on: it is bound, so that nobody else gets it. */
static int refused_port(unsigned short *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void test_refused_connection(void **state)
{
	(void)state;
	unsigned short port;
	int fd = refused_port(&port);
	open_server(&ok, 1, NULL);
	snprintf(bed.endpoint, sizeof(bed.endpoint), "http://127.0.0.1:%u/", port);
	open_client(on_reply);
	read_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_TRANSPORT);
	assert_int_equal(bed.answers[0].class, ERROR_CLASS_TRANSIENT);
	assert_non_null(strstr(bed.answers[0].advice, "Connection refused"));
	upgrade_call(1);
	run_until(2);
	assert_int_equal(bed.answers[1].result, CALL_RESULT_NOT_SENT);
	assert_int_equal(bed.answers[1].class, ERROR_CLASS_TRANSIENT);
	assert_non_null(strstr(bed.answers[1].advice, "Connection refused"));
	close_bed();
	close(fd);
}

/* The server plays a proxy that takes its time to connect: the call's time passes before it could leave. */
static void test_too_late_while_connecting(void **state)
{
	(void)state;
	for (int is_late = 0; is_late < 2; is_late++) {
		char proxy[64];
		const struct step steps[] = { { STEP_HOLD, "HTTP/1.1 200 Connected\r\n\r\n" }, ok };
		open_server(steps, 2, NULL);
		snprintf(proxy, sizeof(proxy), "http://user:" SECRET "@127.0.0.1:%u", bed.server.port);
		bed.scope.proxy = proxy;
		bed.scope.endpoint = "http://smartag.example/";
		open_client(on_reply);
		call(API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, CALL_PRIORITY_UPGRADE, 1, now_ns() + 30 * NS_PER_S);
		run_until_arrived(1);
		assert_true(strncmp(server_request(&bed.server, 0), "CONNECT smartag.example:80 ", 27) == 0);
		assert_non_null(strstr(server_request(&bed.server, 0), "Proxy-Authorization: Basic ")); /* at once */
		bed.skip_ns += is_late ? 31 * NS_PER_S : 0;
		turn();
		server_release(&bed.server);
		run_until(1);
		assert_int_equal(bed.answers[0].result, is_late ? CALL_RESULT_NOT_SENT : CALL_RESULT_OK);
		assert_int_equal(server_requests(&bed.server), is_late ? 1 : 2);
		assert_true(!is_late || strstr(bed.answers[0].advice, "too late"));
		close_bed();
	}
}

static void test_proxy_says_no(void **state)
{
	(void)state;
	char proxy[64];
	const struct step no = { STEP_CUT, "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=x,nonce=y\r\nContent-Length: 0\r\n\r\n" };
	open_server(&no, 1, NULL);
	snprintf(proxy, sizeof(proxy), "http://user:" SECRET "@127.0.0.1:%u", bed.server.port);
	bed.scope.proxy = proxy;
	bed.scope.endpoint = "https://smartag.example/";
	open_client(on_reply);
	upgrade_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_NOT_SENT); /* the cloud never saw it */
	assert_int_equal(server_requests(&bed.server), 1);
	close_bed();
}

#define DAY 86400

static void test_tls(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		long from_s, to_s;
		bool is_trusted;
		const char *says; /* NULL: it works */
	} table[] = {
		{ "127.0.0.1", -DAY, DAY, true, NULL },
		{ "127.0.0.1", -DAY, DAY, false, "signed by itself and not trusted" },
		{ "127.0.0.1", -2 * DAY, -DAY, true, "has expired" },
		{ "127.0.0.1", DAY, 2 * DAY, true, "not valid yet" },
		{ "smartag.example", -DAY, DAY, true, "for another host name" },
	};
	char pem[] = "/tmp/test-client-XXXXXX", other_pem[] = "/tmp/test-client-XXXXXX";
	close(mkstemp(pem));
	close(mkstemp(other_pem));
	SSL_CTX_free(server_tls("127.0.0.1", -DAY, DAY, other_pem)); /* another key of the same name */
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		open_server(&ok, 1, server_tls(table[i].name, table[i].from_s, table[i].to_s, pem));
		bed.scope.ca_file = table[i].is_trusted ? pem : other_pem;
		open_client(on_reply);
		read_call(0);
		run_until(1);
		upgrade_call(1);
		run_until(2);
		assert_int_equal(server_requests(&bed.server), table[i].says ? 0 : 2);
		assert_int_equal(bed.answers[0].result, table[i].says ? CALL_RESULT_TRANSPORT : CALL_RESULT_OK);
		assert_int_equal(bed.answers[1].result, table[i].says ? CALL_RESULT_NOT_SENT : CALL_RESULT_OK);
		for (int k = 0; k < 2; k++)
			if (table[i].says && !strstr(bed.answers[k].advice, table[i].says))
				fail_msg("row %zu: %s", i, bed.answers[k].advice);
		close_bed();
	}
	unlink(pem);
	unlink(other_pem);
}

static void test_ca_file_missing(void **state)
{
	(void)state;
	char pem[] = "/tmp/test-client-XXXXXX";
	close(mkstemp(pem));
	open_server(&ok, 1, server_tls("127.0.0.1", -DAY, DAY, pem));
	unlink(pem);
	bed.scope.ca_file = pem;
	open_client(on_reply);
	upgrade_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_NOT_SENT);
	assert_non_null(strstr(bed.answers[0].advice, "ca_file"));
	close_bed();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_arrives),
		cmocka_unit_test(test_v2_arrives),
		cmocka_unit_test(test_reads_share_connections),
		cmocka_unit_test(test_upgrade_arrives_once),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_largest_answer),
		cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_refused_connection),
		cmocka_unit_test(test_too_late_while_connecting),
		cmocka_unit_test(test_proxy_says_no),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_ca_file_missing),
	};
	signal(SIGPIPE, SIG_IGN); /* as client.h asks */
	setenv("http_proxy", "http://127.0.0.1:1/", 1); /* loopback must not go there */
	setenv("https_proxy", "http://127.0.0.1:1/", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
