/*
 * The client against a scripted server on loopback: what arrives there, how often, and what is said of each answer.
 * Every wait is for a condition and ends after 10 s at the latest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cloud/client.h"
#include "scripted_server.h"

#define SECRET "s3cr3tOfTheTest"
#define ANSWERS_MAX 2100
#define PATIENCE_NS (10 * NS_PER_S)
#define WALL_S 1790000000

struct answer {
	enum call_result result;
	enum error_class class;
	uint64_t tag;
	char code[LIMIT_CODE + 1];
	bool is_code_known, has_reply;
	long http_status;
	int64_t sent_ns, done_ns;
	char advice[512];
};

static struct bed {
	struct server server;
	struct client_scope scope;
	struct client *client;
	char endpoint[64];
	int64_t skip_ns; /* how far the test's clock is ahead */
	size_t n_answers;
	struct answer answers[ANSWERS_MAX];
	uint64_t random_state;
	bool calls_again;
} bed;

static struct credentials credentials;

#define HEAD(status, length) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n"
#define OK_TEXT HEAD("200 OK", "17") "\r\n{\"RequestId\":\"1\"}"
#define THROTTLED_TEXT HEAD("400 Bad", "43") "\r\n{\"RequestId\":\"1\",\"Code\":\"Throttling.User\"} "
_Static_assert(SMARTAG_BODY_MAX == 1048576, "the answers below name this size and one more");
static const struct step ok = { STEP_REPLY, OK_TEXT };

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec + bed.skip_ns;
}

static uint64_t next_random(void *ctx)
{
	struct bed *b = ctx;
	return ++b->random_state * UINT64_C(0x9e3779b97f4a7c15);
}

static void call(struct bed *b, enum api_action action, enum call_priority priority, uint64_t tag, int64_t not_after_ns)
{
	const struct call c = {
		.priority = priority,
		.request = { .action = action, .region_id = "cn-shanghai", .instance_id = "sag-1", .serial_number = "sn-1",
			     .version = "1.0.1", .version_type = VERSION_TYPE_DEVICE, .page_number = (uint32_t)tag + 1,
			     .page_size = 50 },
		.not_after_ns = not_after_ns,
		.tag = tag,
		.userdata = b,
	};
	assert_int_equal(client_call(b->client, &c), 0);
}

static void read_call(uint64_t tag)
{
	call(&bed, API_DESCRIBE_SMART_ACCESS_GATEWAYS, CALL_PRIORITY_LIST, tag, 0);
}

static void upgrade_call(uint64_t tag)
{
	call(&bed, API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, CALL_PRIORITY_UPGRADE, tag, 0);
}

static void on_reply(void *ctx, const struct call_reply *r)
{
	struct bed *b = ctx;
	assert_true(b->n_answers < ANSWERS_MAX);
	assert_ptr_equal(r->userdata, b);
	assert_non_null(r->envelope);
	assert_true((r->reply != NULL) == (r->result == CALL_RESULT_OK));
	assert_true((r->advice[0] == '\0') == (r->result == CALL_RESULT_OK));
	assert_null(strpbrk(r->advice, "\n\r"));
	assert_null(strstr(r->advice, SECRET));
	assert_null(strstr(r->advice, "SmartAGId"));
	struct answer *a = &b->answers[b->n_answers++];
	*a = (struct answer){ .result = r->result, .class = r->class, .tag = r->tag, .is_code_known = r->code != NULL,
			      .has_reply = r->reply != NULL, .http_status = r->http_status, .sent_ns = r->sent_ns,
			      .done_ns = r->done_ns };
	snprintf(a->code, sizeof(a->code), "%s", r->envelope->code);
	snprintf(a->advice, sizeof(a->advice), "%s", r->advice);
	if (b->calls_again && r->tag < 20)
		read_call(r->tag + 1);
}

