/*
 * An act as it comes over the control socket: JSON to struct act, strictly. Pure.
 *
 *   {"act": "pause", "why": "…"} and, as the act needs them: "all": true, "account", "policy", "version_type",
 *   "version", "wave", "instance", "serial_number": texts, "count": a number.
 *
 * Refused are unknown keys, keys that come twice, wrong types, empty texts, texts beyond their limits, text that is no UTF-8 or has control
 * characters, and anything behind the object. What an act needs and whether it fits anything is the core's to say.
 */
#pragma once

#include "core/reconcile.h"

#define CONTROL_BODY_MAX 65536
#define LIMIT_WHY 500

/* What is wrong and what to do about it; both clean. */
struct control_error {
	struct error what, next;
};

struct act_request {
	struct act act; /* points into the texts; `who` is NULL */
	char account[LIMIT_NAME + 1], policy[LIMIT_NAME + 1], wave[LIMIT_NAME + 1];
	char version_type[LIMIT_VERSION + 1], version[LIMIT_VERSION + 1];
	char instance[LIMIT_INSTANCE_ID + 1], serial_number[LIMIT_SERIAL_NUMBER + 1];
	char why[LIMIT_WHY + 1];
};

enum {
	ACT_REQUEST_E_INVALID = 1, /* ret_error says what is wrong */
};
/* 0, ACT_REQUEST_E_INVALID or -ENOMEM. *ret_request must not be moved afterwards. */
int act_request_parse(const char *body, size_t len, struct act_request *ret_request, struct control_error *ret_error)
	__attribute__((warn_unused_result));
