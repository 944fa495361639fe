/*
 * Plain HTTP(S) requests beside the API's calls: metadata, STS, credentials from a URL, PromQL. They share the client's
 * libcurl multi handle and so its one wait point; nothing here blocks.
 *
 * A request that was started is answered exactly once, from inside client_run or client_free, unless it is cancelled.
 * Redirects are not followed. Loopback and metadata addresses are never asked by way of a proxy.
 */
#pragma once

#include "client.h"

#define FETCH_HEADERS_MAX 12

struct fetch_request {
	const char *method;  /* "GET", "POST", "PUT" */
	const char *url;     /* http or https; whether a secret may go there is the caller's to check: endpoint_is_private */
	const char *const *headers; /* "Name: value"; libcurl adds Host, and for a body its length */
	size_t n_headers;
	const char *body;    /* NULL: none. Form-encoded unless a header says otherwise */
	int64_t timeout_ns;  /* for all of it */
	const char *ca_file; /* NULL: the system's */
	const char *proxy;   /* NULL: the environment's */
	size_t max_bytes;    /* of the answer; more is INVALID. Memory for it is taken when an answer begins */
};

enum fetch_result {
	FETCH_RESULT_ANSWER,    /* a whole answer, whatever its HTTP status */
	FETCH_RESULT_INVALID,   /* cut, too large, no HTTP */
	FETCH_RESULT_TRANSPORT, /* none: name, connection, TLS, time-out, reset */
	FETCH_RESULT_CLOSED,    /* the client goes away */
	FETCH_RESULT_N,
};

/* All borrowed, valid during the callback, and wiped after it. */
struct fetch_reply {
	enum fetch_result result;
	long http_status;   /* 0 without an answer */
	const char *body;   /* terminated; "" without */
	size_t len;
	const char *advice; /* what went wrong and the next step, one line: scheme, host and port, never path, query, headers; "" for ANSWER */
};
typedef void (*fetch_reply_fn)(void *ctx, const struct fetch_reply *reply);

enum {
	FETCH_OK = 0,
	FETCH_E_INVALID = 1, /* the URL is none, or the proxy's: ret_error says why, without the text itself */
};
/*
 * Starts it; everything in the request is copied. ret_fetch is for fetch_cancel and ends with the answer.
 * 0, FETCH_E_INVALID, -ENOMEM, or -ECANCELED from a callback of client_free.
 */
int fetch_start(struct client *c, const struct fetch_request *request, fetch_reply_fn on_reply, void *ctx, struct fetch **ret_fetch,
		struct error *ret_error) __attribute__((warn_unused_result));
/* Ends it without an answer. NULL is fine. */
void fetch_cancel(struct fetch *f);

/* The client's side: what it owns and hands finished handles to. */
struct fetcher;
int fetcher_new(CURLM *multi, const char *user_agent, struct fetcher **ret_fetcher) __attribute__((warn_unused_result));
/* Answers what is under way. NULL is fine. */
struct fetcher *fetcher_free(struct fetcher *x);
/* Tells the end of a transfer that is the fetcher's; false when it is not. */
bool fetcher_finish(struct fetcher *x, CURL *easy, CURLcode code);