/* One turn of the loop. */
static void turn(void)
{
	int64_t now = now_ns();
	assert_int_equal(client_run(bed.client, now, WALL_S), 0);
	int64_t wait_ns = client_deadline_ns(bed.client, now) - now;
	if (wait_ns > 20 * NS_PER_MS)
		wait_ns = 20 * NS_PER_MS; /* the server's progress wakes nobody here */
	if (wait_ns > 0)
		assert_int_equal(client_wait(bed.client, NULL, 0, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS)), 0);
}

static void run_until(size_t n_answers)
{
	int64_t give_up_ns = now_ns() + PATIENCE_NS;
	while (bed.n_answers < n_answers) {
		if (now_ns() > give_up_ns)
			fail_msg("%zu answers instead of %zu", bed.n_answers, n_answers);
		turn();
	}
}

static void run_until_arrived(size_t n_requests)
{
	int64_t give_up_ns = now_ns() + PATIENCE_NS;
	while (server_requests(&bed.server) < n_requests) {
		if (now_ns() > give_up_ns)
			fail_msg("%zu requests instead of %zu", server_requests(&bed.server), n_requests);
		turn();
	}
}

static void open_client(void)
{
	struct error error = { "" };
	const struct client_options options = { .scopes = &bed.scope, .n_scopes = 1, .on_reply = on_reply, .ctx = &bed,
						.user_agent = "test/1", .random = next_random };
	if (client_new(&options, &bed.client, &error) != 0)
		fail_msg("%s", error.text);
}

/* A server, and a scope that a test may change before open_client. */
static void open_server(const struct step *steps, size_t n_steps, SSL_CTX *tls)
{
	memset(&bed, 0, sizeof(bed));
	server_start(&bed.server, steps, n_steps, tls);
	snprintf(bed.endpoint, sizeof(bed.endpoint), "%s://127.0.0.1:%u/", tls ? "https" : "http", bed.server.port);
	credentials = (struct credentials){ .access_key_id = "id", .access_key_secret = SECRET };
	bed.scope = (struct client_scope){
		.account = "a",
		.region_id = "cn-shanghai",
		.endpoint = bed.endpoint,
		.credentials = &credentials,
		.calls_per_second = 10000,
		.burst = 1000,
		.concurrency = 4,
		.timeout_ns = 5 * NS_PER_S,
	};
}

static void open_bed(const struct step *steps, size_t n_steps)
{
	open_server(steps, n_steps, NULL);
	open_client();
}

#define OPEN_BED(steps) open_bed(steps, sizeof(steps) / sizeof((steps)[0]))

static void close_bed(void)
{
	bed.client = client_free(bed.client);
	server_stop(&bed.server);
}

/* Value of a header as it arrived; names in any case, as HTTP has it. */
static bool header_of(const char *request, const char *name, char *ret_value, size_t size)
{
	size_t n = strlen(name);
	for (const char *line = strstr(request, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
			continue;
		const char *value = line + 2 + n + 1;
		while (*value == ' ')
			value++;
		snprintf(ret_value, size, "%.*s", (int)(strstr(value, "\r\n") - value), value);
		return true;
	}
	return false;
}

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
	open_client();
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
	assert_int_equal(bed.answers[1].result, CALL_RESULT_OK);
	assert_int_equal(bed.answers[2].result, CALL_RESULT_TRANSPORT);
	assert_int_equal(bed.answers[2].class, ERROR_CLASS_UNCONFIRMED);
	assert_non_null(strstr(bed.answers[2].advice, "without an answer"));
	assert_int_equal(server_requests(&bed.server), 3);
	close_bed();
}

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
	open_client();
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
	open_client();
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

