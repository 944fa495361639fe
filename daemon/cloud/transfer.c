/*
 * All of libcurl's options for the API are set in this file and nowhere else (fetch.c adds its own to the common ones). Tables hold what never changes; what a call
 * changes is its target and its headers, which libcurl does not copy: they live in the transfer until it is over.
 */
#include "cloud/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MAX_MS 10000
#define BODY_KEPT_BYTES ((size_t)256 * 1024) /* a larger buffer is given back after the call */
#define DEFAULT_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct long_option {
	CURLoption option;
	long value;
};

static const struct long_option common_options[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_QUICK_EXIT, 1 }, /* else a name server that is silent blocks the loop when a call ends */
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_UNRESTRICTED_AUTH, 0 },
	{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
	{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	{ CURLOPT_TCP_KEEPALIVE, 1 },
	{ CURLOPT_HTTPPROXYTUNNEL, 1 },         /* the request target stays what was signed */
	{ CURLOPT_PROXYAUTH, CURLAUTH_BASIC },  /* sent at once: no second round trip after a 407 */
};

static const struct long_option api_options[] = {
	{ CURLOPT_MAXFILESIZE, TRANSFER_BODY_MAX },
	{ CURLOPT_POST, 1 },
};

static const struct long_option read_options[] = {
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
};

/* libcurl repeats a request when a *reused* connection dies before the answer, and may do so on HTTP/2. */
static const struct long_option upgrade_options[] = {
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
	{ CURLOPT_FRESH_CONNECT, 1 },
	{ CURLOPT_FORBID_REUSE, 1 },
};

static CURLcode set_longs(CURL *easy, const struct long_option *options, size_t n)
{
	CURLcode r = CURLE_OK;
	for (size_t i = 0; r == CURLE_OK && i < n; i++)
		r = curl_easy_setopt(easy, options[i].option, options[i].value);
	return r;
}

#define SET_LONGS(easy, options) set_longs(easy, options, sizeof(options) / sizeof((options)[0]))

/* Grows by doubling; the limit holds whatever length the answer had promised. */
static int reserve(struct transfer *t, size_t len)
{
	size_t size = t->body_size ? t->body_size : 8192;
	while (size < len + 1)
		size *= 2;
	if (size == t->body_size)
		return 0;
	char *body = realloc(t->body, size);
	if (!body)
		return -ENOMEM;
	t->body = body;
	t->body_size = size;
	return 0;
}

static size_t on_body(char *data, size_t one, size_t n, void *user)
{
	(void)one;
	struct transfer *t = user;
	if (n > TRANSFER_BODY_MAX - t->body_len)
		return 0;
	if (reserve(t, t->body_len + n) < 0) {
		t->is_out_of_memory = true;
		return 0;
	}
	memcpy(t->body + t->body_len, data, n);
	t->body_len += n;
	t->body[t->body_len] = '\0';
	return n;
}

/* Connected, and about to send: the last moment to say no, and the proof that a request may have left. */
static int on_departure(void *user, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	(void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
	struct transfer *t = user;
	if (t->not_after_ns != 0 && *t->now_ns > t->not_after_ns) {
		t->is_late = true;
		return CURL_PREREQFUNC_ABORT;
	}
	if (t->is_upgrade && t->departures > 0)
		return CURL_PREREQFUNC_ABORT;
	t->departures++;
	return CURL_PREREQFUNC_OK;
}

static CURLcode set_callbacks(struct transfer *t)
{
	CURL *easy = t->easy;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_departure);
	return r ? r : curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
}

/* Without CURLOPT_CAPATH libcurl keeps the parsed file: a new connection costs 0.65 ms of CPU instead of 27. */
static CURLcode set_trust(CURL *easy, const char *ca_file)
{
	char *built_in = NULL;
	if (!ca_file && curl_easy_getinfo(easy, CURLINFO_CAINFO, &built_in) == CURLE_OK)
		ca_file = built_in;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	return r ? r : curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file ? ca_file : DEFAULT_CA_FILE);
}

static CURLcode set_proxy(CURL *easy, const struct transfer_options *o)
{
	if (o->scope->proxy)
		return curl_easy_setopt(easy, CURLOPT_PROXY, o->scope->proxy);
	return o->endpoint->is_loopback ? curl_easy_setopt(easy, CURLOPT_PROXY, "") : CURLE_OK;
}

