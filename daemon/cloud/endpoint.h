/*
 * One endpoint: the setting, taken apart once. Private to cloud/. Pure.
 */
#pragma once

#include "core/model.h"

#define ENDPOINT_HOST_MAX 253 /* RFC 1035 */

struct endpoint {
	char url[320];  /* "https://host[:port]/", in lower case: also its name in messages */
	char host[280]; /* as the Host header says it and V3 signs it: with the port when it is not the default */
	bool is_https;
	bool is_loopback;
};

enum {
	ENDPOINT_OK = 0,
	ENDPOINT_E_INVALID = 1, /* ret_error says what it must look like */
};
/* Scheme, host and at most a port and a "/". 0, ENDPOINT_E_INVALID or -ENOMEM. */
int endpoint_parse(const char *text, struct endpoint *ret_endpoint, struct error *ret_error) __attribute__((warn_unused_result));
