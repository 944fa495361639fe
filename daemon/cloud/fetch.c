/*
 * One libcurl handle per request: they are rare, and the multi handle keeps the connections. What may hold a secret
 * (headers, bodies of both ways) is wiped when the request is over; libcurl's own copies of a URL are not in our hands.
 */
#include "cloud/fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "cloud/advice.h"
#include "cloud/endpoint.h"
#include "cloud/transfer.h"

#define CONNECT_TIMEOUT_MAX_MS 5000

struct fetch {
	LIST_ENTRY(fetch) entry;
	struct fetcher *fetcher;
	CURL *easy;
	struct endpoint endpoint;
	struct curl_slist *headers;
	char *sent; /* the body of the request */
	char *body;
	size_t len, max_bytes;
	bool is_out_of_memory;
	fetch_reply_fn on_reply;
	void *ctx;
};

LIST_HEAD(fetch_list, fetch);

struct fetcher {
	CURLM *multi;
	const char *user_agent; /* the client's */
	bool is_closing;
	struct fetch_list active;
};

int fetcher_new(CURLM *multi, const char *user_agent, struct fetcher **ret_fetcher)
{
	struct fetcher *x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->multi = multi;
	x->user_agent = user_agent;
	LIST_INIT(&x->active);
	*ret_fetcher = x;
	return 0;
}

static void wipe_text(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
}

static void fetch_free(struct fetch *f)
{
	curl_easy_cleanup(f->easy);
	for (struct curl_slist *h = f->headers; h; h = h->next)
		wipe_text(h->data);
	curl_slist_free_all(f->headers);
	wipe_text(f->sent);
	free(f->sent);
	if (f->body)
		explicit_bzero(f->body, f->max_bytes + 1);
	free(f->body);
	free(f);
}

/* Out of libcurl's and the fetcher's hands. */
static void detach(struct fetch *f)
{
	curl_multi_remove_handle(f->fetcher->multi, f->easy);
	LIST_REMOVE(f, entry);
}

void fetch_cancel(struct fetch *f)
{
	if (!f)
		return;
	detach(f);
	fetch_free(f);
}

/* One piece of memory and no growth, so that no copy of a secret is left behind. */
static size_t on_body(char *data, size_t one, size_t n, void *user)
{
	(void)one;
	struct fetch *f = user;
	if (n > f->max_bytes - f->len)
		return 0;
	if (!f->body)
		f->body = calloc(1, f->max_bytes + 1);
	if (!f->body) {
		f->is_out_of_memory = true;
		return 0;
	}
	memcpy(f->body + f->len, data, n);
	f->len += n;
	return n;
}

static CURLcode set_headers(struct fetch *f, const struct fetch_request *request)
{
	for (size_t i = 0; i < request->n_headers; i++) {
		struct curl_slist *grown = curl_slist_append(f->headers, request->headers[i]);
		if (!grown)
			return CURLE_OUT_OF_MEMORY;
		f->headers = grown;
	}
	return curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers);
}

