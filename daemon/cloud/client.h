/*
 * The way to the cloud: signed calls over libcurl's multi interface, limited, prioritised, never twice.
 *
 * One client serves all scopes. Calls wait in a queue per scope and priority until the scope's limiter and
 * its concurrency let them go; they are signed when they leave. Reads reuse connections (HTTP/2 where the
 * server has it). The upgrade goes over HTTP/1.1 on a fresh connection that is not reused, because libcurl
 * repeats a request by itself when a reused connection dies before the first byte of the answer (rule 3);
 * its redirects, retries and proxies' 407 round trips are off, too. Nothing here blocks.
 * The process must ignore SIGPIPE: OpenSSL writes to a connection that the other side has closed.
 *
 * A call that was handed over is answered exactly once, by the callback, from inside client_run or client_free.
 */
#pragma once

#include <curl/curl.h>

#include "credentials.h"
#include "errors.h"
#include "limiter.h"
#include "sign.h"
#include "smartag.h"

/* When calls are short, this is the order (rule 5). */
enum call_priority {
	CALL_PRIORITY_FOLLOW,
	CALL_PRIORITY_FRESH,
	CALL_PRIORITY_UPGRADE,
	CALL_PRIORITY_LIST,
	CALL_PRIORITY_DPI,
	CALL_PRIORITY_CATALOGUE,
	CALL_PRIORITY_AUTO_UPGRADE,
	CALL_PRIORITY_N,
};

/* Settings of one scope. Strings are borrowed for the life of the client. */
struct client_scope {
	const char *account, *region_id;
	const char *endpoint; /* "https://host[:port]/"; http only for loopback or by the operator's word */
	enum sign_method signature;
	const struct credentials *credentials; /* read at each call: may change; while they are awaited, calls stay queued */
	double calls_per_second;
	double burst;
	uint32_t concurrency;
	int64_t timeout_ns;
	const char *ca_file; /* NULL: the system's */
	const char *proxy;   /* NULL: the environment's (none for a loopback endpoint) */
};

enum call_result {
	CALL_RESULT_OK,          /* HTTP 200, JSON, RequestId, no Code */
	CALL_RESULT_ERROR,       /* the API answered with a Code */
	CALL_RESULT_INVALID,     /* an answer that is none: HTML, cut, too large, no RequestId */
	CALL_RESULT_TRANSPORT,   /* no answer: name, connection, TLS, time-out, reset */
	CALL_RESULT_NOT_SENT,    /* surely never left: too old for not_after_ns, no credentials, shutting down, or no connection was made */
	CALL_RESULT_N,
};
extern const char *const call_result_names[CALL_RESULT_N];

/* What became of a call; all borrowed, valid during the callback. */
struct call_reply {
	void *userdata; /* of client_call */
	uint64_t tag;
	uint32_t scope;
	enum api_action action;
	enum call_result result;
	enum error_class class;  /* for reads: on_read, INVALID and TRANSPORT are transient; for the upgrade: on_upgrade, or UNCONFIRMED */
	const struct error_code *code; /* NULL unless result is ERROR and the code is known */
	const struct api_envelope *envelope; /* never NULL; empty strings when there was none */
	struct api_reply *reply; /* parsed body when OK; NULL else */
	long http_status;        /* 0 without an answer */
	int64_t sent_ns, done_ns;
	unsigned int n_throttled; /* how many times this read was throttled and put back before */
	const char *advice;      /* what went wrong and the next step, one line for the log; "" when OK. Never a secret */
};
typedef void (*client_reply_fn)(void *ctx, const struct call_reply *reply);
struct client;
struct fetch;
struct fetcher;

struct client_options {
	const struct client_scope *scopes;
	uint32_t n_scopes;
	client_reply_fn on_reply;
	void *ctx;
	const char *user_agent;
	uint64_t (*random)(void *ctx); /* nonces */
};

/* Calls curl_global_init once per process itself. 0, -ENOMEM, or -EINVAL with ret_error. */
int client_new(const struct client_options *options, struct client **ret_client, struct error *ret_error) __attribute__((warn_unused_result));
/* Ends all transfers; calls not answered yet are answered (NOT_SENT, or TRANSPORT for those under way). NULL is fine. */
struct client *client_free(struct client *c);

struct call {
	uint32_t scope;
	enum call_priority priority;
	struct api_request request; /* copied */
	int64_t not_after_ns;       /* boot-time clock; 0: no limit */
	uint64_t tag;
	void *userdata;
};
/* Queues. 0, -ENOMEM, -E2BIG; -ECANCELED from a callback of client_free. */
int client_call(struct client *c, const struct call *call) __attribute__((warn_unused_result));

/* Lets calls go that may go, moves transfers on, delivers replies. `now_ns` boot-time clock, `wall_s` for signatures. */
int client_run(struct client *c, int64_t now_ns, int64_t wall_s) __attribute__((warn_unused_result));

/* Sleeps until something happens on a transfer, on `extra` descriptors, or the time-out passes (negative: none): the one wait point. */
int client_wait(struct client *c, struct curl_waitfd *extra, unsigned int n_extra, int timeout_ms) __attribute__((warn_unused_result));
/* When client_run has something to do besides socket activity; INT64_MAX for never. */
int64_t client_deadline_ns(const struct client *c, int64_t now_ns);

/* For fetch.c: what shares the client's handle and wait. */
struct fetcher *client_fetcher(struct client *c);

uint32_t client_in_flight(const struct client *c);
size_t client_queued(const struct client *c, uint32_t scope);
double client_rate(const struct client *c, uint32_t scope, int64_t now_ns);
