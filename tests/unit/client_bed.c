/* The test bed of the client: see its header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client_bed.h"

struct bed bed;
struct credentials credentials;

const struct step ok = { STEP_REPLY, OK_TEXT };

int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec + bed.skip_ns;
}

uint64_t next_random(void *ctx)
{
	struct bed *b = ctx;
	return ++b->random_state * UINT64_C(0x9e3779b97f4a7c15);
}

void call(enum api_action action, enum call_priority priority, uint64_t tag, int64_t not_after_ns)
{
	const struct call c = {
		.priority = priority,
		.request = { .action = action, .region_id = "cn-shanghai", .instance_id = "sag-1", .serial_number = "sn-1",
			     .version = "1.0.1", .version_type = VERSION_TYPE_DEVICE, .page_number = (uint32_t)tag + 1,
			     .page_size = 50 },
		.not_after_ns = not_after_ns,
		.tag = tag,
		.userdata = &bed,
	};
	assert_int_equal(client_call(bed.client, &c), 0);
}

void read_call(uint64_t tag)
{
	call(API_DESCRIBE_SMART_ACCESS_GATEWAYS, CALL_PRIORITY_LIST, tag, 0);
}

void upgrade_call(uint64_t tag)
{
	call(API_UPDATE_SMART_ACCESS_GATEWAY_VERSION, CALL_PRIORITY_UPGRADE, tag, 0);
}

void on_reply(void *ctx, const struct call_reply *r)
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
			      .done_ns = r->done_ns,
			      .n_throttled = r->n_throttled };
	snprintf(a->code, sizeof(a->code), "%s", r->envelope->code);
	snprintf(a->advice, sizeof(a->advice), "%s", r->advice);
	if (b->calls_again && r->tag < 20)
		read_call(r->tag + 1);
}

/* One turn of the loop. */
void turn(void)
{
	int64_t now = now_ns();
	assert_int_equal(client_run(bed.client, now, WALL_S), 0);
	int64_t wait_ns = client_deadline_ns(bed.client, now) - now;
	if (wait_ns > 20 * NS_PER_MS)
		wait_ns = 20 * NS_PER_MS; /* the server's progress wakes nobody here */
	if (wait_ns > 0)
		assert_int_equal(client_wait(bed.client, NULL, 0, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS)), 0);
}

void run_until(size_t n_answers)
{
	int64_t give_up_ns = now_ns() + PATIENCE_NS;
	while (bed.n_answers < n_answers) {
		if (now_ns() > give_up_ns)
			fail_msg("%zu answers instead of %zu", bed.n_answers, n_answers);
		turn();
	}
}

void run_until_arrived(size_t n_requests)
{
	int64_t give_up_ns = now_ns() + PATIENCE_NS;
	while (server_requests(&bed.server) < n_requests) {
		if (now_ns() > give_up_ns)
			fail_msg("%zu requests instead of %zu", server_requests(&bed.server), n_requests);
		turn();
	}
}

void open_client(client_reply_fn reply_fn)
{
	struct error error = { "" };
	const struct client_options options = { .scopes = &bed.scope, .n_scopes = 1, .on_reply = reply_fn, .ctx = &bed,
						.user_agent = "test/1", .random = next_random };
	if (client_new(&options, &bed.client, &error) != 0)
		fail_msg("%s", error.text);
}

/* A server, and a scope that a test may change before open_client. */
void open_server(const struct step *steps, size_t n_steps, SSL_CTX *tls)
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

void open_bed(const struct step *steps, size_t n_steps)
{
	open_server(steps, n_steps, NULL);
	open_client(on_reply);
}

void close_bed(void)
{
	bed.client = client_free(bed.client);
	server_stop(&bed.server);
}

/* Value of a header as it arrived; names in any case, as HTTP has it. */
bool header_of(const char *request, const char *name, char *ret_value, size_t size)
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
