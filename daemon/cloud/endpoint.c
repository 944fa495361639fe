/*
 * Takes an endpoint apart with libcurl's own parser, so that what is signed, what is checked and what is connected
 * to cannot be three different hosts. A user name, a query or a path in it is refused: it may hold a secret, and
 * messages show endpoints; for the same reason no message repeats the text.
 *
 * libcurl writes 127.1, 0177.0.0.1 and 0x7f.1 as 127.0.0.1, so they are that. What then still looks like a number and
 * is none (127.0.0.999, 127.0.0.1.) is left to the resolver by libcurl and refused here: no name may pass for loopback.
 */
#include "cloud/endpoint.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LABEL_MAX 63 /* RFC 1035 */
#define ALIBABA_METADATA 0x646464c8u /* 100.100.100.200 */
#define LINK_LOCAL 0xa9feu           /* 169.254.0.0/16, RFC 3927 */

#define BAD_SCHEME "does not begin with https:// (or http:// for loopback)"
#define BAD_USER "holds a user or password before \"@\"; keys belong into the credentials"
#define BAD_HOST "has no valid host; write a DNS name, four decimal parts, or IPv6 in brackets"
#define BAD_PORT "has no valid port; it is a number from 1 to 65535"
#define BAD_FRAGMENT "has a fragment behind \"#\"; remove it"
#define BAD_REST "goes on after the host; write scheme, host and perhaps a port only"

struct parts {
	CURLU *url;
	char *scheme, *host, *port, *path;
	bool is_without_memory;
};

static void parts_deinit(struct parts *p)
{
	curl_free(p->scheme);
	curl_free(p->host);
	curl_free(p->port);
	curl_free(p->path);
	curl_url_cleanup(p->url);
}

static bool parts_get(struct parts *p, CURLUPart part, char **ret_text)
{
	CURLUcode code = curl_url_get(p->url, part, ret_text, CURLU_NO_DEFAULT_PORT);

	p->is_without_memory |= code == CURLUE_OUT_OF_MEMORY;
	return code == CURLUE_OK;
}

static bool parts_has(struct parts *p, CURLUPart part)
{
	char *text = NULL;
	bool has = parts_get(p, part, &text);

	curl_free(text);
	return has;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool endpoint_is_label(const char *text, size_t len)
{
	if (!len || len > LABEL_MAX || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_digit(text[i]) && !(text[i] >= 'a' && text[i] <= 'z') && !(text[i] >= 'A' && text[i] <= 'Z') && text[i] != '-')
			return false;
	return true;
}

static void to_lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

static bool check_ipv6(const char *host, struct endpoint *e)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	size_t len = strlen(host);

	if (len < 2 || len - 2 >= sizeof(address) || host[len - 1] != ']')
		return false;
	memcpy(address, host + 1, len - 2);
	address[len - 2] = '\0';
	if (inet_pton(AF_INET6, address, &in6) != 1)
		return false;
	e->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6);
	return true;
}

/* A host whose last label begins with a digit is an address, or nothing. */
static bool check_host(const char *host, struct endpoint *e)
{
	const char *label = host;
	struct in_addr in;

	if (host[0] == '[')
		return check_ipv6(host, e);
	if (strlen(host) > ENDPOINT_HOST_MAX)
		return false;
	for (size_t len; endpoint_is_label(label, len = strcspn(label, ".")); label += len + 1) {
		if (label[len])
			continue;
		e->is_loopback = strcmp(host, "localhost") == 0;
		if (!is_digit(label[0]))
			return true;
		if (inet_pton(AF_INET, host, &in) != 1)
			return false;
		e->is_loopback = ntohl(in.s_addr) >> 24 == IN_LOOPBACKNET;
		e->is_metadata = ntohl(in.s_addr) == ALIBABA_METADATA || ntohl(in.s_addr) >> 16 == LINK_LOCAL;
		return true;
	}
	return false;
}

/* What is wrong with what stands behind the host, or NULL. */
static const char *check_rest(struct parts *p, bool is_url)
{
	if (parts_has(p, CURLUPART_USER) || parts_has(p, CURLUPART_PASSWORD))
		return BAD_USER;
	if (is_url)
		return parts_has(p, CURLUPART_FRAGMENT) ? BAD_FRAGMENT : NULL;
	if (parts_has(p, CURLUPART_QUERY) || parts_has(p, CURLUPART_FRAGMENT) || !parts_get(p, CURLUPART_PATH, &p->path) ||
	    strcmp(p->path, "/") != 0)
		return BAD_REST;
	return NULL;
}

/* What is wrong with it, or NULL. */
static const char *take_apart(struct parts *p, const char *text, bool is_url, struct endpoint *e)
{
	CURLUcode code;
	const char *why;

	if (strncasecmp(text, "https://", 8) != 0 && strncasecmp(text, "http://", 7) != 0)
		return BAD_SCHEME;
	code = curl_url_set(p->url, CURLUPART_URL, text, 0);
	p->is_without_memory = code == CURLUE_OUT_OF_MEMORY;
	if (code == CURLUE_BAD_PORT_NUMBER)
		return BAD_PORT;
	if (code != CURLUE_OK)
		return BAD_HOST;
	why = check_rest(p, is_url);
	if (why)
		return why;
	if (parts_has(p, CURLUPART_ZONEID) || !parts_get(p, CURLUPART_HOST, &p->host) ||
	    !parts_get(p, CURLUPART_SCHEME, &p->scheme))
		return BAD_HOST;
	to_lower(p->host);
	if (!check_host(p->host, e))
		return BAD_HOST;
	return parts_get(p, CURLUPART_PORT, &p->port) && strcmp(p->port, "0") == 0 ? BAD_PORT : NULL;
}

static int parse(const char *text, bool is_url, struct endpoint *ret_endpoint, struct error *ret_error)
{
	struct parts p = { .url = curl_url() };
	struct endpoint e = { .url = "" };
	const char *why;
	int r = -ENOMEM;

	if (!p.url)
		return r;
	why = take_apart(&p, text, is_url, &e);
	if (p.is_without_memory)
		goto out;
	if (why) {
		snprintf(ret_error->text, sizeof(ret_error->text), "%s", why);
		r = ENDPOINT_E_INVALID;
		goto out;
	}
	e.is_https = strcmp(p.scheme, "https") == 0;
	snprintf(e.host, sizeof(e.host), "%s%s%s", p.host, p.port ? ":" : "", p.port ? p.port : "");
	snprintf(e.url, sizeof(e.url), "%s://%s/", p.scheme, e.host);
	*ret_endpoint = e;
	r = ENDPOINT_OK;
out:
	parts_deinit(&p);
	return r;
}

int endpoint_parse(const char *text, struct endpoint *ret_endpoint, struct error *ret_error)
{
	return parse(text, false, ret_endpoint, ret_error);
}

int endpoint_parse_url(const char *text, struct endpoint *ret_endpoint, struct error *ret_error)
{
	return parse(text, true, ret_endpoint, ret_error);
}

bool endpoint_is_private(const struct endpoint *e)
{
	return e->is_https || e->is_loopback || e->is_metadata;
}