static CURLcode set_scope(CURL *easy, const struct transfer_options *o)
{
	const char *protocols = o->endpoint->is_https ? "https" : "http";
	long timeout_ms = (long)((o->scope->timeout_ns + NS_PER_MS - 1) / NS_PER_MS);
	long connect_ms = timeout_ms < CONNECT_TIMEOUT_MAX_MS ? timeout_ms : CONNECT_TIMEOUT_MAX_MS;
	CURLcode r = curl_easy_setopt(easy, CURLOPT_URL, o->endpoint->url);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_USERAGENT, o->user_agent);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
	r = r ? r : curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	r = r ? r : curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	/* Waiting for a connection that may be shared pays only where HTTP/2 is possible. */
	r = r ? r : curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)(o->endpoint->is_https && !o->is_upgrade));
	return r ? r : set_proxy(easy, o);
}

CURLcode transfer_set_common(CURL *easy, const char *ca_file)
{
	CURLcode r = SET_LONGS(easy, common_options);
	return r ? r : set_trust(easy, ca_file);
}

static CURLcode set_all(struct transfer *t, const struct transfer_options *o)
{
	CURLcode r = transfer_set_common(t->easy, o->scope->ca_file);
	r = r ? r : SET_LONGS(t->easy, api_options);
	r = r ? r : o->is_upgrade ? SET_LONGS(t->easy, upgrade_options) : SET_LONGS(t->easy, read_options);
	r = r ? r : set_scope(t->easy, o);
	return r ? r : set_callbacks(t);
}

int transfer_new(const struct transfer_options *o, struct transfer **ret_transfer, struct error *ret_error)
{
	struct transfer *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->easy = curl_easy_init();
	if (!t->easy) {
		transfer_free(t);
		return -ENOMEM;
	}
	t->is_upgrade = o->is_upgrade;
	t->now_ns = o->now_ns;
	snprintf(t->host_header, sizeof(t->host_header), "Host: %s", o->endpoint->host);
	CURLcode r = set_all(t, o);
	if (r != CURLE_OK) {
		snprintf(ret_error->text, sizeof(ret_error->text), "libcurl %s cannot do what is needed: %s: install 7.88 or later",
			 curl_version_info(CURLVERSION_NOW)->version, curl_easy_strerror(r));
		transfer_free(t);
		return r == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	}
	*ret_transfer = t;
	return 0;
}

struct transfer *transfer_free(struct transfer *t)
{
	if (!t)
		return NULL;
	curl_easy_cleanup(t->easy);
	free(t->body);
	free(t);
	return NULL;
}

/* The list points into the transfer: no allocation per call. Host is given so that it is surely what was signed. */
static void link_headers(struct transfer *t)
{
	static char no_content_type[] = "Content-Type:";
	size_t n = 0;
	t->headers[n++].data = t->host_header;
	t->headers[n++].data = no_content_type;
	for (size_t i = 0; i < t->request.n_headers; i++)
		t->headers[n++].data = t->request.headers[i];
	for (size_t i = 0; i < n; i++)
		t->headers[i].next = i + 1 < n ? &t->headers[i + 1] : NULL;
}

int transfer_start(struct transfer *t, CURLM *multi, int64_t not_after_ns)
{
	t->not_after_ns = not_after_ns;
	t->departures = 0;
	t->is_late = false;
	t->is_out_of_memory = false;
	t->body_len = 0;
	link_headers(t);
	if (curl_easy_setopt(t->easy, CURLOPT_REQUEST_TARGET, t->request.target) != CURLE_OK ||
	    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) != CURLE_OK ||
	    curl_multi_add_handle(multi, t->easy) != CURLM_OK)
		return -ENOMEM;
	return 0;
}

void transfer_stop(struct transfer *t, CURLM *multi)
{
	curl_multi_remove_handle(multi, t->easy);
	if (t->body_size > BODY_KEPT_BYTES) {
		free(t->body);
		t->body = NULL;
		t->body_size = 0;
		t->body_len = 0;
	}
}

long transfer_http_status(const struct transfer *t)
{
	long status = 0;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

int64_t transfer_retry_after_s(const struct transfer *t)
{
	curl_off_t s = 0;
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &s);
	return s > 0 ? s : 0;
}

void transfer_read_failure(CURL *easy, CURLcode code, struct transfer_failure *ret_failure)
{
	*ret_failure = (struct transfer_failure){ .code = code };
	curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &ret_failure->verify_result);
	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &ret_failure->os_error);
}

void transfer_failure(const struct transfer *t, CURLcode code, struct transfer_failure *ret_failure)
{
	transfer_read_failure(t->easy, code, ret_failure);
}