static void test_too_late(void **state)
{
	(void)state;
	OPEN_BED(((struct step[]){ ok }));
	call(&bed, API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, CALL_PRIORITY_UPGRADE, 1, now_ns() - 1);
	call(&bed, API_DESCRIBE_SMART_ACCESS_GATEWAYS, CALL_PRIORITY_LIST, 2, now_ns() - 1);
	call(&bed, API_DESCRIBE_SMART_ACCESS_GATEWAYS, CALL_PRIORITY_LIST, 3, now_ns() + 60 * NS_PER_S);
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
	open_client();
	read_call(0);
	run_until(1);
	int64_t until_ns = now_ns() + 30 * NS_PER_S;
	call(&bed, API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, CALL_PRIORITY_UPGRADE, 1, until_ns);
	turn();
	assert_int_equal(client_deadline_ns(bed.client, now_ns()), until_ns + 1);
	bed.skip_ns += 31 * NS_PER_S;
	run_until(2);
	assert_int_equal(bed.answers[1].result, CALL_RESULT_NOT_SENT);
	assert_int_equal(server_requests(&bed.server), 1);
	close_bed();
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
		open_client();
		call(&bed, API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, CALL_PRIORITY_UPGRADE, 1, now_ns() + 30 * NS_PER_S);
		run_until_arrived(1);
		assert_true(strncmp(server_request(&bed.server, 0), "CONNECT smartag.example:80 ", 27) == 0);
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
	open_client();
	upgrade_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_NOT_SENT); /* the cloud never saw it */
	assert_int_equal(server_requests(&bed.server), 1);
	close_bed();
}

static void test_priorities(void **state)
{
	(void)state;
	open_server(&ok, 1, NULL);
	bed.scope.concurrency = 1;
	open_client();
	for (int i = CALL_PRIORITY_N - 1; i >= 0; i--)
		for (int k = 0; k < 2; k++)
			call(&bed, API_DESCRIBE_SMART_ACCESS_GATEWAYS, (enum call_priority)i, (uint64_t)(10 * i + k), 0);
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
	open_client();
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
	open_client();
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
	assert_int_equal(server_requests(&bed.server), 3);
	assert_true(client_rate(bed.client, 0, now_ns()) < 10000);
	upgrade_call(1); /* told at once */
	run_until(2);
	assert_int_equal(bed.answers[1].class, ERROR_CLASS_THROTTLED);
	assert_int_equal(server_requests(&bed.server), 4);
	read_call(2); /* bounded */
	run_until(3);
	assert_int_equal(bed.answers[2].class, ERROR_CLASS_THROTTLED);
	assert_int_equal(server_requests(&bed.server), 4 + 1 + 5);
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
	struct error error;
	const struct client_options options = { .scopes = &bed.scope, .n_scopes = 1, .on_reply = refuse_call, .ctx = &bed,
						.user_agent = "test/1", .random = next_random };
	assert_int_equal(client_new(&options, &bed.client, &error), 0);
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
	char pem[] = "/tmp/test-client-XXXXXX";
	close(mkstemp(pem));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		open_server(&ok, 1, server_tls(table[i].name, table[i].from_s, table[i].to_s, pem));
		bed.scope.ca_file = table[i].is_trusted ? pem : NULL;
		open_client();
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
}

static void test_ca_file_missing(void **state)
{
	(void)state;
	char pem[] = "/tmp/test-client-XXXXXX";
	close(mkstemp(pem));
	open_server(&ok, 1, server_tls("127.0.0.1", -DAY, DAY, pem));
	unlink(pem);
	bed.scope.ca_file = pem;
	open_client();
	upgrade_call(0);
	run_until(1);
	assert_int_equal(bed.answers[0].result, CALL_RESULT_NOT_SENT);
	assert_non_null(strstr(bed.answers[0].advice, "ca_file"));
	close_bed();
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
		cmocka_unit_test(test_what_arrives),
		cmocka_unit_test(test_v2_arrives),
		cmocka_unit_test(test_reads_share_connections),
		cmocka_unit_test(test_upgrade_arrives_once),
		cmocka_unit_test(test_read_is_signed_again),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_largest_answer),
		cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_refused_connection),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_too_late_in_queue),
		cmocka_unit_test(test_too_late_while_connecting),
		cmocka_unit_test(test_proxy_says_no),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_concurrency),
		cmocka_unit_test(test_throttling),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_no_credentials),
		cmocka_unit_test(test_callback_may_call),
		cmocka_unit_test(test_free_answers_all),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_ca_file_missing),
		cmocka_unit_test(test_new_refuses),
	};
	signal(SIGPIPE, SIG_IGN); /* as client.h asks */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
