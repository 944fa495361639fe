/*
 * What a failed transfer means for an operator: one line with the endpoint, what happened, and the next step.
 * Private to cloud/. Pure: one table, and never a secret, a query or a proxy's URL in a line.
 */
#pragma once

#include <curl/curl.h>

#include "client.h"

struct transfer_failure {
	CURLcode code;
	long verify_result; /* OpenSSL's, 0 when there is none */
	long os_error;      /* errno of connect, or 0 */
};

/* Is it no answer (TRANSPORT), or one that is none (INVALID)? */
enum call_result advice_result(CURLcode code);
void advice_transport(const char *endpoint, const struct transfer_failure *failure, struct error *ret_advice);