static CURLcode set_body(struct fetch *f, const struct fetch_request *request)
{
	if (strcmp(request->method, "GET") == 0)
		return curl_easy_setopt(f->easy, CURLOPT_HTTPGET, 1L);
	f->sent = strdup(request->body ? request->body : "");
	if (!f->sent)
		return CURLE_OUT_OF_MEMORY;
	CURLcode r = curl_easy_setopt(f->easy, CURLOPT_POST, 1L);
	r = r ? r : curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, f->sent);
	return r ? r : curl_easy_setopt(f->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static CURLcode set_way(struct fetch *f, const struct fetch_request *request)
{
	bool is_direct = f->endpoint.is_loopback || f->endpoint.is_metadata;
	CURLcode r = curl_easy_setopt(f->easy, CURLOPT_URL, request->url);
	r = r ? r : curl_easy_setopt(f->easy, CURLOPT_PATH_AS_IS, 1L);
	r = r ? r : curl_easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, f->endpoint.is_https ? "https" : "http");
	r = r ? r : curl_easy_setopt(f->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (is_direct)
		return r ? r : curl_easy_setopt(f->easy, CURLOPT_PROXY, "");
	if (request->proxy)
		return r ? r : curl_easy_setopt(f->easy, CURLOPT_PROXY, request->proxy);
	return r;
}

static CURLcode set_limits(struct fetch *f, const struct fetch_request *request)
{
	long timeout_ms = (long)((request->timeout_ns + NS_PER_MS - 1) / NS_PER_MS);
	long connect_ms = timeout_ms < CONNECT_TIMEOUT_MAX_MS ? timeout_ms : CONNECT_TIMEOUT_MAX_MS;
	CURLcode r = curl_easy_setopt(f->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	r = r ? r : curl_easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	r = r ? r : curl_easy_setopt(f->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_bytes);
	r = r ? r : curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_body);
	r = r ? r : curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	return r ? r : curl_easy_setopt(f->easy, CURLOPT_USERAGENT, f->fetcher->user_agent);
}

static CURLcode set_all(struct fetch *f, const struct fetch_request *request)
{
	CURLcode r = transfer_set_common(f->easy, request->ca_file);
	r = r ? r : set_body(f, request);
	r = r ? r : set_headers(f, request);
	r = r ? r : set_way(f, request);
	return r ? r : set_limits(f, request);
}

/* The URL says who is asked before libcurl sees it. */
static int check(struct fetch *f, const struct fetch_request *request, struct error *ret_error)
{
	struct error why;
	int r = endpoint_parse_url(request->url, &f->endpoint, &why);
	if (r == ENDPOINT_E_INVALID) {
		snprintf(ret_error->text, sizeof(ret_error->text), "the URL %.400s", why.text);
		return FETCH_E_INVALID;
	}
	return r;
}

int fetch_start(struct client *c, const struct fetch_request *request, fetch_reply_fn on_reply, void *ctx, struct fetch **ret_fetch,
		struct error *ret_error)
{
	struct fetcher *x = client_fetcher(c);
	assert(request->timeout_ns > 0 && request->max_bytes > 0 && request->n_headers <= FETCH_HEADERS_MAX);
	if (x->is_closing)
		return -ECANCELED;
	struct fetch *f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->fetcher = x;
	f->max_bytes = request->max_bytes;
	f->on_reply = on_reply;
	f->ctx = ctx;
	int r = check(f, request, ret_error);
	if (r) {
		fetch_free(f);
		return r;
	}
	f->easy = curl_easy_init();
	if (!f->easy || set_all(f, request) != CURLE_OK || curl_multi_add_handle(x->multi, f->easy) != CURLM_OK) {
		fetch_free(f); /* client_new has seen that this libcurl has the options: only memory can be missing */
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&x->active, f, entry);
	*ret_fetch = f;
	return 0;
}

static enum fetch_result judge(const struct fetch *f, CURLcode code, struct error *ret_advice)
{
	struct transfer_failure failure;
	if (code == CURLE_OK)
		return FETCH_RESULT_ANSWER;
	transfer_read_failure(f->easy, code, &failure);
	advice_transport(f->endpoint.url, &failure, ret_advice);
	if (f->is_out_of_memory)
		snprintf(ret_advice->text, sizeof(ret_advice->text), "%s: out of memory", f->endpoint.url);
	return advice_result(code) == CALL_RESULT_INVALID && !f->is_out_of_memory ? FETCH_RESULT_INVALID : FETCH_RESULT_TRANSPORT;
}

/* The fetcher knows nothing of it any more when the callback runs: that may start the next. */
static void answer(struct fetch *f, enum fetch_result result, const char *advice)
{
	struct fetch_reply reply = { .result = result, .body = "", .advice = advice };
	if (result == FETCH_RESULT_ANSWER) {
		curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &reply.http_status);
		reply.body = f->body ? f->body : "";
		reply.len = f->len;
	}
	detach(f);
	f->on_reply(f->ctx, &reply);
	fetch_free(f);
}

static struct fetch *find(const struct fetcher *x, const CURL *easy)
{
	struct fetch *f;
	LIST_FOREACH(f, &x->active, entry)
		if (f->easy == easy)
			return f;
	return NULL;
}

bool fetcher_finish(struct fetcher *x, CURL *easy, CURLcode code)
{
	struct fetch *f = find(x, easy);
	struct error advice = { "" };
	if (!f)
		return false;
	answer(f, judge(f, code, &advice), advice.text);
	return true;
}

struct fetcher *fetcher_free(struct fetcher *x)
{
	struct fetch *f;
	if (!x)
		return NULL;
	x->is_closing = true;
	while ((f = LIST_FIRST(&x->active))) {
		struct error advice;
		snprintf(advice.text, sizeof(advice.text), "%s: the client was closed before the answer", f->endpoint.url);
		answer(f, FETCH_RESULT_CLOSED, advice.text); // NOLINT(clang-analyzer-unix.Malloc): that took the one before off the list
	}
	free(x);
	return NULL;
}
