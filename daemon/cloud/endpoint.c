/*
 * Takes an endpoint apart with libcurl's own parser, so that what is signed, what is checked and what is connected
 * to cannot be three different hosts. A user name, a query or a path in it is refused: it may hold a secret, and
 * messages show endpoints.
 */
#include "cloud/endpoint.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int invalid(struct error *ret_error, const char *why)
{
	snprintf(ret_error->text, sizeof(ret_error->text), "endpoint: %s: it must look like https://host/ or https://host:port/",
		 why);
	return ENDPOINT_E_INVALID;
}

struct parts {
	char *scheme, *host, *port, *path;
};

static void parts_free(struct parts *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
	curl_free(p->path);
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
	curl_free(text);
	return has;
}

/* NULL when all is well. */
static const char *check_parts(CURLU *url, struct parts *p)
{
	if (curl_url_get(url, CURLUPART_SCHEME, &p->scheme, 0) || curl_url_get(url, CURLUPART_HOST, &p->host, 0) ||
	    curl_url_get(url, CURLUPART_PATH, &p->path, 0))
		return "no scheme or no host";
	if (strcmp(p->scheme, "https") != 0 && strcmp(p->scheme, "http") != 0)
		return "the scheme is neither https nor http";
	if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		return "it holds a user name or a password";
	if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT) || strcmp(p->path, "/") != 0)
		return "it goes on after the host";
	if (strlen(p->host) > ENDPOINT_HOST_MAX)
		return "the host name is too long";
	for (char *c = p->host; *c; c++) {
		if (*c <= ' ' || *c > '~')
			return "the host name is not plain ASCII";
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	curl_url_get(url, CURLUPART_PORT, &p->port, CURLU_NO_DEFAULT_PORT);
	return NULL;
}

static bool is_loopback(const char *host)
{
	unsigned int a, b, c;
	char end;
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       sscanf(host, "127.%3u.%3u.%3u%c", &a, &b, &c, &end) == 3;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint, struct error *ret_error)
{
	struct parts p = { 0 };
	CURLU *url = curl_url();
	if (!url)
		return -ENOMEM;
	const char *why = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK
				  ? check_parts(url, &p)
				  : "it is no URL";
	if (!why) {
		struct endpoint e = { .is_https = strcmp(p.scheme, "https") == 0, .is_loopback = is_loopback(p.host) };
		snprintf(e.host, sizeof(e.host), "%s%s%s", p.host, p.port ? ":" : "", p.port ? p.port : "");
		snprintf(e.url, sizeof(e.url), "%s://%s/", p.scheme, e.host);
		*ret_endpoint = e;
	}
	parts_free(&p);
	curl_url_cleanup(url);
	return why ? invalid(ret_error, why) : ENDPOINT_OK;
}
