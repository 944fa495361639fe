/*
 * What the client's tests share: a scripted server, a client with one scope, its answers, and a loop that waits for
 * conditions, 10 s at most. One at a time; include after cmocka.h.
 */
#pragma once

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
	unsigned int n_throttled;
	char advice[512];
};

extern struct bed {
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

extern struct credentials credentials;

#define HEAD(status, length) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nContent-Length: " length "\r\n"
#define OK_TEXT HEAD("200 OK", "17") "\r\n{\"RequestId\":\"1\"}"
#define THROTTLED_TEXT HEAD("400 Bad", "43") "\r\n{\"RequestId\":\"1\",\"Code\":\"Throttling.User\"} "
extern const struct step ok;

/* The boot-time clock and what the test skipped. */
int64_t now_ns(void);

/* A server, and a scope that a test may change before open_client. */
void open_server(const struct step *steps, size_t n_steps, SSL_CTX *tls);
void open_client(client_reply_fn reply_fn);
void open_bed(const struct step *steps, size_t n_steps);
#define OPEN_BED(steps) open_bed(steps, sizeof(steps) / sizeof((steps)[0]))
void close_bed(void);

/* Records an answer, and checks what holds for each. */
void on_reply(void *ctx, const struct call_reply *r);

uint64_t next_random(void *ctx);

void call(enum api_action action, enum call_priority priority, uint64_t tag, int64_t not_after_ns);
void read_call(uint64_t tag);
void upgrade_call(uint64_t tag);

void turn(void); /* one of the loop */
void run_until(size_t n_answers);
void run_until_arrived(size_t n_requests);

/* Value of a header as it arrived; names in any case, as HTTP has it. */
bool header_of(const char *request, const char *name, char *ret_value, size_t size);
