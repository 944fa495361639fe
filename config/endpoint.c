/*
 * Endpoints: "http(s)://host[:port][/]" and nothing else. Pure.
 *
 * What counts as loopback must be what every resolver takes for it: a host whose last label begins with a digit is
 * an IPv4 address in four plain decimal parts or refused, so that 127.1, 0177.0.0.1 and 0x7f.1 mean nothing here.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX 253
#define LABEL_MAX 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* A DNS name by form: labels of letters, digits and inner hyphens. */
bool endpoint_is_host(const char *host, size_t len)
{
	size_t label = 0;

	if (!len || len > HOST_MAX)
		return false;
	for (size_t i = 0; i <= len; i++) {
		char c = i < len ? lower(host[i]) : '.';

		if (c == '.') {
			if (!label || label > LABEL_MAX || host[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c == '-' && label))
			return false;
		label++;
	}
	return true;
}

static bool parse_ipv6(const char *text, char *ret_host, size_t size, bool *ret_is_loopback)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr in6;

	if (inet_pton(AF_INET6, text, &in6) != 1 || !inet_ntop(AF_INET6, &in6, address, sizeof(address)))
		return false;
	snprintf(ret_host, size, "[%s]", address);
	*ret_is_loopback = IN6_IS_ADDR_LOOPBACK(&in6);
	return true;
}

static bool parse_host(const char *text, size_t len, char *ret_host, size_t size, bool *ret_is_loopback)
{
	char host[HOST_MAX + 1];
	const char *last;
	struct in_addr in;

	if (len > 2 && text[0] == '[' && text[len - 1] == ']' && len - 2 <= HOST_MAX) {
		memcpy(host, text + 1, len - 2);
		host[len - 2] = '\0';
		return parse_ipv6(host, ret_host, size, ret_is_loopback);
	}
	if (!endpoint_is_host(text, len))
		return false;
	for (size_t i = 0; i < len; i++)
		host[i] = lower(text[i]);
	host[len] = '\0';
	last = strrchr(host, '.');
	*ret_is_loopback = strcmp(host, "localhost") == 0;
	if (is_digit(last ? last[1] : host[0])) {
		if (inet_pton(AF_INET, host, &in) != 1)
			return false;
		*ret_is_loopback = ntohl(in.s_addr) >> 24 == 127;
	}
	memcpy(ret_host, host, len + 1);
	return true;
}

static bool parse_port(const char *text, size_t len, unsigned int *ret_port)
{
	unsigned int port = 0;

	if (!len || len > 5 || text[0] == '0')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return false;
		port = port * 10 + (unsigned int)(text[i] - '0');
	}
	*ret_port = port;
	return port <= 65535;
}

static bool complain(struct error *ret_error, const char *text)
{
	snprintf(ret_error->text, sizeof(ret_error->text), "%s", text);
	return false;
}

static bool parse_scheme(const char **text, bool *ret_is_tls)
{
	*ret_is_tls = strncasecmp(*text, "https://", 8) == 0;
	if (!*ret_is_tls && strncasecmp(*text, "http://", 7) != 0)
		return false;
	*text += *ret_is_tls ? 8 : 7;
	return true;
}

bool config_endpoint_parse(const char *text, struct config_endpoint *ret_endpoint, struct error *ret_error)
{
	struct config_endpoint e = { .url = "" };
	char host[HOST_MAX + 3];
	size_t len, host_len;
	const char *after;
	unsigned int port, usual;

	if (!parse_scheme(&text, &e.is_tls))
		return complain(ret_error, "does not begin with https:// (or http:// for loopback)");
	len = strcspn(text, "/?#\\");
	if (memchr(text, '@', len))
		return complain(ret_error, "holds a user or password before \"@\"; keys belong into the credentials");
	if (text[len] && strcmp(text + len, "/") != 0)
		return complain(ret_error, "goes on after the host; write scheme, host and perhaps a port only");
	after = memchr(text, ']', len);
	host_len = (size_t)(after ? after + 1 - text : (ptrdiff_t)strcspn(text, ":/"));
	if (!parse_host(text, host_len, host, sizeof(host), &e.is_loopback))
		return complain(ret_error, "has no valid host; write a DNS name, four decimal parts, or IPv6 in brackets");
	usual = e.is_tls ? 443 : 80;
	port = usual;
	if (host_len < len && (text[host_len] != ':' || !parse_port(text + host_len + 1, len - host_len - 1, &port)))
		return complain(ret_error, "has no valid port; it is a number from 1 to 65535");
	if (port == usual)
		snprintf(e.url, sizeof(e.url), "%s://%s/", e.is_tls ? "https" : "http", host);
	else
		snprintf(e.url, sizeof(e.url), "%s://%s:%u/", e.is_tls ? "https" : "http", host, port);
	*ret_endpoint = e;
	return true;
}

bool config_endpoint_is_loopback(const char *endpoint)
{
	struct config_endpoint e;
	struct error error;

	return endpoint && config_endpoint_parse(endpoint, &e, &error) && e.is_loopback;
}
