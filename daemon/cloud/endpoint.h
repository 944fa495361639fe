/*
 * One endpoint: the setting, taken apart once. Also for a proxy, for URLs with a path, and for what config/ checks. Pure.
 */
#pragma once

#include "core/model.h"

#define ENDPOINT_HOST_MAX 253 /* RFC 1035 */

struct endpoint {
	char url[320];  /* "https://host[:port]/", in lower case: also its name in messages */
	char host[280]; /* as the Host header says it and V3 signs it: with the port when it is not the default */
	bool is_https;
	bool is_loopback; /* localhost, 127.x.y.z or [::1], and nothing that a name server could answer for */
	bool is_metadata; /* 100.100.100.200 or 169.254.x.y: what answers there is this machine's own hypervisor */
};

enum {
	ENDPOINT_OK = 0,
	ENDPOINT_E_INVALID = 1, /* ret_error says what is wrong, to stand behind "endpoint ", without the text itself */
};
/* Scheme, host and at most a port and a "/". 0, ENDPOINT_E_INVALID or -ENOMEM. */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint, struct error *ret_error) __attribute__((warn_unused_result));
/* The same for a URL, which may have a path and a query: ret_endpoint is the endpoint in front of them. */
int endpoint_parse_url(const char *text, struct endpoint *ret_endpoint, struct error *ret_error) __attribute__((warn_unused_result));
/* May a secret go there? Over TLS, or without leaving the machine. */
bool endpoint_is_private(const struct endpoint *e);
/* A part of a host name between two dots: 1 to 63 letters, digits and inner hyphens. */
bool endpoint_is_label(const char *text, size_t len);
