/*
 * One libcurl handle and what a request over it needs. Private to cloud/.
 *
 * A handle is made once with all that does not change; a call sets its request target and its headers. Handles for
 * reads share kept connections; one for upgrades takes a new connection each time and never gives it back, and its
 * request leaves at most once: a second departure, or one after its time, is stopped (rule 3).
 */
#pragma once

#include <curl/curl.h>
#include <sys/queue.h>

#include "advice.h"
#include "client.h"
#include "endpoint.h"
#include "sign.h"

#define TRANSFER_BODY_MAX SMARTAG_BODY_MAX /* no more than will be parsed */

/* The options that hold for every request of this process, API or not: no redirects, no secrets of other places, TLS checked. */
CURLcode transfer_set_common(CURL *easy, const char *ca_file);
void transfer_read_failure(CURL *easy, CURLcode code, struct transfer_failure *ret_failure);

struct job;

struct transfer {
	LIST_ENTRY(transfer) entry; /* of the idle or of the active ones: the client's */
	struct job *job;            /* the client's */
	CURL *easy;
	bool is_upgrade;

	const int64_t *now_ns; /* the client's clock */
	int64_t not_after_ns;  /* 0: no limit */
	unsigned int departures; /* how often libcurl was about to send the request and was let */
	bool is_late;            /* it was not let, because its time had passed */

	struct signed_request request;
	char host_header[300];
	struct curl_slist headers[SIGN_HEADERS_MAX + 2];

	char *body; /* terminated */
	size_t body_len, body_size;
	bool is_out_of_memory;
};

struct transfer_options {
	const struct client_scope *scope;
	const struct endpoint *endpoint;
	const char *user_agent;
	const int64_t *now_ns;
	bool is_upgrade;
};

/* 0, -ENOMEM, or -EINVAL with ret_error when libcurl lacks something. */
int transfer_new(const struct transfer_options *options, struct transfer **ret_transfer, struct error *ret_error) __attribute__((warn_unused_result));
struct transfer *transfer_free(struct transfer *t);

/* `t->request` is signed: hands it to libcurl. 0 or -ENOMEM. */
int transfer_start(struct transfer *t, CURLM *multi, int64_t not_after_ns) __attribute__((warn_unused_result));
/* Takes it back from libcurl, finished or not. */
void transfer_stop(struct transfer *t, CURLM *multi);

long transfer_http_status(const struct transfer *t); /* 0 without an answer */
int64_t transfer_retry_after_s(const struct transfer *t); /* 0 when the answer does not say */
void transfer_failure(const struct transfer *t, CURLcode code, struct transfer_failure *ret_failure);
